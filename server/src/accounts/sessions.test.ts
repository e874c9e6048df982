import { randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, as, SettableClock, startAccountApp } from '../../test/account-app.ts';
import { setAdmin } from './disable-account.ts';
import { findAccountByEmail } from './queries.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

const refresh = (refreshToken: string, path = 'partner/auth/refresh') => app.post(path, { refreshToken });
const sessionsOf = async (email: string) => {
  const account = await findAccountByEmail(app.sql, email);
  return app.sql<{ endReason: string | null }[]>`
    select end_reason as "endReason" from account_sessions where account_id = ${account?.id ?? null}`;
};

describe('a log-in', () => {
  test('answers a pair of JWTs, the partner and its active publishable key', async () => {
    const partner = {
      id: 'ptn_01h455vb4pex5vsknk084sn02q',
      name: 'Shop',
      slug: 'shop',
      status: 'PENDING_APPROVAL' as const,
    };
    const publishableKey = `pk_test_${'a'.repeat(64)}`;
    const membership = { partner, role: 'owner' as const };
    const withPartner = await startAccountApp({ beside: app, memberships: () => [{ membership, publishableKey }] });
    const person = await app.newPerson('Ada@Example.org');
    const { status, body } = await withPartner.logIn({ ...person, email: 'ada@example.ORG' });
    expect(status).toBe(200);
    const account = { email: 'Ada@Example.org', emailVerified: true, totpEnabled: false };
    const overview = { account, partner, publishableKey, memberships: [membership] };
    expect(body).toMatchObject({ tokenType: 'Bearer', expiresIn: 600, ...overview });
    expect((await withPartner.get('partner/auth/me', body.accessToken)).body).toMatchObject(overview);
    await withPartner.close();
  });

  test('an access token lives ten minutes, names its session and audience, and says nothing about the environment', async () => {
    const { body } = await app.logIn(await app.newPerson());
    const claims = decodeJwt(body.accessToken);
    expect(Object.keys(claims).sort()).toEqual(['amr', 'aud', 'exp', 'iat', 'iss', 'sid', 'sub']);
    expect(claims).toMatchObject({ aud: 'partner', amr: ['pwd'] });
    expect(Number(claims.exp) - Number(claims.iat)).toBeLessThanOrEqual(600);
    clock.advance(10 * MINUTE);
    expect(await app.get('partner/auth/me', body.accessToken)).toMatchObject({
      status: 401,
      body: { code: 'INVALID_ACCESS_TOKEN' },
    });
  });

  test('a token of one host is good on the other', async () => {
    const other = await startAccountApp({ beside: app, clock, environment: 'production' });
    const { body } = await app.logIn(await app.newPerson());
    expect((await other.get('partner/auth/me', body.accessToken)).status).toBe(200);
    expect((await other.post('partner/auth/refresh', { refreshToken: body.refreshToken })).status).toBe(200);
    await other.close();
  });
});

describe('an access token is refused', () => {
  const forged = async (change: (jwt: SignJWT) => SignJWT, key: Uint8Array, header: object = {}) => {
    const { body } = await app.logIn(await app.newPerson());
    const jwt = new SignJWT(decodeJwt(body.accessToken)).setProtectedHeader({
      ...decodeProtectedHeader(body.accessToken),
      alg: 'HS256',
      ...header,
    });
    return change(jwt).sign(key);
  };
  const ownKey = () => app.deps.secretBox.macKey('access-token/partner');

  test.each([
    ['of another key', () => forged((jwt) => jwt, randomBytes(32))],
    ['of another audience', () => forged((jwt) => jwt.setAudience('admin'), ownKey())],
    [
      'that passes as the other audience’s',
      () => forged((jwt) => jwt.setAudience('admin'), ownKey(), { kid: 'admin' }),
    ],
    ['of another issuer', () => forged((jwt) => jwt.setIssuer('https://evil.example'), ownKey())],
    ['of another type', () => forged((jwt) => jwt, ownKey(), { typ: 'rt+jwt' })],
    ['whose time is over', () => forged((jwt) => jwt.setExpirationTime(0), ownKey())],
    ['about somebody else', () => forged((jwt) => jwt.setSubject('acc_01h455vb4pex5vsknk084sn02q'), ownKey())],
    [
      'that is not signed',
      async () => {
        const [, payload] = (await forged((jwt) => jwt, ownKey())).split('.');
        return `${Buffer.from('{"alg":"none","typ":"at+jwt","kid":"partner"}').toString('base64url')}.${payload}.`;
      },
    ],
    ['that is a refresh token', async () => (await app.logIn(await app.newPerson())).body.refreshToken],
    ['that is none', async () => 'abc'],
  ])('%s', async (_what, token) => {
    const answer = await app.get('partner/auth/me', await token());
    expect(answer).toMatchObject({ status: 401, body: { code: 'INVALID_ACCESS_TOKEN' } });
  });

  test('while the same made by us is taken', async () => {
    expect((await app.get('partner/auth/me', await forged((jwt) => jwt, ownKey()))).status).toBe(200);
  });
});

describe('a refresh token', () => {
  test('works once: each refresh answers the next', async () => {
    const { body } = await app.logIn(await app.newPerson());
    const seen = new Set([body.refreshToken]);
    let token = body.refreshToken;
    for (let round = 0; round < 5; round++) {
      clock.advance(11 * SECOND);
      const next = await refresh(token);
      expect(next.status).toBe(200);
      expect((await app.get('partner/auth/me', next.body.accessToken)).status).toBe(200);
      token = next.body.refreshToken;
      seen.add(token);
    }
    expect(seen.size).toBe(6);
  });

  test('used again after ten seconds was copied: the whole family ends, the newest token too', async () => {
    const person = await app.newPerson();
    const { body } = await app.logIn(person);
    const second = await refresh(body.refreshToken);
    clock.advance(10 * SECOND + 1);
    const third = await refresh(second.body.refreshToken);
    const reused = await refresh(body.refreshToken);
    expect(reused).toMatchObject({ status: 401, body: { code: 'INVALID_REFRESH_TOKEN' } });
    expect((await refresh(third.body.refreshToken)).status).toBe(401);
    expect((await app.get('partner/auth/me', third.body.accessToken)).status).toBe(401);
    expect(await sessionsOf(person.email)).toEqual([{ endReason: 'REUSE' }]);
  });

  test('used by two tabs within ten seconds goes on as one family, whatever they do next', async () => {
    const person = await app.newPerson();
    const { body } = await app.logIn(person);
    const first = await refresh(body.refreshToken);
    const second = await refresh(first.body.refreshToken);
    clock.advance(9 * SECOND);
    // The slow tab's token is two generations old by now, but was first used 9 s ago.
    const late = await refresh(body.refreshToken);
    expect(late.status).toBe(200);
    expect(late.body.refreshToken).toBe(second.body.refreshToken);
    expect((await refresh(late.body.refreshToken)).status).toBe(200);
    expect(await sessionsOf(person.email)).toEqual([{ endReason: null }]);
  });

  test('sent 300 times at once over two processes gives one family with one next token', async () => {
    const beside = await startAccountApp({ beside: app, clock });
    const person = await app.newPerson();
    const { body } = await app.logIn(person);
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        (index % 2 === 0 ? app : beside).post('partner/auth/refresh', { refreshToken: body.refreshToken }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => answer.body.refreshToken)).size).toBe(1);
    expect(new Set(answers.map((answer) => decodeJwt(answer.body.accessToken).sid)).size).toBe(1);
    expect(await sessionsOf(person.email)).toEqual([{ endReason: null }]);
    expect((await refresh(answers[0]?.body.refreshToken ?? '')).status).toBe(200);
    await beside.close();
  });

  test('is stored nowhere, and cannot be made from what is stored', async () => {
    const { body } = await app.logIn(await app.newPerson());
    const rows = await app.sql`select * from account_sessions`;
    expect(JSON.stringify(rows)).not.toContain(body.refreshToken.split('.')[2]);
    const stranger = await startAccountApp({ beside: { ...app, masterKey: randomBytes(32).toString('hex') }, clock });
    expect((await stranger.post('partner/auth/refresh', { refreshToken: body.refreshToken })).status).toBe(401);
    await stranger.close();
  });

  test('expires 30 days after the last use, and 90 days after the log-in', async () => {
    const { body } = await app.logIn(await app.newPerson());
    let token = body.refreshToken;
    for (let day = 29; day < 90; day += 29) {
      clock.advance(29 * DAY);
      const next = await refresh(token);
      expect(next.status).toBe(200);
      token = next.body.refreshToken;
    }
    clock.advance(3 * DAY);
    expect((await refresh(token)).status).toBe(401);
    const unused = (await app.logIn(await app.newPerson())).body.refreshToken;
    clock.advance(30 * DAY + SECOND);
    expect((await refresh(unused)).status).toBe(401);
  });
});

describe('a log-out', () => {
  test('by refresh token ends the session; once more is as good', async () => {
    const { body } = await app.logIn(await app.newPerson());
    const { refreshToken } = body;
    expect((await app.post('partner/auth/logout', { refreshToken })).status).toBe(204);
    expect((await app.post('partner/auth/logout', { refreshToken })).status).toBe(204);
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  test('by access token ends the session too, and leaves other sessions alone', async () => {
    const person = await app.newPerson();
    const [ended, other] = [await app.logIn(person), await app.logIn(person)];
    expect((await app.post('partner/auth/logout', {}, as(ended.body.accessToken))).status).toBe(204);
    expect((await refresh(ended.body.refreshToken)).status).toBe(401);
    expect((await refresh(other.body.refreshToken)).status).toBe(200);
  });

  test('of nobody is 401', async () => {
    expect(await app.post('partner/auth/logout', {})).toMatchObject({
      status: 401,
      body: { code: 'AUTHENTICATION_REQUIRED' },
    });
    expect((await app.post('partner/auth/logout', {}, as('abc.def.ghi'))).status).toBe(401);
  });
});

describe('a session by cookie', () => {
  const cookieOf = (header: string | undefined) => header?.split(';', 1)[0] ?? '';
  const own = { host: 'devapi.example.org', origin: 'https://devapi.example.org', 'sec-fetch-site': 'same-origin' };
  const logIn = async () => {
    const person = await app.newPerson();
    return app.post('partner/auth/login', { ...person, session: 'cookie' }, { headers: own });
  };

  test('has its refresh token in a __Host- HttpOnly SameSite=Strict cookie and nowhere else', async () => {
    const answer = await logIn();
    const header = answer.headers['set-cookie'] ?? '';
    expect(header).toMatch(/^__Host-sir-refresh=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000$/);
    expect(answer.body.refreshToken).toBeUndefined();
    const token = cookieOf(header).split('=')[1] ?? '';
    expect(JSON.stringify(answer.body)).not.toContain(token);
    const cookie = `other=1; ${cookieOf(header)}`;
    const next = await app.post('partner/auth/refresh', {}, { headers: { ...own, cookie } });
    expect(next.status).toBe(200);
    expect(next.body.refreshToken).toBeUndefined();
    expect(cookieOf(next.headers['set-cookie'])).not.toBe(cookieOf(header));
    // Also when a page that has got hold of the token sends it in the body.
    const inBody = await refresh(cookieOf(next.headers['set-cookie']).split('=')[1] ?? '');
    expect(inBody.body.refreshToken).toBeUndefined();
  });

  test('is neither set, used nor ended by a page of another origin', async () => {
    const answer = await logIn();
    const cookie = cookieOf(answer.headers['set-cookie']);
    const person = await app.newPerson();
    for (const foreign of [
      { host: own.host, origin: 'https://evil.example.org' },
      { host: own.host, origin: 'null' },
      { host: own.host, 'sec-fetch-site': 'same-site' },
      { host: own.host, 'sec-fetch-site': 'cross-site' },
    ]) {
      const headers = { ...foreign, cookie };
      const refused = { status: 403, body: { code: 'ORIGIN_NOT_ALLOWED' } };
      expect(await app.post('partner/auth/refresh', {}, { headers })).toMatchObject(refused);
      expect(await app.post('partner/auth/logout', {}, { headers })).toMatchObject(refused);
      expect(await app.post('partner/auth/login', { ...person, session: 'cookie' }, { headers })).toMatchObject(
        refused,
      );
    }
    expect((await app.post('partner/auth/refresh', {}, { headers: { ...own, cookie } })).status).toBe(200);
  });

  test('needs a JSON body, which a form of another page cannot send', async () => {
    const cookie = cookieOf((await logIn()).headers['set-cookie']);
    const answer = await app.post(
      'partner/auth/refresh',
      {},
      {
        headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
      },
    );
    expect(answer.status).toBe(415);
  });

  test('is taken away by a log-out and by a refresh that fails', async () => {
    const cookie = cookieOf((await logIn()).headers['set-cookie']);
    const gone = '__Host-sir-refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0';
    const out = await app.post('partner/auth/logout', {}, { headers: { ...own, cookie } });
    expect(out).toMatchObject({ status: 204, headers: { 'set-cookie': gone } });
    const late = await app.post('partner/auth/refresh', {}, { headers: { ...own, cookie } });
    expect(late).toMatchObject({ status: 401, headers: { 'set-cookie': gone } });
  });
});

describe('a session of an admin', () => {
  test('is for admins only, in the words of a wrong password, and for its own audience', async () => {
    const person = await app.newPerson();
    const wrong = await app.post('partner/auth/login', { ...person, password: 'not the right one' });
    const refused = await app.post('admin/auth/login', person);
    expect({ ...refused.body, requestId: '' }).toEqual({ ...wrong.body, requestId: '' });
    const account = await findAccountByEmail(app.sql, person.email);
    await app.sql.begin((tx) => setAdmin(tx, account?.id ?? '', true, clock.now()));
    const { body } = await app.post('admin/auth/login', person);
    expect(decodeJwt(body.accessToken).aud).toBe('admin');
    expect((await app.get('admin/auth/me', body.accessToken)).status).toBe(200);
    expect((await app.get('partner/auth/me', body.accessToken)).status).toBe(401);
    expect((await refresh(body.refreshToken)).status).toBe(401);
    expect((await refresh(body.refreshToken, 'admin/auth/refresh')).status).toBe(200);
  });

  test('lasts a working day', async () => {
    const person = await app.newPerson();
    const account = await findAccountByEmail(app.sql, person.email);
    await app.sql.begin((tx) => setAdmin(tx, account?.id ?? '', true, clock.now()));
    const { body } = await app.post('admin/auth/login', person);
    clock.advance(11 * 60 * MINUTE);
    const next = await refresh(body.refreshToken, 'admin/auth/refresh');
    expect(next.status).toBe(200);
    clock.advance(61 * MINUTE);
    expect((await refresh(next.body.refreshToken, 'admin/auth/refresh')).status).toBe(401);
  });
});
