import { randomBytes } from 'node:crypto';
import { type Environment, ProblemSchema } from '@sirgiving/contract';
import { signRequest } from '@sirgiving/signature';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import type { TSchema } from 'typebox';
import { createAccountAccess, type OutsideIssuer } from '../src/accounts/index.ts';
import { SubmissionQueue } from '../src/actions/index.ts';
import { createKey, createPartner, type IssuedKey, type PartnerStatus } from '../src/partners/index.ts';
import type { Tier } from '../src/partners/partner.ts';
import type { Role } from '../src/platform/caller.ts';
import { ChangeWatch } from '../src/platform/change-watch.ts';
import { type Clock, systemClock } from '../src/platform/clock.ts';
import { readChangeCounter } from '../src/platform/credential-changes.ts';
import type { Sql } from '../src/platform/db.ts';
import type { Endpoint, Tenant } from '../src/platform/endpoint.ts';
import { Failpoints } from '../src/platform/failpoints.ts';
import { publicId, randomIds } from '../src/platform/ids.ts';
import { type KeptMail, MailBox } from '../src/platform/mail.ts';
import { MailOutbox } from '../src/platform/mail-outbox.ts';
import { compileValueCheck } from '../src/platform/request-validation.ts';
import { createSecretBox, type SecretBox } from '../src/platform/secret-box.ts';
import { createPool, fundPool } from '../src/pools/index.ts';
import { RequestLog } from '../src/request-log/index.ts';
import type { Route } from '../src/route.ts';
import { type BuiltServer, buildServer, routeTable, type ServerDependencies } from '../src/server.ts';
import {
  headersOfPerson,
  joinTeam,
  type NewPersonOptions,
  type PersonOptions,
  personMaker,
  type TestPerson,
} from './people.ts';
import { createTestDatabase } from './test-database.ts';

export interface TestAppOptions {
  config?: Partial<ServerDependencies['config']>;
  clock?: Clock;
  /** What the partner's default pool begins with; 0 for no pool. */
  poolTokens?: number;
  /** Told of each write, as the worker is. */
  onWrite?: () => void;
  /** Endpoints of the test's own, instead of those of the Partner API. */
  table?: readonly Route[];
  /** Whose access tokens count beside our own. */
  outsideIssuer?: OutsideIssuer;
  /** The database of another test app: two processes on one database. */
  shareDatabaseOf?: TestApp;
}

export interface TestPartner extends Tenant {
  keys: IssuedKey;
  /** Row id of the default pool; undefined where there is none. */
  poolId: string | undefined;
}

export interface SignedOptions {
  headers?: Record<string, string>;
  /** Whose keys; those of `TestApp.partner` when left out. */
  partner?: TestPartner;
  key?: 'secret' | 'publishable';
  /** Unix seconds. */
  timestamp?: number;
}

export interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  /** Parsed; undefined when there is none. */
  // biome-ignore format: one line is easier to read
  body: Record<string, unknown> & { [name: string]: unknown };
  text: string;
}

export interface TestApp {
  app: FastifyInstance;
  routes: BuiltServer['routes'];
  /** The routes with their endpoints. */
  table: readonly Route[];
  sql: Sql;
  databaseUrl: string;
  secretBox: SecretBox;
  /** ACTIVE, sandbox, with a funded pool unless told otherwise. */
  partner: TestPartner;
  keys: IssuedKey;
  /** What the server logged as its own errors. */
  errors: { requestId: string; err: unknown }[];
  /** Another partner with keys of its own. */
  newPartner(options?: NewPartnerOptions): Promise<TestPartner>;
  /** A signed request. `body` is sent as JSON; a string or bytes exactly as they are. */
  signed(method: string, path: string, body?: unknown, options?: SignedOptions): Promise<Answer>;
  /** Somebody with an account and a session. */
  newPerson(options?: NewPersonOptions): Promise<TestPerson>;
  /** Somebody in the team of a partner. */
  newMember(role: Role, partner?: TestPartner): Promise<TestPerson>;
  /** A request with somebody's access token. `body` is sent as JSON; a string exactly as it is. */
  by(person: TestPerson, method: string, path: string, body?: unknown, options?: PersonOptions): Promise<Answer>;
  /** What was mailed from this server; the newest first. */
  mails(): Promise<readonly KeptMail[]>;
  /** What is logged of requests; written a second later, or when it is flushed. */
  requestLog: RequestLog;
  /** Any request, for malformed ones. */
  request(options: InjectOptions): Promise<Answer>;
  close(): Promise<void>;
}

export interface NewPartnerOptions {
  environment?: Environment;
  status?: PartnerStatus;
  tier?: Tier;
  poolTokens?: number;
}

const BASE_URL = 'https://devapi.sirgiving.org';
const DEFAULT_CONFIG: ServerDependencies['config'] = {
  environment: 'sandbox',
  laptop: false,
  trustedProxies: [],
  rateLimitPerMinute: undefined,
  allowInsecureWebhooks: true,
};
const DEFAULT_POOL_TOKENS = 1_000_000;

/**
 * The whole HTTP server on a database of its own, called without a socket. Every answer is checked against the schema that its endpoint
 * declares, problems against the problem's; a 500 fails the test with what was logged.
 */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const shared = options.shareDatabaseOf;
  const database = shared === undefined ? await createTestDatabase() : undefined;
  const sql = shared?.sql ?? (database as { sql: Sql }).sql;
  const secretBox = shared?.secretBox ?? createSecretBox(randomBytes(32).toString('hex'));
  const clock = options.clock ?? systemClock;
  const errors: TestApp['errors'] = [];
  const config = { ...DEFAULT_CONFIG, ...options.config };
  const log = { error: (fields: { requestId: string; err: unknown }) => void errors.push(fields) };
  const wakeUp = { nudge: options.onWrite ?? (() => {}) };
  const submissions = new SubmissionQueue({
    databaseUrl: database?.url ?? (shared?.databaseUrl as string),
    clock,
    ids: randomIds,
    log: pino({ level: 'silent' }),
    failpoints: new Failpoints(undefined),
    onCommitted: wakeUp.nudge,
  });
  const changes = new ChangeWatch(() => readChangeCounter(sql));
  const parts = { sql, clock, ids: randomIds, secretBox, changes };
  const accountAccess = createAccountAccess({ ...parts, outsideIssuer: options.outsideIssuer });
  const mailBox = new MailBox('SIR Giving <no-reply@sirgiving.test>', clock);
  const mailOutbox = new MailOutbox({
    ...parts,
    environment: config.environment,
    delivery: { kind: 'memory', mailBox },
  });
  const requestLog = new RequestLog({ sql, log });
  const deps = { ...parts, config, log, requestLog, submissions, wakeUp, accountAccess, mailOutbox, baseUrl: BASE_URL };
  const table = options.table ?? routeTable(deps);
  const { app, routes } = await buildServer(config.laptop ? { ...deps, mailBox } : deps, table);
  const check = answerCheck(table);
  const newPartner = partnerMaker(sql, secretBox, clock, config.environment);
  const partner =
    shared?.partner ?? (await newPartner(options.poolTokens === undefined ? {} : { poolTokens: options.poolTokens }));

  const newPerson = personMaker({ sql, secretBox, clock });

  const request = async (injected: InjectOptions): Promise<Answer> => {
    const response = await app.inject(injected);
    const text = response.body;
    const isJson = text !== '' && String(response.headers['content-type']).includes('json');
    const headers = Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [name, value?.toString()]),
    );
    const answer = { status: response.statusCode, headers, body: isJson ? JSON.parse(text) : undefined, text };
    const failure = errors.find(
      ({ requestId }) => answer.status === 500 && requestId === answer.headers['x-request-id'],
    );
    if (failure !== undefined) throw failure.err;
    check(String(injected.method ?? 'GET'), String(injected.url), answer);
    return answer;
  };
  return {
    app,
    routes,
    table,
    sql,
    databaseUrl: shared?.databaseUrl ?? database?.url ?? '',
    secretBox,
    partner,
    keys: partner.keys,
    errors,
    requestLog,
    newPartner,
    newPerson,
    newMember: async (role, of = partner) => {
      const person = await newPerson();
      await joinTeam(sql, clock, of.partnerId, person.accountId, role);
      return person;
    },
    by: (person, method, path, body, by) =>
      request(personsRequest({ method, path, body }, headersOfPerson(person, by))),
    mails: async () => {
      await mailOutbox.sendDue(sql, pino({ level: 'silent' }));
      return mailBox.list();
    },
    request,
    signed: (method, path, body, signing = {}) =>
      request(signedRequest({ clock, partner, method, path, body }, signing)),
    close: async () => {
      await app.close();
      await requestLog.stop();
      await submissions.stop();
      await database?.drop();
    },
  };
}

interface ToSign {
  clock: Clock;
  partner: TestPartner;
  method: string;
  path: string;
  body: unknown;
}

/** The injectable form of a signed request; also for sending one by hand, changed after it was signed. */
export function signedRequest(toSign: ToSign, options: SignedOptions = {}): InjectOptions {
  const { method, path, body } = toSign;
  const { keys } = options.partner ?? toSign.partner;
  const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const timestamp = options.timestamp ?? Math.floor(toSign.clock.now().getTime() / 1000);
  return {
    method: method as NonNullable<InjectOptions['method']>,
    url: path,
    headers: {
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      'x-partner-key': options.key === 'publishable' ? keys.publicKey : keys.secretKey,
      'x-timestamp': String(timestamp),
      'x-signature': signRequest({ hmacSecret: keys.hmacSecret, timestamp, method, path, body: payload }),
      ...options.headers,
    },
    ...(payload === undefined ? {} : { payload }),
  };
}

/** The injectable form of a request that is not signed. */
export function personsRequest(
  { method, path, body }: { method: string; path: string; body?: unknown },
  headers: Record<string, string>,
): InjectOptions {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return {
    method: method as NonNullable<InjectOptions['method']>,
    url: path,
    headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(payload === undefined ? {} : { payload }),
  };
}

function partnerMaker(sql: Sql, secretBox: SecretBox, clock: Clock, ownEnvironment: Environment) {
  return async (options: NewPartnerOptions = {}): Promise<TestPartner> => {
    const { environment = ownEnvironment, status = 'ACTIVE', tier = 'STANDARD' } = options;
    // Production pools are funded by approved requests only.
    const tokens = options.poolTokens ?? (environment === 'sandbox' ? DEFAULT_POOL_TOKENS : 0);
    const now = clock.now();
    const made = await sql.begin(async (tx) => {
      const { id: partnerId } = await createPartner(tx, randomIds, {
        name: 'Test Partner',
        status,
        tier,
        createdAt: now,
      });
      const keys = await createKey(tx, randomIds, secretBox, { partnerId, environment, name: 'Test', createdAt: now });
      return { partnerId, environment, keys };
    });
    if (tokens === 0) return { ...made, poolId: undefined };
    const poolId = await sql.begin(async (tx) => {
      const { partnerId } = made;
      const pool = await createPool(tx, randomIds, { partnerId, environment, name: 'Main' }, now);
      await fundPool(tx, randomIds, { partnerId, environment, poolId: pool.poolId, tokens }, now);
      return pool.poolId;
    });
    return { ...made, poolId };
  };
}

/** The id of a test partner's pool as the API shows it. */
export function publicPoolId(partner: TestPartner): string {
  if (partner.poolId === undefined) throw new Error('this partner has no pool');
  return publicId('pool', partner.poolId);
}

/** Throws when an answer is not what its endpoint declares, down to members that no schema names. */
function answerCheck(table: readonly Route[]): (method: string, url: string, answer: Answer) => void {
  const checkProblem = compileValueCheck(openSchema(ProblemSchema), false);
  const routes = table.map(([method, path, , endpoint]) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
    endpoint,
    check: endpoint.answer === undefined ? undefined : compileValueCheck(endpoint.answer, false),
  }));
  return (method, url, answer) => {
    const path = url.split('?', 1)[0] ?? url;
    const fail = (why: string) => {
      throw new Error(`${method} ${path} answered ${answer.status}: ${why}\n${answer.text}`);
    };
    if (answer.headers['x-request-id'] === undefined) fail('no X-Request-Id');
    if (method === 'HEAD') return;
    if (answer.status >= 400) {
      if (!answer.headers['content-type']?.startsWith('application/problem+json')) fail('not application/problem+json');
      const { errors } = checkProblem(structuredClone(answer.body));
      if (errors.length > 0) fail(`not a problem: ${JSON.stringify(errors)}`);
      return;
    }
    const route = routes.find((one) => one.method === method && one.pattern.test(path));
    if (route === undefined) return;
    checkSuccess(route.endpoint, route.check, answer, fail);
  };
}

function checkSuccess(
  endpoint: Endpoint,
  check: ReturnType<typeof compileValueCheck> | undefined,
  answer: Answer,
  fail: (why: string) => void,
): void {
  if (answer.status !== endpoint.status) fail(`the endpoint declares ${endpoint.status}`);
  if (check === undefined) {
    if (answer.text !== '') fail('the endpoint declares no answer');
    return;
  }
  const { errors } = check(structuredClone(answer.body));
  if (errors.length > 0) fail(`not as declared: ${JSON.stringify(errors)}`);
}

/** Problems may carry members of their own (RFC 9457, extension members). */
function openSchema(schema: TSchema): TSchema {
  return { ...schema, additionalProperties: true };
}
