import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type SignedOptions, signedRequest, startTestApp, type TestApp } from '../test/app.ts';
import { type Scope, setPartnerStatus, signedBy } from './partners/index.ts';
import { systemClock } from './platform/clock.ts';
import { connect } from './platform/db.ts';
import { endpoint, keyedEndpoint } from './platform/endpoint.ts';
import type { Route } from './route.ts';

const Any = Type.Object({}, { additionalProperties: true });
const fine = endpoint({ summary: 'Fine', status: 200, answer: Any, errors: [] }, async () => ({ fine: true }));

describe('the table of routes', () => {
  let t: TestApp;
  let nudges = 0;
  beforeAll(async () => {
    t = await startTestApp({ onWrite: () => nudges++, config: { rateLimitPerMinute: 0 } });
  });
  afterAll(() => t.close());

  /** A path of the route's shape that names nothing that exists. */
  const example = (path: string) =>
    path
      .replace(':externalId', 'nobody')
      .replace(':id', `${path.includes('/actions') ? 'act' : 'whk'}_01h455vb4pex5vsknk084sn02q`);

  test('lets no route stand without a scope, whoever registers it', async () => {
    // @ts-expect-error a line without a scope does not compile
    const planted: Route = ['GET', '/planted', undefined, fine];
    await expect(startTestApp({ table: [planted], shareDatabaseOf: t })).rejects.toThrow(
      'GET /planted declares no scope',
    );
  });

  test('asks for authentication on every route that is not for anyone, HEAD included', async () => {
    const closed = t.routes.filter(({ scope }) => scope !== 'anyone');
    expect(closed.length).toBeGreaterThan(30);
    for (const { method, path } of closed) {
      const answer = await t.request({ method: method as 'GET', url: example(path) });
      expect(answer.status, `${method} ${path}`).toBe(401);
    }
  });

  test('takes mutations from secret keys only, and reads from both kinds', async () => {
    const routes = t.routes.filter(({ scope }) => signedBy(scope as Scope) !== undefined);
    for (const { method, path, scope } of routes) {
      const reads = method === 'GET' || method === 'HEAD';
      expect(signedBy(scope as Scope), `${method} ${path}`).toBe(reads ? 'any' : 'secret');
      const answer = await t.signed(method, example(path), undefined, { key: 'publishable' });
      if (reads) expect([200, 404], `${method} ${path}`).toContain(answer.status);
      else expect(answer.body.code, `${method} ${path}`).toBe('SECRET_KEY_REQUIRED');
    }
  });

  test('is open to anyone for health, documentation, log-ins and what a mail leads to, and for nothing else', async () => {
    const open = t.routes
      .filter(({ method, scope }) => scope === 'anyone' && method !== 'OPTIONS')
      .map(({ path }) => path.replace(/^(\/partner-api|\/account|\/pages|\/v1\/\w+\/auth)\b.*/, '$1'));
    expect([...new Set(open)].sort()).toEqual([
      '/account',
      '/livez',
      '/openapi.json',
      '/pages',
      '/partner-api',
      '/readyz',
      '/v1/admin/auth',
      '/v1/partner/auth',
      '/v1/partner/invitations/decline',
      '/v1/partner/invitations/show',
    ]);
    for (const path of ['/livez', '/readyz', '/openapi.json', '/partner-api']) {
      expect((await t.request({ url: path })).status).toBe(200);
    }
  });

  test('is the one that openapi.json shows', async () => {
    const { body } = await t.request({ url: '/openapi.json' });
    const shown = Object.entries(body.paths as Record<string, object>).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    const served = t.routes
      .filter(({ method, path }) => !['HEAD', 'OPTIONS'].includes(method) && /^\/(v1\/|livez|readyz)/.test(path))
      .map(({ method, path }) => `${method} ${path}`);
    expect(shown.sort()).toEqual(served.sort());
  });

  test('serves another environment’s key with the name of the right host', async () => {
    const partner = await t.newPartner({ environment: 'production' });
    const answer = await t.signed('GET', '/v1/partner/users', undefined, { partner });
    expect(answer).toMatchObject({ status: 401, body: { code: 'WRONG_ENVIRONMENT' } });
    expect(answer.body.detail).toContain('https://api.sirgiving.org');
  });

  test('lets partners that wait for approval submit in production, and change nothing else', async () => {
    const other = await startTestApp({ config: { environment: 'production' }, shareDatabaseOf: t });
    const partner = await other.newPartner({ environment: 'production', status: 'PENDING_APPROVAL' });
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_1' }];
    const action = { idempotencyKey: 'o1', actionType: 'PURCHASE', amount: 5, currency: 'USD', stakeholders };
    const submitted = await other.signed('POST', '/v1/partner/actions/submit', action, { partner });
    expect(submitted.body.code).toBe('NO_ACTIVE_POOL');
    const created = await other.signed('POST', '/v1/partner/users', { externalUserId: 'a' }, { partner });
    expect(created.body.code).toBe('PARTNER_NOT_APPROVED');
    await other.close();
  });

  test('wakes the worker after a write that succeeded, and after nothing else', async () => {
    nudges = 0;
    await t.signed('GET', '/v1/partner/users');
    await t.signed('POST', '/v1/partner/users', { externalUserId: '' });
    expect(nudges).toBe(0);
    await t.signed('POST', '/v1/partner/users', { externalUserId: 'wake' });
    expect(nudges).toBe(1);
  });

  test('keeps the way from a signed request to a user with a slash in the id', async () => {
    const created = await t.signed('POST', '/v1/partner/users', { externalUserId: 'team/42', nickname: 'J' });
    expect(created.status).toBe(201);
    expect(created.headers['x-sir-ignored-fields']).toBe('/nickname');
    const read = await t.signed('GET', '/v1/partner/users/team%2F42/balance');
    expect(read).toMatchObject({ status: 200, body: { externalUserId: 'team/42', available: 0 } });
  });
});

describe('rate limits', () => {
  let t: TestApp;
  const big = endpoint(
    {
      summary: 'Costly',
      body: Type.Object({ size: Type.Integer() }),
      status: 200,
      answer: Any,
      errors: [],
      cost: (body) => (body as { size: number }).size,
    },
    async () => ({}),
  );
  const table: Route[] = [
    ['GET', '/v1/partner/fine', 'reads', fine],
    ['POST', '/v1/partner/big', 'reads', big],
    ['GET', '/open', 'anyone', fine],
    ['POST', '/v1/partner/written', 'writes', fine],
    ['GET', '/v1/partner/shown', 'widget', fine],
    ['POST', '/v1/partner/shown', 'widget', fine],
    ['GET', '/livez', 'anyone', fine],
  ];
  const limited = (rateLimitPerMinute: number | undefined, trustedProxies: string[] = []) =>
    startTestApp({ table, config: { rateLimitPerMinute, trustedProxies }, shareDatabaseOf: t });
  const standing = ({ headers }: Answer) => [headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']];

  beforeAll(async () => {
    t = await startTestApp({ table });
  });
  afterAll(() => t.close());

  test('are told on every authenticated answer, also of one that fails', async () => {
    const answer = await t.signed('GET', '/v1/partner/fine');
    expect(standing(answer)).toEqual(['1000', '999']);
    const resetInSeconds = Number(answer.headers['x-ratelimit-reset']) - systemClock.now().getTime() / 1000;
    expect(resetInSeconds).toBeGreaterThan(55);
    expect(resetInSeconds).toBeLessThan(62);
    expect(standing(await t.signed('GET', '/v1/partner/fine?x=1'))).toEqual(['1000', '998']);
    expect(standing(await t.signed('POST', '/v1/partner/big', '{'))).toEqual(['1000', '997']);
  });

  test('count and tell a refusal of who is known under their own limit, like every answer to them', async () => {
    const app = await limited(undefined);
    const partner = await app.newPartner({ poolTokens: 0 });
    const key: SignedOptions = { partner, key: 'publishable' };
    const refused = await app.signed('POST', '/v1/partner/written', undefined, key);
    expect(refused).toMatchObject({ status: 403, body: { code: 'SECRET_KEY_REQUIRED' } });
    expect(standing(refused)).toEqual(['1000', '999']);
    await app.sql.begin((tx) => setPartnerStatus(tx, partner.partnerId, 'SUSPENDED'));
    const suspended = () => app.signed('POST', '/v1/partner/written', undefined, { partner });
    await expect.poll(async () => (await suspended()).body.code).toBe('PARTNER_SUSPENDED');
    expect(standing(await suspended())).toEqual(['1000', expect.stringMatching(/^99[0-7]$/)]);
    const viewer = await app.newMember('viewer', partner);
    const byViewer = await app.by(viewer, 'POST', '/v1/partner/written');
    expect([byViewer.body.code, byViewer.headers['x-ratelimit-limit']]).toEqual(['ROLE_REQUIRED', '1000']);
    const stranger = await app.newPerson();
    const byStranger = await app.by(stranger, 'GET', '/v1/partner/fine');
    expect([byStranger.body.code, ...standing(byStranger)]).toEqual(['PARTNER_REQUIRED', '600', '599']);
    const admin = await app.newPerson({ admin: true });
    const byAdmin = await app.by(admin, 'GET', '/v1/partner/fine');
    expect([byAdmin.body.code, ...standing(byAdmin)]).toEqual(['INVALID_ACCESS_TOKEN', undefined, undefined]);
    const page = { url: '/v1/partner/shown', headers: { 'x-partner-key': partner.keys.publicKey } };
    expect(standing(await app.request(page))).toEqual(['60', '59']);
    const changed = await app.request({ ...page, method: 'POST' });
    expect([changed.body.code, ...standing(changed)]).toEqual(['PARTNER_SUSPENDED', '60', '58']);
    await app.close();
  });

  test('count on the address what a key’s own lists refuse, cost its partner nothing and are told', async () => {
    const app = await limited(4);
    const partner = await app.newPartner({ poolTokens: 0 });
    const { partnerId, keys } = partner;
    await app.sql`
      update api_keys set allowed_ips = '{192.0.2.1/32}', allowed_origins = '{https://shop.example}'
      where partner_id = ${partnerId} and id = ${keys.id}`;
    const stolen = () => app.signed('GET', '/v1/partner/fine', undefined, { partner });
    const page = (origin: string) =>
      app.request({ url: '/v1/partner/shown', headers: { 'x-partner-key': keys.publicKey, origin } });
    for (const read of [stolen, () => page('https://elsewhere.example')]) {
      const refused = await read();
      expect(refused.body.code).toMatch(/^(?:IP|ORIGIN)_NOT_ALLOWED$/);
      expect([refused.status, ...standing(refused)]).toEqual([403, '4', '4']);
      await read();
    }
    expect([(await stolen()).status, (await page('https://elsewhere.example')).status]).toEqual([429, 429]);
    expect(standing(await page('https://shop.example'))).toEqual(['4', '3']);
    await app.close();
  });

  test.each([
    ['STANDARD', '1000'],
    ['PROFESSIONAL', '5000'],
    ['ENTERPRISE', '50000'],
  ] as const)('follow the tier: %s has %s a minute', async (tier, limit) => {
    const partner = await t.newPartner({ tier, poolTokens: 0 });
    expect((await t.signed('GET', '/v1/partner/fine', undefined, { partner })).headers['x-ratelimit-limit']).toBe(
      limit,
    );
  });

  test('are of the partner: past them 429 with Retry-After for it, and nothing for another one', async () => {
    const app = await limited(2);
    await app.signed('GET', '/v1/partner/fine');
    await app.signed('GET', '/v1/partner/fine', undefined, { key: 'publishable' });
    const refused = await app.signed('GET', '/v1/partner/fine');
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED', retryable: true } });
    expect(standing(refused)).toEqual(['2', '0']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
    const partner = await app.newPartner({ poolTokens: 0 });
    expect((await app.signed('GET', '/v1/partner/fine', undefined, { partner })).status).toBe(200);
    await app.close();
  });

  test('count a costly request for more, once its body is known, and let one through that costs the whole minute', async () => {
    const app = await limited(10);
    expect(standing(await app.signed('POST', '/v1/partner/big', { size: 4 }))).toEqual(['10', '6']);
    const refused = await app.signed('POST', '/v1/partner/big', { size: 7 });
    expect(refused.status).toBe(429);
    expect(standing(refused)).toEqual(['10', '5']);
    await app.close();
    const fresh = await limited(10);
    expect((await fresh.signed('POST', '/v1/partner/big', { size: 1_000 })).status).toBe(200);
    await fresh.close();
  });

  test('of 0 are none: no header, no refusal', async () => {
    const app = await limited(0);
    const answer = await app.signed('GET', '/v1/partner/fine');
    expect(standing(answer)).toEqual([undefined, undefined]);
    for (let index = 0; index < 20; index++) expect((await app.request({ url: '/open' })).status).toBe(200);
    await app.close();
  });

  test('count unsigned and wrongly signed requests on the address only, never on the partner they name', async () => {
    const app = await limited(5);
    const forged = signedRequest({
      clock: systemClock,
      partner: app.partner,
      method: 'GET',
      path: '/v1/partner/fine',
      body: undefined,
    });
    const { headers } = forged;
    const wrong = { ...forged, headers: { ...headers, 'x-signature': '0'.repeat(64) } };
    expect(standing(await app.request(wrong))).toEqual([undefined, undefined]);
    const statuses = [];
    for (const request of [
      wrong,
      { url: '/v1/partner/fine' },
      { url: '/open' },
      { url: '/nothing' },
      wrong,
      { url: '/open' },
      { url: '/nothing' },
    ]) {
      statuses.push((await app.request(request)).status);
    }
    expect(statuses).toEqual([401, 401, 200, 404, 429, 429, 429]);
    expect((await app.request({ url: '/nothing' })).headers['retry-after']).toBeDefined();
    // Who signs rightly is not held up by what else comes from the same address, nor is who watches over the process.
    expect(standing(await app.signed('GET', '/v1/partner/fine'))).toEqual(['5', '4']);
    expect((await app.request({ url: '/livez' })).status).toBe(200);
    await app.close();
  });

  test('tell addresses behind a trusted proxy apart, and believe nobody else', async () => {
    const through = (forwarded: string) => ({ url: '/open', headers: { 'x-forwarded-for': forwarded } });
    const trusting = await limited(1, ['127.0.0.0/8']);
    expect((await trusting.request(through('203.0.113.1'))).status).toBe(200);
    expect((await trusting.request(through('203.0.113.2'))).status).toBe(200);
    expect((await trusting.request(through('9.9.9.9, 203.0.113.2'))).status).toBe(429);
    await trusting.close();
    const plain = await limited(1);
    expect((await plain.request(through('203.0.113.1'))).status).toBe(200);
    expect((await plain.request(through('203.0.113.2'))).status).toBe(429);
    await plain.close();
  });
});

describe('what goes wrong inside', () => {
  let t: TestApp;
  const failing = (work: () => PromiseLike<unknown>) =>
    endpoint({ summary: 'Fails', status: 200, answer: Any, errors: [] }, async () => {
      await work();
      return {};
    });
  const raising = (state: string) =>
    failing(() => t.sql.unsafe(`do $$ begin raise exception 'inner secret' using errcode = '${state}'; end $$`));
  const STATES = ['57014', '08006', '57P01', '25P03', '53300', '58030', '55P03', '40001', '40P01'];
  const table = (): Route[] => [
    ...STATES.map((state): Route => ['GET', `/state/${state}`, 'anyone', raising(state)]),
    ['GET', '/bug', 'anyone', failing(() => Promise.reject(new Error('inner secret')))],
    ['GET', '/data', 'anyone', raising('22012')],
    ['GET', '/killed', 'anyone', failing(() => t.sql`select pg_terminate_backend(pg_backend_pid())`)],
    [
      'GET',
      '/refused',
      'anyone',
      failing(async () => {
        const nowhere = connect('postgres://nobody@127.0.0.1:1/none', { max: 1, applicationName: 'test' });
        await nowhere`select 1`.finally(() => nowhere.end());
      }),
    ],
    [
      'POST',
      '/v1/partner/keyed',
      'writes',
      keyedEndpoint({ summary: 'Fails', status: 201, answer: Any, errors: [] }, async (tx) => {
        await tx`select pg_terminate_backend(pg_backend_pid())`;
      }),
    ],
  ];

  beforeAll(async () => {
    t = await startTestApp({ table: table(), config: { rateLimitPerMinute: 0 } });
  });
  afterAll(() => t.close());

  test.each([...STATES.map((state) => `/state/${state}`), '/killed', '/refused'])(
    'a database that cannot answer is 503 with Retry-After: %s',
    async (url) => {
      const answer = await t.request({ url });
      expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE', retryable: true } });
      expect(answer.headers['retry-after']).toBe('1');
      expect(answer.text).not.toContain('secret');
    },
  );

  test('a connection lost inside the transaction of a keyed write is 503, and the process lives', async () => {
    const answer = await t.signed('POST', '/v1/partner/keyed');
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    expect((await t.sql`select 1 as one`)[0]).toEqual({ one: 1 });
  });

  test.each(['/bug', '/data'])(
    'anything else is 500, is logged with the request’s id and shows nothing of itself: %s',
    async (url) => {
      const { statusCode, headers, body } = await t.app.inject({ url });
      expect(statusCode).toBe(500);
      expect(JSON.parse(body)).toMatchObject({ code: 'INTERNAL_ERROR', requestId: headers['x-request-id'] });
      expect(body).not.toMatch(/secret|select|\.ts|at /);
      const logged = t.errors.find(({ requestId }) => requestId === headers['x-request-id']);
      expect(String(logged?.err)).toContain('inner secret');
    },
  );
});

describe('health', () => {
  test('ready says 503 without migrations or without a database; alive says 200', async () => {
    const t = await startTestApp();
    expect((await t.request({ url: '/readyz' })).body).toEqual({ status: 'ok' });
    await t.sql`delete from schema_migrations`;
    expect(await t.request({ url: '/readyz' })).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    await t.sql.end({ timeout: 1 });
    const answer = await t.request({ url: '/readyz' });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect((await t.request({ url: '/livez' })).body).toEqual({ status: 'ok' });
    await t.close();
  });
});

test('the test harness refuses an answer that its endpoint does not declare', async () => {
  const Declared = Type.Object({ a: Type.String() });
  const wrong = endpoint({ summary: 'Wrong', status: 200, answer: Declared, errors: [] }, async () => ({ a: 1 }));
  const more = endpoint({ summary: 'More', status: 200, answer: Declared, errors: [] }, async () => ({ a: '', b: 1 }));
  const table: Route[] = [
    ['GET', '/wrong', 'anyone', wrong],
    ['GET', '/more', 'anyone', more],
  ];
  const t = await startTestApp({ table });
  await expect(t.request({ url: '/wrong' })).rejects.toThrow('must be a string');
  await expect(t.request({ url: '/more' })).rejects.toThrow('/b');
  await t.close();
});
