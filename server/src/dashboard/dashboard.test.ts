import type { DashboardSummary, DashboardTimeseries } from '@sirgiving/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publicPoolId, startTestApp, type TestApp } from '../../test/app.ts';
import { countEvents } from './count-events.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({ config: { rateLimitPerMinute: 0 }, poolTokens: 1_000 });
});
afterAll(() => api.close());

const count = () => countEvents({ sql: api.sql, environment: 'sandbox' });
const summary = async (query = '', partner = api.partner) =>
  (await api.signed('GET', `/v1/partner/dashboard/summary${query}`, undefined, { partner }))
    .body as unknown as DashboardSummary;
const series = async (query = '') =>
  (await api.signed('GET', `/v1/partner/dashboard/timeseries${query}`)).body as unknown as DashboardTimeseries;
const submit = (idempotencyKey: string, amount: number, actionType = 'PURCHASE', partner = api.partner) =>
  api.signed(
    'POST',
    '/v1/partner/actions/submit',
    {
      idempotencyKey,
      actionType,
      amount,
      currency: 'USD',
      stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: `user-of-${idempotencyKey}` }],
    },
    { partner },
  );

test('the figures are those of the ledger, each event counted once by however many workers', async () => {
  const first = await submit('d-1', 100);
  await submit('d-2', 50, 'SHIFT');
  await submit('d-3', 5_000);
  await api.signed('POST', '/v1/partner/users/user-of-d-2/redemptions', { tokens: 20, idempotencyKey: 'd-r' });
  const reversal = { reason: 'back', tokens: 30, idempotencyKey: 'd-b' };
  await api.signed('POST', `/v1/partner/actions/${first.body.actionId}/reverse`, reversal);
  await Promise.all([count(), count(), count(), count()]);
  await count();
  const figures = await summary();
  expect(figures).toMatchObject({
    tokens: { issued: 150, reversed: 30, redeemed: 20, allocated: 1_000 },
    actions: {
      completed: 2,
      failed: 1,
      reversed: 1,
      byType: [
        { actionType: 'PURCHASE', completed: 1, tokensIssued: 100 },
        { actionType: 'SHIFT', completed: 1, tokensIssued: 50 },
      ],
      failuresByCode: [{ code: 'INSUFFICIENT_POOL', count: 1 }],
    },
    users: { total: 3, created: 3 },
    webhooks: { succeeded: 0, exhausted: 0, pending: 0, successRate: null },
    pools: [{ id: publicPoolId(api.partner), isDefault: true, balance: 880 }],
  });
  expect(figures.pools[0]?.runway.tokensPerDay.last7Days).toBe(120);
  expect(await count()).toBe(0);
  expect(await summary()).toMatchObject({ tokens: figures.tokens });
});

test('many partners are counted together, and one whose events cannot be counted hurts no other', async () => {
  const others = await Promise.all(Array.from({ length: 5 }, () => api.newPartner()));
  for (const partner of others) await submit('d-many', 10, 'PURCHASE', partner);
  const [broken, ...sound] = others.map(({ partnerId }) => partnerId);
  await api.sql`
    insert into events (partner_id, id, environment, position, type, data, created_at)
    select partner_id, gen_random_uuid(), environment, position + 1, 'token_pool.funded', '{"tokens": "many"}', now()
    from event_counters where partner_id = ${broken ?? ''} and environment = 'sandbox'`;
  await api.sql`update event_counters set position = position + 1 where partner_id = ${broken ?? ''} and environment = 'sandbox'`;
  await expect(count()).rejects.toThrow('some partners');
  const counted = await api.sql<{ partnerId: string }[]>`
    select partner_id as "partnerId" from dashboard_hours
    where partner_id = any(${others.map(({ partnerId }) => partnerId)}) and figure = 'tokens.issued' and amount = 10`;
  expect(counted.map((row) => row.partnerId).toSorted()).toEqual(sound.toSorted());
  await api.sql`update events set data = '{"tokens": 5}' where partner_id = ${broken ?? ''} and type = 'token_pool.funded' and data ->> 'tokens' = 'many'`;
  await count();
  expect(await count()).toBe(0);
});

test('who was erased is counted no more, and what they were given still is', async () => {
  expect((await api.signed('DELETE', '/v1/partner/users/user-of-d-3')).status).toBe(204);
  expect(await summary()).toMatchObject({ users: { total: 2 }, tokens: { issued: 150 } });
});

test('time series hold every hour and day, also those without anything, and sum up to the summary', async () => {
  for (const interval of ['hour', 'day'] as const) {
    const { data } = await series(`?interval=${interval}`);
    expect(data).toHaveLength(interval === 'hour' ? 24 : 30);
    expect(data.map(({ at }) => at)).toEqual(data.map(({ at }) => at).sort());
    const sum = (of: (point: (typeof data)[number]) => number) => data.reduce((total, point) => total + of(point), 0);
    expect(sum(({ tokens }) => tokens.issued)).toBe(150);
    expect(sum(({ actions }) => actions.completed)).toBe(2);
    expect(sum(({ users }) => users.created)).toBe(3);
  }
  const { data } = await series('?since=2020-01-01T00:30:00Z&until=2020-01-01T03:00:00Z&interval=hour');
  expect(data.map(({ at, tokens }) => [at, tokens.issued])).toEqual([
    ['2020-01-01T00:00:00.000Z', 0],
    ['2020-01-01T01:00:00.000Z', 0],
    ['2020-01-01T02:00:00.000Z', 0],
  ]);
});

test.each([
  'timeseries?interval=week',
  'timeseries?interval=hour&since=2020-01-01T00:00:00Z&until=2020-03-01T00:00:00Z',
  'timeseries?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z',
  'timeseries?since=yesterday',
  'summary?days=0',
  'summary?days=367',
  'summary?status=x',
])('%s is 400', async (path) => {
  const answer = await api.signed('GET', `/v1/partner/dashboard/${path}`);
  expect(answer.body).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
});

test('another partner sees nothing of it', async () => {
  const stranger = await api.newPartner({ poolTokens: 0 });
  expect(await summary('', stranger)).toMatchObject({
    countedUntil: null,
    tokens: { issued: 0, allocated: 0 },
    users: { total: 0 },
    pools: [],
  });
});
