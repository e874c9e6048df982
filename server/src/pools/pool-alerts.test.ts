import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueue } from '../../test/properties/healthy-book.ts';
import { newPartner, newPool } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { reverseAction } from '../actions/reverse-action.ts';
import { submissionOf } from '../actions/submission.ts';
import type { SubmissionQueue } from '../actions/submission-queue.ts';
import { systemClock } from '../platform/clock.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds, rowId } from '../platform/ids.ts';
import { fundPool, withdrawTokens } from './index.ts';
import { updatePool } from './update-pool.ts';

let database: TestDatabase;
let queues: SubmissionQueue[];
beforeAll(async () => {
  database = await createTestDatabase();
  queues = [openQueue(database), openQueue(database), openQueue(database)];
});
afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.stop()));
  await database.drop();
});

const body = (key: string, amount: number) => ({
  idempotencyKey: key,
  actionType: 'PURCHASE',
  amount,
  currency: 'USD',
  stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane' }],
});
const submit = (tenant: Tenant, key: string, amount: number, queue = 0) =>
  (queues[queue] as SubmissionQueue).submit(submissionOf(tenant, 'api', body(key, amount), randomIds));
const fund = (tenant: Tenant, poolId: string, tokens: number) =>
  database.sql.begin((tx) => fundPool(tx, randomIds, { ...tenant, poolId, tokens }, systemClock.now()));
const setThresholds = (tenant: Tenant, poolId: string, thresholds: { percent?: number; tokens?: number }[]) =>
  database.sql.begin((tx) =>
    updatePool(tx, randomIds, tenant, publicId('pool', poolId), { lowBalance: { thresholds } }, systemClock.now()),
  );

interface Told {
  type: string;
  data: Record<string, unknown>;
}
/** What was told about the pool's balance, in order, each with the balance that its own transaction left. */
const alertsOf = ({ partnerId }: Tenant) => database.sql<Told[]>`
  select type, data from events
  where partner_id = ${partnerId} and type in ('token_pool.low_balance', 'token_pool.recovered', 'token_pool.depleted')
  order by position`;

test('500 parallel debits across a threshold over three queues tell one low_balance, and refilling one recovered', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1_000);
  await setThresholds(tenant, poolId, [{ percent: 60 }]);
  const results = await Promise.all(Array.from({ length: 500 }, (_, n) => submit(tenant, `debit_${n}`, 1, n % 3)));
  expect(results.every(({ result }) => result.kind === 'completed')).toBe(true);
  const low = await alertsOf(tenant);
  expect(low.map(({ type }) => type)).toEqual(['token_pool.low_balance']);
  expect(low[0]?.data).toMatchObject({ thresholds: [{ percent: 60 }], lastAllocationBalance: 1_000 });
  expect(low[0]?.data.balance).toBeLessThanOrEqual(600);
  // The event stands in the transaction of the batch that crossed: right behind the actions of it.
  const [before] = await database.sql<{ spent: number }[]>`
    select count(*) as spent from events a
    where a.partner_id = ${tenant.partnerId} and a.type = 'action.completed' and a.position < (
      select position from events where partner_id = ${tenant.partnerId} and type = 'token_pool.low_balance'
    )`;
  expect(1_000 - (before?.spent ?? 0)).toBe(low[0]?.data.balance);

  await Promise.all(Array.from({ length: 5 }, () => fund(tenant, poolId, 100)));
  expect((await alertsOf(tenant)).map(({ type }) => type)).toEqual(['token_pool.low_balance', 'token_pool.recovered']);
});

test('a pool that is emptied by many at once is told depleted once, and once recovered', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 50);
  await setThresholds(tenant, poolId, [{ tokens: 10 }]);
  const results = await Promise.all(Array.from({ length: 120 }, (_, n) => submit(tenant, `empty_${n}`, 1, n % 3)));
  expect(results.filter(({ result }) => result.kind === 'completed')).toHaveLength(50);
  const types = (await alertsOf(tenant)).map(({ type }) => type);
  expect([...types].sort()).toEqual(['token_pool.depleted', 'token_pool.low_balance']);
  await fund(tenant, poolId, 500);
  const [, , recovered] = await alertsOf(tenant);
  expect(recovered).toMatchObject({
    type: 'token_pool.recovered',
    data: { balance: 500, thresholds: [{ tokens: 10 }], stillBelow: [], wasDepleted: true },
  });
  expect(await alertsOf(tenant)).toHaveLength(3);
});

test('the first action that a pool does not cover tells that it is depleted, also when tokens are left', async () => {
  const tenant = await newPartner(database.sql);
  await newPool(database.sql, tenant, 100);
  for (const key of ['big', 'bigger', 'big']) await submit(tenant, key, 5_000);
  const alerts = await alertsOf(tenant);
  expect(alerts).toHaveLength(1);
  expect(alerts[0]).toMatchObject({ type: 'token_pool.depleted', data: { balance: 100, cause: 'ACTION_REFUSED' } });
});

test('a reversal that brings enough back tells recovered, a withdrawal low_balance', async () => {
  const tenant = await newPartner(database.sql);
  const { partnerId, environment } = tenant;
  const poolId = await newPool(database.sql, tenant, 1_000);
  await setThresholds(tenant, poolId, [{ percent: 20 }]);
  const { result } = await submit(tenant, 'large', 850);
  const actionId = result.kind === 'completed' ? (rowId('act', result.answer.actionId) ?? '') : '';
  const reverse = (tokens: number) =>
    reverseAction(
      { sql: database.sql, ids: randomIds },
      tenant,
      actionId,
      { reason: 'returned', tokens, idempotencyKey: `back_${tokens}` },
      systemClock.now(),
    );
  await reverse(99);
  expect(await alertsOf(tenant)).toHaveLength(1);
  await reverse(1);
  const withdraw = { partnerId, environment, poolId, tokens: 60 };
  await database.sql.begin((tx) => withdrawTokens(tx, randomIds, withdraw, systemClock.now()));
  expect((await alertsOf(tenant)).map(({ type, data }) => [type, data.balance])).toEqual([
    ['token_pool.low_balance', 150],
    ['token_pool.recovered', 250],
    ['token_pool.low_balance', 190],
  ]);
});

test('a new threshold that is reached already is told at once, one that stays is not told again', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1_000);
  await submit(tenant, 'half', 500);
  const changed = await setThresholds(tenant, poolId, [{ percent: 50 }]);
  expect(changed.lowBalance).toEqual({ thresholds: [{ percent: 50 }], state: 'LOW', lastAllocationBalance: 1_000 });
  await setThresholds(tenant, poolId, [{ tokens: 600 }, { percent: 50 }]);
  expect((await alertsOf(tenant)).map(({ data }) => data.thresholds)).toEqual([[{ percent: 50 }], [{ tokens: 600 }]]);
  expect(await setThresholds(tenant, poolId, [])).toMatchObject({ lowBalance: { state: 'OK' } });
});
