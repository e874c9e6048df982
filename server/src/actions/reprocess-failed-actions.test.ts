import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueue } from '../../test/properties/healthy-book.ts';
import { newPartner, newPool } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { silentLog } from '../../test/webhook-setup.ts';
import { systemClock } from '../platform/clock.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { fundPool } from '../pools/index.ts';
import { updatePool } from '../pools/update-pool.ts';
import { type ReprocessDependencies, reprocessFailedActions } from './reprocess-failed-actions.ts';
import { submissionOf } from './submission.ts';
import type { SubmissionQueue } from './submission-queue.ts';

let database: TestDatabase;
let queue: SubmissionQueue;
beforeAll(async () => {
  database = await createTestDatabase();
  queue = openQueue(database);
});
afterAll(async () => {
  await queue.stop();
  await database.drop();
});

const submit = async (tenant: Tenant, key: string, amount: number) => {
  const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane', userEmail: 'jane@example.com' }];
  const body = { idempotencyKey: key, actionType: 'PURCHASE', amount, currency: 'USD', stakeholders };
  const { result } = await queue.submit(submissionOf(tenant, 'api', body, randomIds));
  return result.kind === 'completed' ? { replayed: result.replayed, answer: result.answer } : result.problem.code;
};
const fund = (tenant: Tenant, poolId: string, tokens: number) =>
  database.sql.begin((tx) => fundPool(tx, randomIds, { ...tenant, poolId, tokens }, systemClock.now()));
const turn = (tenant: Tenant, poolId: string, actions: boolean) =>
  database.sql.begin((tx) =>
    updatePool(tx, randomIds, tenant, publicId('pool', poolId), { reprocessFailed: { actions } }, systemClock.now()),
  );
const reprocess = (change: Partial<ReprocessDependencies> = {}) =>
  reprocessFailedActions({
    sql: database.sql,
    environment: 'sandbox',
    clock: systemClock,
    log: silentLog,
    submissions: queue,
    ...change,
  });

/** The keys of a partner's actions by their status, in the order of their first use. */
async function keysOf({ partnerId }: Tenant) {
  const rows = await database.sql<{ key: string; status: string; attempts: number }[]>`
    select idempotency_key as key, status, attempts from actions where partner_id = ${partnerId} order by id`;
  return {
    completed: rows.filter(({ status }) => status === 'COMPLETED').map(({ key }) => key),
    failed: rows.filter(({ status }) => status === 'FAILED').map(({ key }) => key),
    attempts: Object.fromEntries(rows.map(({ key, attempts }) => [key, attempts])),
  };
}

test('what failed for want of tokens is rewarded when the pool is funded, in order, and the partner’s retry finds it done', async () => {
  const tenant = await newPartner(database.sql);
  expect(await submit(tenant, 'no_pool', 30)).toBe('NO_ACTIVE_POOL');
  const poolId = await newPool(database.sql, tenant, 10);
  await turn(tenant, poolId, true);
  for (const key of ['first', 'second', 'third']) expect(await submit(tenant, key, 40)).toBe('INSUFFICIENT_POOL');
  await reprocess();
  expect((await keysOf(tenant)).completed).toEqual([]);
  await fund(tenant, poolId, 100);
  await reprocess();
  // 110 tokens are enough for 30 + 40 + 40, not for the last.
  expect(await keysOf(tenant)).toMatchObject({ completed: ['no_pool', 'first', 'second'], failed: ['third'] });
  expect(await submit(tenant, 'first', 40)).toMatchObject({ replayed: true });
  const [event] = await database.sql<{ data: Record<string, unknown> }[]>`
    select data from events where partner_id = ${tenant.partnerId} and type = 'action.completed' order by position limit 1`;
  expect(event?.data).toMatchObject({ idempotencyKey: 'no_pool', tokensDistributed: 30 });

  await fund(tenant, poolId, 100);
  await reprocess();
  expect((await keysOf(tenant)).failed).toEqual([]);
});

test('nothing is processed again unless it was turned on before the funding', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await submit(tenant, 'waits', 40);
  await fund(tenant, poolId, 100);
  await reprocess();
  await turn(tenant, poolId, true);
  await reprocess();
  expect((await keysOf(tenant)).failed).toEqual(['waits']);
  await turn(tenant, poolId, false);
  await fund(tenant, poolId, 100);
  await reprocess();
  expect((await keysOf(tenant)).failed).toEqual(['waits']);
});

test('one funding is followed up once: what it did not cover is left alone until the next', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await turn(tenant, poolId, true);
  await submit(tenant, 'large', 5_000);
  await fund(tenant, poolId, 10);
  for (let again = 0; again < 3; again++) await reprocess();
  expect((await keysOf(tenant)).attempts).toEqual({ large: 2 });
});

test('workers at once, and the partner’s own retries meanwhile, pay each action once', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await turn(tenant, poolId, true);
  const keys = Array.from({ length: 400 }, (_, n) => `many_${n}`);
  await Promise.all(keys.map((key) => submit(tenant, key, 2)));
  await fund(tenant, poolId, 10_000);
  const second = openQueue(database);
  await Promise.all([
    reprocess(),
    reprocess({ submissions: second }),
    ...keys.slice(0, 100).map((key) => submit(tenant, key, 2)),
  ]);
  await second.stop();
  await reprocess();
  const [books] = await database.sql`
    select (select balance from ledger_accounts where partner_id = ${tenant.partnerId} and id = ${poolId}) as balance,
      (select count(*) from ledger_transactions where partner_id = ${tenant.partnerId} and kind = 'REWARD') as rewards,
      (select count(*) from actions where partner_id = ${tenant.partnerId} and status = 'COMPLETED') as completed`;
  expect(books).toEqual({ balance: 10_001 - 800, rewards: 400, completed: 400 });
});

test('a run is bounded and goes on where it was left, also by another worker', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await turn(tenant, poolId, true);
  const keys = Array.from({ length: 1_100 }, (_, n) => `bounded_${n}`);
  await Promise.all(keys.map((key) => submit(tenant, key, 2)));
  await fund(tenant, poolId, 10_000);
  await reprocess();
  expect((await keysOf(tenant)).completed).toHaveLength(1_024);
  await reprocess();
  expect((await keysOf(tenant)).failed).toEqual([]);
});

test('a queue that takes nothing leaves the run for later', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await turn(tenant, poolId, true);
  await submit(tenant, 'later', 40);
  await fund(tenant, poolId, 100);
  const full = { submit: () => Promise.reject(problem('OVERLOADED', 'Too many actions are waiting.')) };
  await reprocess({ submissions: full });
  expect((await keysOf(tenant)).failed).toEqual(['later']);
  await reprocess();
  expect((await keysOf(tenant)).completed).toEqual(['later']);
});

test('another environment’s worker, a suspended partner and actions older than 30 days are left alone', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1);
  await turn(tenant, poolId, true);
  await submit(tenant, 'old', 40);
  await submit(tenant, 'young', 40);
  await database.sql`
    update actions set created_at = created_at - interval '31 days' where partner_id = ${tenant.partnerId} and idempotency_key = 'old'`;
  await fund(tenant, poolId, 100);
  await reprocess({ environment: 'production' });
  await database.sql`update partners set status = 'SUSPENDED' where id = ${tenant.partnerId}`;
  await reprocess();
  expect((await keysOf(tenant)).completed).toEqual([]);
  await database.sql`update partners set status = 'ACTIVE' where id = ${tenant.partnerId}`;
  await reprocess();
  expect((await keysOf(tenant)).completed).toEqual(['young']);
});
