import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, type AccountAppOptions, as, startAccountApp } from '../../test/account-app.ts';
import { systemClock } from '../platform/clock.ts';
import { disableAccount } from './disable-account.ts';
import { endSessionsOf } from './end-sessions.ts';
import { OUR_ISSUER } from './session-tokens.ts';

const SECOND = 1_000;
const ISSUER = 'https://app.sirgiving.example';
const AUDIENCE = 'partner-api';
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

let keys: Record<string, Pair>;
let jwks: Server;
let jwksUrl: string;
let app: AccountApp;
/** Accounts that belong to a partner. */
const inUse = new Set<string>();

beforeAll(async () => {
  const names = [...ALGORITHMS, 'PS256'];
  const pairs = await Promise.all(names.map((alg) => generateKeyPair(alg)));
  keys = Object.fromEntries(names.map((name, index) => [name, pairs[index] as Pair]));
  const published: JWK[] = await Promise.all(
    Object.entries(keys).map(async ([alg, { publicKey }]) => ({ ...(await exportJWK(publicKey)), alg, kid: alg })),
  );
  jwks = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: published }));
  });
  jwksUrl = await urlOf(jwks);
  app = await startAccountApp(options());
});
afterAll(async () => {
  await app.close();
  jwks.close();
});

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/jwks.json`;
}

function options(more: Partial<AccountAppOptions> = {}): AccountAppOptions {
  const outsideIssuer = { issuer: ISSUER, audience: AUDIENCE, jwksUrl };
  return { outsideIssuer, isInUse: (accountId) => inUse.has(accountId), ...more };
}

interface Wish {
  subject?: string;
  alg?: string;
  kid?: string;
  change?: (jwt: SignJWT) => SignJWT;
  issuedAt?: number;
  email?: string;
}

let people = 0;
const newSubject = () => `user-${people++}`;

function outsideToken(wish: Wish = {}): Promise<string> {
  const {
    subject = newSubject(),
    alg = 'RS256',
    kid = alg,
    change = (jwt) => jwt,
    email = 'somebody@example.org',
  } = wish;
  const issuedAt = Math.floor((wish.issuedAt ?? systemClock.now().getTime()) / 1_000);
  const jwt = new SignJWT({ email, email_verified: true })
    .setProtectedHeader({ alg, kid })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(subject)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + 3_600);
  return change(jwt).sign((keys[alg] as Pair).privateKey);
}

const me = (token: string, where = app) => where.get('partner/auth/me', token);
const accountIdOf = async (token: string) => (await app.access.verifyAccessToken(token)).accountId;

describe('a token of the outside issuer', () => {
  test.each(ALGORITHMS)('signed with %s is an access token: its subject gets an account of its own', async (alg) => {
    const subject = newSubject();
    const answer = await me(await outsideToken({ alg, subject }));
    expect(answer).toMatchObject({
      status: 200,
      body: { account: { email: null, emailVerified: false }, partner: null },
    });
    const again = await me(await outsideToken({ alg, subject }));
    expect(again.body.account).toEqual(answer.body.account);
    expect((await me(await outsideToken({ alg }))).body.account).not.toEqual(answer.body.account);
  });

  test('that comes for the first time on many requests at once makes one account', async () => {
    const [token, beside] = [await outsideToken(), await startAccountApp(options({ beside: app }))];
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => me(token, index % 2 === 0 ? app : beside)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body.account))).size).toBe(1);
    await beside.close();
  });

  test.each<[string, Wish]>([
    ['of another issuer', { change: (jwt) => jwt.setIssuer('https://evil.example') }],
    ['for another audience', { change: (jwt) => jwt.setAudience('another-api') }],
    ['that says it is ours', { change: (jwt) => jwt.setIssuer(OUR_ISSUER).setAudience('partner') }],
    ['that says it is an admin’s', { change: (jwt) => jwt.setAudience('admin') }],
    ['that is expired', { issuedAt: 0 }],
    ['without an end', { change: (jwt) => jwt.setExpirationTime(0) }],
    ['without a subject', { change: (jwt) => jwt.setSubject('') }],
    ['signed with an algorithm that is not agreed', { alg: 'PS256' }],
    ['signed with the key of another', { kid: 'PS256' }],
    ['of an unknown key', { kid: 'unknown' }],
  ])('%s is refused', async (_what, wish) => {
    expect(await me(await outsideToken(wish))).toMatchObject({ status: 401, body: { code: 'INVALID_ACCESS_TOKEN' } });
  });

  test('made with the public key as an HMAC secret is refused', async () => {
    const publicKey = new TextEncoder().encode(JSON.stringify(await exportJWK((keys.RS256 as Pair).publicKey)));
    const forged = new SignJWT({})
      .setProtectedHeader({ alg: 'HS256', kid: 'RS256' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE);
    const token = await forged.setSubject('x').setIssuedAt().setExpirationTime('1h').sign(publicKey);
    expect((await me(token)).status).toBe(401);
  });

  test('never is one for the administration', async () => {
    const token = await outsideToken();
    await app.sql`update accounts set is_admin = true where id = ${await accountIdOf(token)}`;
    expect((await app.get('admin/auth/me', token)).status).toBe(401);
  });

  test('is refused where no issuer is configured', async () => {
    const without = await startAccountApp({ beside: app });
    expect((await me(await outsideToken(), without)).status).toBe(401);
    await without.close();
  });

  test('is 503, and not wrong, while the issuer’s keys cannot be had', async () => {
    const silent = createServer((_request, response) => void response.writeHead(500).end());
    const outsideIssuer = { issuer: ISSUER, audience: AUDIENCE, jwksUrl: await urlOf(silent) };
    const cut = await startAccountApp({ beside: app, outsideIssuer });
    expect(await me(await outsideToken(), cut)).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    await cut.close();
    silent.close();
  });
});

describe('an account of the outside issuer', () => {
  test('is never an existing one because of an e-mail address', async () => {
    const person = await app.newPerson();
    const answer = await me(await outsideToken({ email: person.email }));
    expect(answer.body.account).toMatchObject({ email: null });
  });

  test('becomes an existing one by a log-in to it', async () => {
    const person = await app.newPerson();
    const subject = newSubject();
    const own = (await me(await outsideToken({ subject }))).body.account;
    const wrong = await app.logIn(
      { ...person, password: 'not the right one' },
      { identityToken: await outsideToken({ subject }) },
    );
    expect(wrong.status).toBe(401);
    expect((await me(await outsideToken({ subject }))).body.account).toEqual(own);
    const linked = await app.logIn(person, { identityToken: await outsideToken({ subject }) });
    expect(linked.status).toBe(200);
    await sleep(SECOND);
    const after = await me(await outsideToken({ subject }));
    expect(after.body.account).toEqual(linked.body.account);
    expect((await app.logIn(person, { identityToken: await outsideToken({ subject }) })).status).toBe(200);
  });

  test('can be linked before it was ever used', async () => {
    const person = await app.newPerson();
    const token = await outsideToken();
    const linked = await app.logIn(person, { identityToken: token });
    expect((await me(token)).body.account).toEqual(linked.body.account);
  });

  test('is no way round the change of a first password', async () => {
    const person = await app.newPerson();
    await app.sql`update accounts set must_change_password = true where email = ${person.email}`;
    const token = await outsideToken();
    expect((await app.logIn(person, { identityToken: token })).status).toBe(200);
    expect(await app.access.verifyAccessToken(token)).toMatchObject({ mustChangePassword: true });
  });

  test('that belongs to a partner, or to another person, is not given up', async () => {
    const [person, other] = [await app.newPerson(), await app.newPerson()];
    const [used, linked] = [await outsideToken(), await outsideToken()];
    inUse.add(await accountIdOf(used));
    await app.logIn(other, { identityToken: linked });
    for (const identityToken of [used, linked]) {
      const answer = await app.logIn(person, { identityToken });
      expect(answer).toMatchObject({ status: 409, body: { code: 'IDENTITY_IN_USE' } });
    }
    expect((await me(linked)).body.account).toMatchObject({ email: other.email });
  });

  test('is not linked by a token that is not the issuer’s', async () => {
    const person = await app.newPerson();
    const identityToken = await outsideToken({ change: (jwt) => jwt.setAudience('another-api') });
    const answer = await app.logIn(person, { identityToken });
    expect(answer).toMatchObject({ status: 401, body: { code: 'INVALID_ACCESS_TOKEN' } });
  });
});

describe('what an outside issuer’s token may do ends within a second in every process', () => {
  const anEarlierToken = (subject: string) =>
    outsideToken({ subject, issuedAt: systemClock.now().getTime() - 5 * SECOND });

  test.each<[string, (token: string, accountId: string) => Promise<unknown>]>([
    ['by a log-out', (token) => app.post('partner/auth/logout', {}, as(token))],
    ['by a changed role', (_token, id) => app.sql.begin((tx) => endSessionsOf(tx, id, 'ROLE', systemClock.now()))],
    ['by disabling', (_token, id) => app.sql.begin((tx) => disableAccount(tx, id, systemClock.now()))],
  ])('%s', async (_what, end) => {
    const subject = newSubject();
    const token = await anEarlierToken(subject);
    const beside = await startAccountApp(options({ beside: app }));
    expect((await me(token, beside)).status).toBe(200);
    await end(token, await accountIdOf(token));
    await sleep(SECOND);
    expect((await me(token, beside)).status).toBe(401);
    expect((await me(token)).status).toBe(401);
    await beside.close();
  });

  test('and a token that the issuer gives after a log-out works', async () => {
    const subject = newSubject();
    const token = await anEarlierToken(subject);
    expect((await app.post('partner/auth/logout', {}, as(token))).status).toBe(204);
    await sleep(1.2 * SECOND);
    expect((await me(await outsideToken({ subject }))).status).toBe(200);
  });
});
