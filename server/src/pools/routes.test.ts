import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicPoolId, startTestApp, type TestApp } from '../../test/app.ts';
import { randomIds, rowId } from '../platform/ids.ts';
import { approvePoolRequest } from './index.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const POOLS = '/v1/partner/token-pools';
const action = (key: string) => ({
  idempotencyKey: key,
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
});

describe('a partner without tokens', () => {
  test('asks for a sandbox pool, and the same idempotency key completes', async () => {
    const partner = await app.newPartner({ poolTokens: 0 });
    const as = { partner };
    expect((await app.signed('POST', '/v1/partner/actions/submit', action('order'), as)).body.code).toBe(
      'NO_ACTIVE_POOL',
    );
    const request = await app.signed('POST', `${POOLS}/request`, { tokens: 1_000, reason: 'First steps' }, as);
    expect(request).toMatchObject({
      status: 201,
      body: { status: 'APPROVED', tokens: 1_000, approvedTokens: 1_000, reason: 'First steps', requestedBy: 'API_KEY' },
    });
    expect((await app.signed('POST', '/v1/partner/actions/submit', action('order'), as)).status).toBe(200);
    const pool = await app.signed('GET', `${POOLS}/${request.body.poolId}`, undefined, as);
    expect(pool.body).toMatchObject({ name: 'Main pool', isDefault: true, balance: 950, issued: 50 });
    const listed = await app.signed('GET', `${POOLS}/requests?status=APPROVED`, undefined, as);
    expect(listed.body.data).toEqual([request.body]);
  });

  test('who repeats a request with its key gets one pool and the first answer', async () => {
    const partner = await app.newPartner({ poolTokens: 0 });
    const again = { partner, headers: { 'idempotency-key': 'pool_1' } };
    const first = await app.signed('POST', `${POOLS}/request`, { tokens: 10, name: 'Mine' }, again);
    const second = await app.signed('POST', `${POOLS}/request`, { tokens: 10, name: 'Mine' }, again);
    expect(second.body).toEqual(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect((await app.signed('GET', POOLS, undefined, { partner })).body.data).toHaveLength(1);
  });

  test('in production waits: the request is PENDING and nothing is funded', async () => {
    const live = await startTestApp({ config: { environment: 'production' }, shareDatabaseOf: app });
    const partner = await live.newPartner();
    const request = await live.signed('POST', `${POOLS}/request`, { tokens: 5 }, { partner });
    expect(request).toMatchObject({ status: 201, body: { status: 'PENDING', tokens: 5 } });
    expect(request.body).not.toHaveProperty('poolId');
    expect((await live.signed('GET', POOLS, undefined, { partner })).body.data).toEqual([]);
    const waiting = await live.signed('GET', `${POOLS}/requests?status=PENDING`, undefined, { partner });
    expect(waiting.body.data).toEqual([request.body]);
    // Whoever issued the key asks, so its issuer does not approve.
    const issuer = randomIds.uuid();
    await app.sql`update api_keys set created_by = ${issuer} where partner_id = ${partner.partnerId}`;
    const own = await live.signed('POST', `${POOLS}/request`, { tokens: 6 }, { partner });
    const { partnerId, environment } = partner;
    const which = { partnerId, environment, requestId: rowId('preq', String(own.body.id)) ?? '' };
    const approved = app.sql.begin((tx) =>
      approvePoolRequest(tx, randomIds, which, { adminAccountId: issuer }, new Date('2026-11-24T10:00:00.000Z')),
    );
    await expect(approved).rejects.toMatchObject({ code: 'SECOND_PERSON_REQUIRED' });
    await live.close();
  });
});

test('a change of a pool is answered as the pool, and fields of later editions are named as ignored', async () => {
  const path = `${POOLS}/${publicPoolId(app.partner)}`;
  const change = { name: 'Renamed', lowBalance: { thresholds: [{ percent: 20 }] }, restrictions: { vestingDays: 7 } };
  const changed = await app.signed('PATCH', path, change);
  expect(changed).toMatchObject({ status: 200, body: { name: 'Renamed', restrictions: {} } });
  expect(changed.headers['x-sir-ignored-fields']).toBe('/restrictions/vestingDays');
  expect((await app.signed('GET', path)).body).toEqual(changed.body);
});

test('an action type that the pool does not reward is 422 on submit and on preview', async () => {
  const partner = await app.newPartner();
  const restrictions = { actionTypes: ['VOLUNTEER'] };
  await app.signed('PATCH', `${POOLS}/${publicPoolId(partner)}`, { restrictions }, { partner });
  for (const path of ['submit', 'preview']) {
    const refused = await app.signed('POST', `/v1/partner/actions/${path}`, action('refused'), { partner });
    expect(refused).toMatchObject({ status: 422, body: { code: 'ACTION_TYPE_NOT_ALLOWED' } });
  }
});

test('what does not fit is refused and named', async () => {
  const path = `${POOLS}/${publicPoolId(app.partner)}`;
  const refused: [string, string, unknown, string][] = [
    ['PATCH', path, { rates: {} }, '/rates'],
    ['PATCH', path, { rates: { usd: 1 } }, '/rates'],
    ['PATCH', path, { rates: { USD: 0 } }, '/rates/USD'],
    ['PATCH', path, { isDefault: false }, '/isDefault'],
    ['PATCH', path, { lowBalance: { thresholds: [{ percent: 91 }] } }, '/lowBalance/thresholds/0/percent'],
    ['PATCH', path, { autoRefill: { amount: 0, floor: 0, monthlyCeiling: 1 } }, '/autoRefill'],
    ['POST', `${POOLS}/request`, { tokens: 0 }, '/tokens'],
    ['POST', `${POOLS}/request`, { tokens: 1.5 }, '/tokens'],
    ['POST', `${POOLS}/request`, { tokens: 1, poolId: publicPoolId(app.partner), name: 'New' }, '/name'],
  ];
  for (const [method, at, body, where] of refused) {
    const answer = await app.signed(method, at, body);
    expect([body, answer.body.code]).toEqual([body, 'INVALID_REQUEST']);
    expect(JSON.stringify(answer.body.errors)).toContain(`"${where}`);
  }
  const nowhere = await app.newPartner();
  const strange = await app.signed('POST', `${POOLS}/request`, { tokens: 1, poolId: publicPoolId(nowhere) });
  expect(strange.body.code).toBe('NOT_FOUND');
});

test('a publishable key reads, and asks for nothing', async () => {
  const key = { key: 'publishable' } as const;
  expect((await app.signed('GET', `${POOLS}/requests`, undefined, key)).status).toBe(200);
  const refused = await app.signed('POST', `${POOLS}/request`, { tokens: 1 }, key);
  expect(refused.body.code).toBe('SECRET_KEY_REQUIRED');
});
