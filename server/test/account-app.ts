import { randomBytes } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import {
  type AccountAccess,
  type AccountDependencies,
  type AccountMembership,
  accountEndpoints,
  adminAccountEndpoints,
  createAccountAccess,
  type OutsideIssuer,
} from '../src/accounts/index.ts';
import { registerPages } from '../src/pages/index.ts';
import { answerRoute, type UnprovenRequest } from '../src/platform/answer-request.ts';
import { ChangeWatch } from '../src/platform/change-watch.ts';
import { type Clock, systemClock } from '../src/platform/clock.ts';
import { readChangeCounter } from '../src/platform/credential-changes.ts';
import { connect, type Sql } from '../src/platform/db.ts';
import type { Endpoint } from '../src/platform/endpoint.ts';
import { buildHttpServer } from '../src/platform/http-server.ts';
import { randomIds } from '../src/platform/ids.ts';
import { MailBox, type MailDelivery } from '../src/platform/mail.ts';
import { MailOutbox } from '../src/platform/mail-outbox.ts';
import { createSecretBox } from '../src/platform/secret-box.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export interface AccountAppOptions {
  /** Another process on the same database and master key. */
  beside?: AccountApp;
  clock?: Clock;
  environment?: Environment;
  outsideIssuer?: OutsideIssuer;
  /** Laptop mode's mail box when left out. */
  delivery?: MailDelivery;
  memberships?: (accountId: string) => readonly AccountMembership[];
  isInUse?: (accountId: string) => boolean;
}

/** What the answers of these endpoints may hold. */
interface AnswerBody {
  [member: string]: unknown;
  accessToken: string;
  refreshToken: string;
  secret: string;
  recoveryCodes: string[];
  code: string;
  detail: string;
}

export interface AccountAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  body: AnswerBody;
}

export interface AccountApp {
  app: FastifyInstance;
  sql: Sql;
  database: TestDatabase;
  masterKey: string;
  deps: AccountDependencies;
  access: AccountAccess;
  mailBox: MailBox;
  post(path: string, body?: unknown, options?: InjectOptions): Promise<AccountAnswer>;
  get(path: string, accessToken?: string): Promise<AccountAnswer>;
  /** Sends what waits in the outbox, like the worker. */
  sendMails(): Promise<void>;
  /** Everything that the newest mail to somebody holds. */
  mailTo(email: string): { subject: string; text: string; token: string } | undefined;
  /** Registers and confirms: a person who can log in. */
  newPerson(email?: string): Promise<{ email: string; password: string }>;
  logIn(person: { email: string; password: string }, more?: object): Promise<AccountAnswer>;
  close(): Promise<void>;
}

/** A clock that stands still until a test moves it. */
export class SettableClock implements Clock {
  #milliseconds = systemClock.now().getTime();

  now(): Date {
    return new Date(this.#milliseconds);
  }

  advance(milliseconds: number): void {
    this.#milliseconds += milliseconds;
  }
}

/** The network that calls come from when nothing else is said. */
const OWN_ADDRESS = '192.0.2.1';
const PASSWORD = 'correct horse battery';

/** The endpoints of accounts/ as one process serves them: caches, connections and mail box of its own. */
export async function startAccountApp(options: AccountAppOptions = {}): Promise<AccountApp> {
  const { beside, clock = systemClock, environment = 'sandbox' } = options;
  const database = beside?.database ?? (await createTestDatabase());
  const sql =
    beside === undefined ? database.sql : connect(database.url, { max: 5, applicationName: 'sir-test-beside' });
  const masterKey = beside?.masterKey ?? randomBytes(32).toString('hex');
  const secretBox = createSecretBox(masterKey);
  const mailBox = new MailBox('SIR Giving <no-reply@example.org>', clock);
  const deps = dependencies({ sql, clock, ids: randomIds, secretBox, environment }, mailBox, options);
  const errors: unknown[] = [];
  const app = serve(deps, errors);
  registerPages(app, mailBox);
  await app.ready();

  const send = async (injected: InjectOptions): Promise<AccountAnswer> => {
    const response = await app.inject({ remoteAddress: OWN_ADDRESS, ...injected });
    if (response.statusCode === 500) throw errors.pop();
    const headers = Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [name, value?.toString()]),
    );
    return { status: response.statusCode, headers, body: response.body === '' ? {} : JSON.parse(response.body) };
  };
  const post: AccountApp['post'] = (path, body = {}, more = {}) =>
    send({
      method: 'POST',
      url: `/v1/${path}`,
      ...more,
      headers: { 'content-type': 'application/json', ...more.headers },
      payload: JSON.stringify(body),
    });
  const self: AccountApp = {
    app,
    sql,
    database,
    masterKey,
    deps,
    access: deps.access,
    mailBox,
    post,
    get: (path, accessToken) => send({ method: 'GET', url: `/v1/${path}`, headers: authorized(accessToken) }),
    sendMails: () => deps.mailOutbox.sendDue(sql, pino({ level: 'silent' })),
    mailTo: (email) => {
      const mail = mailBox.list().find(({ to }) => to === email);
      return mail === undefined ? undefined : { ...mail, token: /#([\w-]{43})\n/.exec(mail.text)?.[1] ?? '' };
    },
    newPerson: async (email = `person-${randomBytes(6).toString('hex')}@example.org`) => {
      await post('partner/auth/register', { email, password: PASSWORD }, { remoteAddress: randomAddress() });
      await self.sendMails();
      const answer = await post('partner/auth/verify-email', { token: self.mailTo(email)?.token });
      if (answer.status !== 200) throw new Error(`not confirmed: ${JSON.stringify(answer.body)}`);
      return { email, password: PASSWORD };
    },
    logIn: (person, more = {}) => post('partner/auth/login', { ...person, ...more }),
    close: async () => {
      await app.close();
      if (beside === undefined) await database.drop();
      else await sql.end({ timeout: 1 });
    },
  };
  return self;
}

type Parts = Pick<AccountDependencies, 'sql' | 'clock' | 'ids' | 'secretBox' | 'environment'>;

function dependencies(parts: Parts, mailBox: MailBox, options: AccountAppOptions): AccountDependencies {
  const { sql } = parts;
  const access = createAccountAccess({
    ...parts,
    changes: new ChangeWatch(() => readChangeCounter(sql)),
    outsideIssuer: options.outsideIssuer,
  });
  return {
    ...parts,
    mailOutbox: new MailOutbox({ ...parts, delivery: options.delivery ?? { kind: 'memory', mailBox } }),
    access,
    publicUrl: 'https://devapi.example.org',
    readMemberships: async (accountId) => options.memberships?.(accountId) ?? [],
    isInUse: async (_tx, accountId) => options.isInUse?.(accountId) ?? false,
  };
}

/** Options of a call by somebody who is logged in. */
export function as(accessToken: string): InjectOptions {
  return { headers: authorized(accessToken) };
}

function authorized(accessToken: string | undefined): Record<string, string> {
  return accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
}

/** An address that nobody has called from yet. */
export function randomAddress(): string {
  return `10.${randomBytes(3).join('.')}`;
}

type Line = readonly [method: 'GET' | 'POST', path: string, scope: 'anyone' | 'account', endpoint: Endpoint];

function tableOf(deps: AccountDependencies): readonly Line[] {
  const partner = accountEndpoints(deps);
  const admin = adminAccountEndpoints(deps);
  return [
    ['POST', '/v1/partner/auth/register', 'anyone', partner.byAnyone.register],
    ['POST', '/v1/partner/auth/verify-email', 'anyone', partner.byAnyone.verifyEmail],
    ['POST', '/v1/partner/auth/login', 'anyone', partner.byAnyone.logIn],
    ['POST', '/v1/partner/auth/refresh', 'anyone', partner.byAnyone.refresh],
    ['POST', '/v1/partner/auth/logout', 'anyone', partner.byAnyone.logOut],
    ['POST', '/v1/partner/auth/forgot-password', 'anyone', partner.byAnyone.forgotPassword],
    ['POST', '/v1/partner/auth/reset-password', 'anyone', partner.byAnyone.resetPassword],
    ['GET', '/v1/partner/auth/me', 'account', partner.bySignedIn.me],
    ['POST', '/v1/partner/auth/change-password', 'account', partner.bySignedIn.changePassword],
    ['POST', '/v1/partner/auth/totp', 'account', partner.bySignedIn.enrolTotp],
    ['POST', '/v1/partner/auth/totp/confirm', 'account', partner.bySignedIn.confirmTotp],
    ['POST', '/v1/partner/auth/totp/disable', 'account', partner.bySignedIn.disableTotp],
    ['POST', '/v1/partner/auth/totp/prove', 'account', partner.bySignedIn.proveOtp],
    ['POST', '/v1/admin/auth/login', 'anyone', admin.byAnyone.logIn],
    ['POST', '/v1/admin/auth/refresh', 'anyone', admin.byAnyone.refresh],
    ['POST', '/v1/admin/auth/logout', 'anyone', admin.byAnyone.logOut],
    ['GET', '/v1/admin/auth/me', 'account', admin.bySignedIn.me],
  ];
}

function serve(deps: AccountDependencies, errors: unknown[]) {
  const { app, isStopping } = buildHttpServer({
    ids: randomIds,
    log: { error: ({ err }) => void errors.push(err) },
    docsUrl: '',
    countPublic: async () => {},
  });
  const answering = {
    ...deps,
    clientIp: (connection: string | undefined) => connection ?? OWN_ADDRESS,
    rateLimitsOf: () => [],
    countAddress: async () => {},
    idempotency: deps,
    afterWrite: () => {},
    afterReplay: () => {},
    isStopping,
  };
  const authenticate = ({ headers }: UnprovenRequest) =>
    deps.access.verifyAccessToken((headers.authorization ?? '').replace(/^Bearer /, ''));
  for (const [method, path, scope, endpoint] of tableOf(deps)) {
    const proof = scope === 'anyone' ? undefined : authenticate;
    app.route({
      method,
      url: path,
      config: { scope },
      handler: answerRoute(answering, { method, path, endpoint, authenticate: proof }),
    });
  }
  return app;
}
