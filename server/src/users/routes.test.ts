import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publicPoolId, startTestApp, type TestApp } from '../../test/app.ts';
import { newReward } from '../../test/tenant-fixture.ts';
import { rowId } from '../platform/ids.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => api.close());

const path = (externalUserId: string, rest = '') => `/v1/partner/users/${encodeURIComponent(externalUserId)}${rest}`;
const create = (body: unknown) => api.signed('POST', '/v1/partner/users', body);
const get = (target: string) => api.signed('GET', target);
const pathsOf = (body: Record<string, unknown>) => (body.errors as { path: string }[]).map((error) => error.path);

/** A user of the test's own with that many tokens. */
async function userWithTokens(tokens: number): Promise<string> {
  const externalUserId = `user-${randomUUID()}`;
  const { body } = await create({ externalUserId });
  const userId = rowId('usr', String(body.id)) ?? '';
  if (tokens > 0) await newReward(api.sql, api.partner, { poolId: api.partner.poolId ?? '', userId, tokens });
  return externalUserId;
}

test('a user is created, read, changed and listed', async () => {
  const made = await create({ externalUserId: 'jane', email: 'jane@example.com', metadata: { orders: 3 } });
  expect(made.status).toBe(201);
  expect((await get(path('jane'))).body).toEqual(made.body);
  const patched = await api.signed('PATCH', path('jane'), { email: null, firstName: 'Jane' });
  expect(patched.body).toMatchObject({ firstName: 'Jane', metadata: { orders: 3 } });
  expect(patched.body).not.toHaveProperty('email');
  expect((await get('/v1/partner/users?search=jan&page=1&limit=20')).body).toEqual({
    data: [patched.body],
    pagination: { limit: 20, nextCursor: null, hasMore: false, page: 1, total: 1, totalPages: 1 },
  });
  expect((await create({ externalUserId: 'jane' })).body).toMatchObject({ status: 409, code: 'USER_EXISTS' });
});

test('unknown fields of a user are ignored and named, the rest counts', async () => {
  const made = await create({ externalUserId: 'extra', phone: '1', metadata: { any: 'key' } });
  expect(made.status).toBe(201);
  expect(made.headers['x-sir-ignored-fields']).toBe('/phone');
  expect(made.body).toMatchObject({ metadata: { any: 'key' } });
});

test('bad users are 400 and name the place', async () => {
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`k${index}`, 1]));
  const bad: [unknown, string][] = [
    [{}, '/externalUserId'],
    [{ externalUserId: '' }, '/externalUserId'],
    [{ externalUserId: 'x'.repeat(256) }, '/externalUserId'],
    [{ externalUserId: 'tab\there' }, '/externalUserId'],
    [{ externalUserId: 7 }, '/externalUserId'],
    [{ externalUserId: 'a', email: 'not one' }, '/email'],
    [{ externalUserId: 'a', email: null }, '/email'],
    [{ externalUserId: 'a', metadata: many }, '/metadata'],
    [{ externalUserId: 'a', metadata: null }, '/metadata'],
  ];
  for (const [body, place] of bad) {
    const answer = await create(body);
    expect(answer.body).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    expect(pathsOf(answer.body)).toContain(place);
  }
  for (const metadata of [
    { ['k'.repeat(41)]: 1 },
    { '': 1 },
    { 'line\nbreak': { nested: true } },
    { k: 'v'.repeat(501) },
    { k: null },
  ]) {
    expect((await create({ externalUserId: 'a', metadata })).body).toMatchObject({ code: 'INVALID_REQUEST' });
  }
  expect((await get(path('a'))).status).toBe(404);
});

test.each([
  ['255 characters', 'x'.repeat(255)],
  ['255 characters of four bytes', '😀'.repeat(255)],
  ['slashes and dots', '../a/b/..'],
  ['a query and a fragment', 'a?b=c#d'],
  ['percent and plus', '100%+1 %41'],
])('an externalUserId of %s works in every path', async (_name, externalUserId) => {
  expect((await create({ externalUserId })).status).toBe(201);
  expect((await get(path(externalUserId))).body).toMatchObject({ externalUserId });
  expect((await get(path(externalUserId, '/balance'))).body).toMatchObject({ externalUserId, available: 0 });
  expect((await get(path(externalUserId, '/transactions'))).body).toMatchObject({ data: [] });
  const found = await get(`/v1/partner/users?search=${encodeURIComponent(externalUserId)}`);
  expect(found.body).toMatchObject({ data: [{ externalUserId }] });
  const rows = await get(`/v1/partner/transactions?externalUserId=${encodeURIComponent(externalUserId)}`);
  expect(rows.body).toMatchObject({ data: [] });
});

test('an unknown user is 404 on every path', async () => {
  for (const rest of ['', '/balance', '/transactions'])
    expect((await get(path('nobody', rest))).body).toMatchObject({ code: 'NOT_FOUND' });
  expect((await api.signed('PATCH', path('nobody'), { firstName: 'N' })).status).toBe(404);
  const redemption = { tokens: 1, idempotencyKey: 'nobody-1' };
  expect((await api.signed('POST', path('nobody', '/redemptions'), redemption)).status).toBe(404);
  expect((await get('/v1/partner/users/%00')).status).toBe(404);
});

test('a redemption answers 201, a retry the same with Idempotent-Replayed', async () => {
  const user = await userWithTokens(30);
  const body = { tokens: 10, idempotencyKey: 'over-http', reference: 'order 1' };
  const first = await api.signed('POST', path(user, '/redemptions'), body);
  expect(first.status).toBe(201);
  expect(first.headers['idempotent-replayed']).toBeUndefined();
  const again = await api.signed('POST', path(user, '/redemptions'), body);
  expect([again.status, again.headers['idempotent-replayed'], again.body]).toEqual([201, 'true', first.body]);
  const other = await api.signed('POST', path(user, '/redemptions'), { ...body, tokens: 11 });
  expect(other.body).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
  expect(pathsOf(other.body)).toEqual(['/tokens']);
  const tooMuch = await api.signed('POST', path(user, '/redemptions'), { tokens: 21, idempotencyKey: 'too-much' });
  expect(tooMuch.body).toMatchObject({ status: 402, code: 'INSUFFICIENT_BALANCE' });
  const rows = await get(path(user, '/transactions'));
  expect(rows.body).toMatchObject({
    data: [
      { kind: 'REDEMPTION', tokens: -10, externalUserId: user, poolId: publicPoolId(api.partner) },
      { kind: 'REWARD', tokens: 30 },
    ],
  });
});

test('a bad redemption is 400', async () => {
  const user = await userWithTokens(5);
  const good = { tokens: 1, idempotencyKey: 'k' };
  const bad = [
    { ...good, tokens: 0 },
    { ...good, tokens: 1.5 },
    { ...good, tokens: '1' },
    { tokens: 1 },
    { ...good, extra: 1 },
    { ...good, idempotencyKey: 'ü' },
  ];
  for (const body of bad)
    expect((await api.signed('POST', path(user, '/redemptions'), body)).body).toMatchObject({
      code: 'INVALID_REQUEST',
    });
  expect((await get(path(user, '/balance'))).body).toMatchObject({ available: 5 });
});

test('a publishable key reads and does not write', async () => {
  const user = await userWithTokens(5);
  const publishable = { key: 'publishable' } as const;
  expect((await api.signed('GET', path(user, '/balance'), undefined, publishable)).status).toBe(200);
  const redemption = { tokens: 1, idempotencyKey: 'pk' };
  for (const [method, target, body] of [
    ['POST', '/v1/partner/users', { externalUserId: 'pk' }],
    ['PATCH', path(user), { firstName: 'P' }],
    ['POST', path(user, '/redemptions'), redemption],
  ] as const) {
    expect((await api.signed(method, target, body, publishable)).body).toMatchObject({ code: 'SECRET_KEY_REQUIRED' });
  }
});

test.each([
  'users?status=ACTIVE',
  'users?limit=0',
  'users?limit=101',
  'users?limit=two',
  'users?page=0',
  'users?search=',
  'users?search=%00',
  'users?createdAfter=yesterday',
  'users?createdAfter=2026-02-30T00:00:00Z',
  'users?page=1&cursor=eA',
  'transactions?kind=GIFT',
  'transactions?actionId=act_1',
  'transactions?poolId=nonsense',
  'transactions?userId=usr_1',
  'token-pools?status=OPEN',
  'token-pools?name=Main',
])('GET %s is 400', async (target) => {
  expect((await get(`/v1/partner/${target}`)).body).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
});

test.each(['users', 'transactions', 'token-pools', `users/x/transactions`])(
  'a bad cursor of %s is 400',
  async (list) => {
    await create({ externalUserId: 'x' });
    for (const cursor of ['x', 'AAAA', Buffer.from('not-a-uuid').toString('base64url')]) {
      expect((await get(`/v1/partner/${list}?cursor=${cursor}`)).body).toMatchObject({ code: 'INVALID_CURSOR' });
    }
  },
);

test('another partner’s transactions and pools are 404', async () => {
  const user = await userWithTokens(5);
  const { body } = await get(path(user, '/transactions'));
  const [row] = body.data as { id: string }[];
  const stranger = await api.newPartner();
  const pool = `/v1/partner/token-pools/${publicPoolId(api.partner)}`;
  for (const target of [`/v1/partner/transactions/${row?.id}`, pool, `${pool}/transactions`, path(user)]) {
    expect((await get(target)).status).toBe(200);
    expect((await api.signed('GET', target, undefined, { partner: stranger })).body).toMatchObject({
      code: 'NOT_FOUND',
    });
  }
});
