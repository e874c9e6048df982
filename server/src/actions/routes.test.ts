import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../test/app.ts';
import type { Clock } from '../platform/clock.ts';

let app: TestApp;
let offset = 0;
const clock: Clock = { now: () => new Date(Date.now() + offset) };

beforeAll(async () => {
  app = await startTestApp({ clock });
});
afterAll(() => app.close());

const action = (idempotencyKey: string, change: Record<string, unknown> = {}) => ({
  idempotencyKey,
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
  ...change,
});
const SUBMIT = '/v1/partner/actions/submit';
const submit = (body: unknown, partner?: TestPartner) =>
  app.signed('POST', SUBMIT, body, partner === undefined ? {} : { partner });
const get = (path: string, partner?: TestPartner) =>
  app.signed('GET', path, undefined, partner === undefined ? {} : { partner });
const available = async (user: string, partner?: TestPartner) =>
  (await get(`/v1/partner/users/${user}/balance`, partner)).body.available;

describe('POST actions/submit', () => {
  test('takes the documented body and answers with its fields', async () => {
    const { status, body, headers } = await submit({
      ...action('order_98765'),
      stakeholders: [
        {
          stakeholderTypeCode: 'CUSTOMER',
          partnerUserId: 'documented',
          userEmail: 'customer@example.com',
          userFirstName: 'Jane',
          userLastName: 'Doe',
        },
      ],
      autoCreateUsers: true,
      metadata: { orderId: '98765' },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ idempotencyKey: 'order_98765', status: 'COMPLETED', tokensDistributed: 50 });
    expect(headers['server-timing']).toMatch(/^queue;dur=\d+\.\d$/);
    expect((await get('/v1/partner/users/documented')).body).toMatchObject({
      email: 'customer@example.com',
      lastName: 'Doe',
    });
  });

  test('answers a retry written differently with the first reward', async () => {
    const first = await submit(action('differently'));
    const text =
      '{ "stakeholders": [{"partnerUserId":"user_42","stakeholderTypeCode":"CUSTOMER"}], "currency":"USD", "amount": 4999e-2,' +
      ' "autoCreateUsers": true, "actionType":"PURCHASE", "idempotencyKey":"differently", "metadata": {} }';
    const again = await submit(text);
    expect(again.status).toBe(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  test('names unknown fields and goes on working', async () => {
    const { status, headers } = await submit({ ...action('unknown-field'), channel: 'web' });
    expect(status).toBe(200);
    expect(headers['x-sir-ignored-fields']).toBe('/channel');
  });

  test.each([
    ['5 decimals', { amount: 1.00001 }, '/amount'],
    ['a negative amount', { amount: -1 }, '/amount'],
    ['an amount as text', { amount: '49.99' }, '/amount'],
    ['an amount without a currency', { currency: undefined }, '/currency'],
    ['no stakeholder', { stakeholders: [] }, '/stakeholders'],
    ['a lower-case type', { actionType: 'purchase' }, '/actionType'],
    ['too many decimals of a quantity', { quantity: 1.23456, unit: 'hours' }, '/quantity'],
    ['an old occurredAt', { occurredAt: '2020-01-01T00:00:00Z' }, '/occurredAt'],
    [
      'the same user twice in one role',
      { stakeholders: Array.from({ length: 2 }, () => ({ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a' })) },
      '/stakeholders/1',
    ],
  ])('refuses %s, says where, and does not use the key up', async (name, change, path) => {
    const key = `bad ${name}`;
    const refused = await submit(action(key, change));
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toEqual([expect.objectContaining({ path })]);
    expect((await submit(action(key))).status).toBe(200);
  });

  test('judges occurredAt when the key is first claimed and never again', async () => {
    const body = action('occurred', { occurredAt: new Date(Date.now() - 29 * 86_400_000).toISOString() });
    expect((await submit(body)).status).toBe(200);
    offset = 3 * 86_400_000;
    expect((await submit(body)).headers['idempotent-replayed']).toBe('true');
    offset = 0;
  });

  test('refuses what has no value, no rate or no campaign, in that order behind the pool', async () => {
    expect((await submit(action('no-value', { amount: undefined, currency: undefined }))).body.code).toBe(
      'NO_VALUE_RULE',
    );
    expect((await submit(action('no-rate', { currency: 'JPY' }))).body.code).toBe('UNSUPPORTED_CURRENCY');
    const campaign = await submit(action('no-campaign', { campaignId: 'cmp_01h455vb4pex5vsknk084sn02q' }));
    expect(campaign.body.code).toBe('CAMPAIGN_NOT_APPLICABLE');
    const poor = await app.newPartner({ poolTokens: 0 });
    expect((await submit(action('no-rate', { currency: 'JPY' }), poor)).body).toMatchObject({
      status: 402,
      code: 'NO_ACTIVE_POOL',
    });
  });

  test('completes an action worth nothing without a ledger row', async () => {
    const { body } = await submit(action('nothing', { amount: 0.1 }));
    expect(body).toMatchObject({ status: 'COMPLETED', tokensDistributed: 0, transactionIds: [] });
  });

  test('shares among several stakeholders, the earlier ones first', async () => {
    const stakeholders = ['first', 'second', 'third'].map((partnerUserId) => ({
      stakeholderTypeCode: 'CUSTOMER',
      partnerUserId,
    }));
    const { body } = await submit(action('shared', { amount: 50, stakeholders }));
    expect((body.distributions as { tokens: number }[]).map((d) => d.tokens)).toEqual([17, 17, 16]);
    expect(body.transactionIds).toHaveLength(3);
  });
});

describe('reading actions', () => {
  test('a failed action is kept, listed and explained', async () => {
    const partner = await app.newPartner({ poolTokens: 10 });
    const failed = await submit(action('too-much'), partner);
    expect(failed.body).toMatchObject({ status: 402, code: 'INSUFFICIENT_POOL' });
    const { body } = await get('/v1/partner/actions?status=FAILED', partner);
    const [listed] = body.data as Record<string, unknown>[];
    expect(listed).toMatchObject({
      actionId: failed.body.actionId,
      failureCode: 'INSUFFICIENT_POOL',
      attempts: 1,
      amount: 49.99,
    });
    const explained = await get(`/v1/partner/actions/${listed?.actionId}/explain`, partner);
    expect(explained.body).toMatchObject({ failureCode: 'INSUFFICIENT_POOL', poolBalance: { before: 10, after: 10 } });
  });

  test('explains every number with its formula', async () => {
    const { body } = await submit(action('explained'));
    const explained = await get(`/v1/partner/actions/${body.actionId}/explain`);
    expect(explained.body.steps).toEqual([
      { name: 'worth', formula: '49.99 USD × 1 SIR, rounded half up', result: '50' },
      { name: 'shares', formula: '50 ÷ 1, largest remainder', result: '50' },
      { name: 'pool', formula: expect.stringMatching(/^\d+ − 50$/), result: expect.stringMatching(/^\d+$/) },
    ]);
  });

  test('filters by key, type and user, and pages by cursor', async () => {
    const partner = await app.newPartner({ poolTokens: 10_000 });
    for (const index of [1, 2, 3]) {
      const stakeholders = [{ stakeholderTypeCode: 'VOLUNTEER', partnerUserId: `u${index}` }];
      await submit(action(`k${index}`, { actionType: index === 3 ? 'VOLUNTEER' : 'PURCHASE', stakeholders }), partner);
    }
    const keysAt = async (query: string) => {
      const { body } = await get(`/v1/partner/actions?${query}`, partner);
      return (body.data as { idempotencyKey: string }[]).map((item) => item.idempotencyKey);
    };
    expect(await keysAt('idempotencyKey=k2')).toEqual(['k2']);
    expect(await keysAt('actionType=VOLUNTEER')).toEqual(['k3']);
    expect(await keysAt('externalUserId=u1')).toEqual(['k1']);
    expect(await keysAt('externalUserId=nobody')).toEqual([]);
    const first = await get('/v1/partner/actions?limit=2', partner);
    const { nextCursor } = first.body.pagination as { nextCursor: string };
    expect(await keysAt(`limit=2&cursor=${nextCursor}`)).toEqual(['k1']);
  });

  test('hides actions of other partners', async () => {
    const { body } = await submit(action('mine'));
    const stranger = await app.newPartner();
    expect((await get(`/v1/partner/actions/${body.actionId}`, stranger)).status).toBe(404);
    expect((await get(`/v1/partner/actions/${body.actionId}/explain`, stranger)).status).toBe(404);
  });
});

describe('POST actions/preview', () => {
  test('shows what submit would give and writes nothing', async () => {
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'never-made' }];
    const { body } = await app.signed('POST', '/v1/partner/actions/preview', action('preview', { stakeholders }));
    expect(body).toMatchObject({
      status: 'COMPLETED',
      tokens: 50,
      distributions: [{ partnerUserId: 'never-made', tokens: 50 }],
    });
    expect((await get('/v1/partner/users/never-made')).status).toBe(404);
    expect((await get('/v1/partner/actions?idempotencyKey=preview')).body.data).toEqual([]);
  });
});

test('a preview without a pool says so, also for a user who is unknown', async () => {
  const poor = await app.newPartner({ poolTokens: 0 });
  const body = action('preview', { autoCreateUsers: false });
  const preview = await app.signed('POST', '/v1/partner/actions/preview', body, { partner: poor });
  expect(preview.body).toMatchObject({ status: 'FAILED', failureCode: 'NO_ACTIVE_POOL', tokens: 0 });
});

describe('POST actions/batch', () => {
  const batch = (actions: unknown[], mode: string, partner?: TestPartner) =>
    app.signed('POST', '/v1/partner/actions/batch', { actions, mode }, partner === undefined ? {} : { partner });

  test('independent: each item stands for itself, in its place', async () => {
    await submit(action('batch-old'));
    const { status, body } = await batch(
      [
        action('batch-old'),
        action('batch-new'),
        action('batch-new'),
        action('batch-new', { amount: 1 }),
        { ...action('batch-bad'), amount: 'x' },
        action('batch-jpy', { currency: 'JPY' }),
      ],
      'independent',
    );
    expect(status).toBe(200);
    const results = body.results as { status: string; error?: { code: string }; action?: { actionId: string } }[];
    expect(results.map((result) => result.error?.code ?? result.status)).toEqual([
      'COMPLETED',
      'COMPLETED',
      'COMPLETED',
      'IDEMPOTENCY_KEY_REUSED',
      'INVALID_REQUEST',
      'UNSUPPORTED_CURRENCY',
    ]);
    expect(results[1]?.action?.actionId).toBe(results[2]?.action?.actionId);
    expect(body.summary).toMatchObject({ total: 6, completed: 3, rejected: 3, tokensDistributed: 150 });
  });

  test('independent: a thousand items are rewarded once each', async () => {
    const partner = await app.newPartner({ poolTokens: 10_000 });
    const actions = Array.from({ length: 1000 }, (_, index) => action(`bulk_${index}`, { amount: 1 }));
    const { body } = await batch(actions, 'independent', partner);
    expect(body.summary).toMatchObject({ completed: 1000, tokensDistributed: 1000 });
    expect(await available('user_42', partner)).toBe(1000);
  });

  test('atomic: one failing item leaves nothing and uses no key up', async () => {
    const partner = await app.newPartner({ poolTokens: 60 });
    const rejected = await batch([action('a1'), action('a2')], 'atomic', partner);
    expect(rejected.body).toMatchObject({ status: 422, code: 'BATCH_REJECTED' });
    expect((rejected.body.results as { status: string }[]).map((r) => r.status)).toEqual(['NOT_ATTEMPTED', 'FAILED']);
    expect((await get('/v1/partner/actions', partner)).body.data).toEqual([]);
    expect((await get('/v1/partner/users', partner)).body.data).toEqual([]);
    const { body } = await batch([action('a1'), action('a2', { amount: 10 })], 'atomic', partner);
    expect(body.summary).toMatchObject({ completed: 2, tokensDistributed: 60 });
    const replayed = await batch([action('a1'), action('a2', { amount: 10 })], 'atomic', partner);
    expect(replayed.body.results).toEqual(body.results);
    expect(await available('user_42', partner)).toBe(60);
  });

  test('faults of the envelope are 400 for the whole', async () => {
    expect((await batch([], 'independent')).status).toBe(400);
    expect((await batch([action('x')], 'sometimes')).status).toBe(400);
    expect(
      (
        await batch(
          Array.from({ length: 1001 }, () => 1),
          'independent',
        )
      ).status,
    ).toBe(400);
  });

  test('names the action of an item that is kept as FAILED', async () => {
    const partner = await app.newPartner({ poolTokens: 10 });
    const { body } = await batch([action('short', { amount: 11 })], 'independent', partner);
    const [{ status, error } = {}] = body.results as { status: string; error: Record<string, unknown> }[];
    expect({ status, code: error?.code }).toEqual({ status: 'FAILED', code: 'INSUFFICIENT_POOL' });
    expect((await get(`/v1/partner/actions/${error?.actionId}`, partner)).body.status).toBe('FAILED');
  });
});

describe('POST actions/:id/reverse', () => {
  const reverse = (actionId: unknown, body: Record<string, unknown>, partner?: TestPartner) =>
    app.signed(
      'POST',
      `/v1/partner/actions/${actionId}/reverse`,
      { reason: 'returned', ...body },
      partner === undefined ? {} : { partner },
    );

  async function rewarded(amount = 50) {
    const partner = await app.newPartner({ poolTokens: 1000 });
    const { body } = await submit(action('order', { amount }), partner);
    return { partner, actionId: body.actionId as string };
  }
  const redeem = (partner: TestPartner, tokens: number) =>
    app.signed(
      'POST',
      '/v1/partner/users/user_42/redemptions',
      { tokens, idempotencyKey: `spend ${tokens}` },
      { partner },
    );

  test('takes back all, once; again it answers with the same reversal', async () => {
    const { partner, actionId } = await rewarded();
    const first = await reverse(actionId, {}, partner);
    expect(first.body).toMatchObject({ status: 'REVERSED', reversedTokens: 50, reversal: { tokens: 50, debt: 0 } });
    expect(await available('user_42', partner)).toBe(0);
    const again = await reverse(actionId, {}, partner);
    expect(again.body.reversal).toEqual(first.body.reversal);
    expect(again.headers['idempotent-replayed']).toBe('true');
    const retried = await submit(action('order', { amount: 50 }), partner);
    expect(retried.body).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
    expect(await available('user_42', partner)).toBe(0);
  });

  test('takes back a part under a key, in proportion, and never more than what remains', async () => {
    const partner = await app.newPartner({ poolTokens: 1000 });
    const stakeholders = ['a', 'b', 'c'].map((partnerUserId) => ({ stakeholderTypeCode: 'CUSTOMER', partnerUserId }));
    const { body } = await submit(action('parts', { amount: 10, stakeholders }), partner);
    expect((await reverse(body.actionId, { tokens: 5 }, partner)).status).toBe(400);
    const part = await reverse(body.actionId, { tokens: 5, idempotencyKey: 'r1' }, partner);
    expect(part.body).toMatchObject({ status: 'PARTIALLY_REVERSED', reversedTokens: 5 });
    expect(await Promise.all(['a', 'b', 'c'].map((user) => available(user, partner)))).toEqual([2, 1, 2]);
    expect((await reverse(body.actionId, { tokens: 5, idempotencyKey: 'r1' }, partner)).body).toEqual(part.body);
    expect((await reverse(body.actionId, { tokens: 4, idempotencyKey: 'r1' }, partner)).body.code).toBe(
      'IDEMPOTENCY_KEY_REUSED',
    );
    expect((await reverse(body.actionId, { tokens: 6, idempotencyKey: 'r2' }, partner)).body.code).toBe(
      'REVERSAL_EXCEEDS_REMAINING',
    );
    const named = {
      distributions: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a', tokens: 2 }],
      idempotencyKey: 'r2',
    };
    expect((await reverse(body.actionId, named, partner)).body.reversedTokens).toBe(7);
    expect((await reverse(body.actionId, {}, partner)).body).toMatchObject({ status: 'REVERSED', reversedTokens: 10 });
  });

  test('what was spent becomes a debt that later rewards repay first', async () => {
    const { partner, actionId } = await rewarded();
    await redeem(partner, 30);
    const { body } = await reverse(actionId, {}, partner);
    expect(body).toMatchObject({ status: 'REVERSED', reversal: { tokens: 50, debt: 30 } });
    expect(await available('user_42', partner)).toBe(-30);
    expect((await redeem(partner, 1)).body.code).toBe('INSUFFICIENT_BALANCE');
    await submit(action('repay', { amount: 40 }), partner);
    expect(await available('user_42', partner)).toBe(10);
  });

  test('partial takes what is there; refuse takes nothing', async () => {
    const { partner, actionId } = await rewarded();
    await redeem(partner, 30);
    const refused = await reverse(actionId, { onInsufficientBalance: 'refuse' }, partner);
    expect(refused.body).toMatchObject({ status: 402, code: 'INSUFFICIENT_BALANCE' });
    const partial = await reverse(actionId, { onInsufficientBalance: 'partial', idempotencyKey: 'p' }, partner);
    expect(partial.body).toMatchObject({ status: 'PARTIALLY_REVERSED', reversal: { tokens: 20, debt: 0 } });
    const nothing = await reverse(actionId, { onInsufficientBalance: 'partial', idempotencyKey: 'p2' }, partner);
    expect(nothing.body.code).toBe('INSUFFICIENT_BALANCE');
  });

  test('a dry run shows it and writes nothing', async () => {
    const { partner, actionId } = await rewarded();
    const { body } = await reverse(actionId, { dryRun: true, tokens: 20 }, partner);
    expect(body).toMatchObject({
      dryRun: true,
      status: 'PARTIALLY_REVERSED',
      reversal: { tokens: 20, transactionIds: [] },
    });
    expect(await available('user_42', partner)).toBe(50);
    expect((await get(`/v1/partner/actions/${actionId}`, partner)).body).toMatchObject({
      status: 'COMPLETED',
      reversedTokens: 0,
    });
  });

  test('a failed action has nothing to reverse', async () => {
    const partner = await app.newPartner({ poolTokens: 1 });
    const failed = await submit(action('failed'), partner);
    expect((await reverse(failed.body.actionId, {}, partner)).body.code).toBe('ACTION_NOT_REVERSIBLE');
  });
});
