import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPartner, newPool } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { silentLog } from '../../test/webhook-setup.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { approvePoolRequest, denyPoolRequest, refillPools, withdrawTokens } from './index.ts';
import { listPoolRequests } from './list-pool-requests.ts';
import { updatePool } from './update-pool.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NOVEMBER = new Date('2026-11-24T10:00:00.000Z');
const DECEMBER = new Date('2026-12-01T00:00:00.000Z');
const hoursLater = (hours: number) => new Date(NOVEMBER.getTime() + hours * 3_600_000);

const refill = (environment: Tenant['environment'], now = NOVEMBER) =>
  refillPools({ sql: database.sql, environment, clock: { now: () => now }, ids: randomIds, log: silentLog });
const turnOn = (
  tenant: Tenant,
  poolId: string,
  autoRefill: { amount: number; floor: number; monthlyCeiling: number },
) => database.sql.begin((tx) => updatePool(tx, randomIds, tenant, publicId('pool', poolId), { autoRefill }, NOVEMBER));
const spend = (tenant: Tenant, poolId: string, tokens: number) =>
  database.sql.begin((tx) => withdrawTokens(tx, randomIds, { ...tenant, poolId, tokens }, NOVEMBER));
const balanceOf = async ({ partnerId }: Tenant, poolId: string) => {
  const [row] = await database.sql<{ balance: number }[]>`
    select balance from ledger_accounts where partner_id = ${partnerId} and id = ${poolId}`;
  return row?.balance;
};
const requestsOf = async (tenant: Tenant) => (await listPoolRequests(database.sql, tenant, {}, pageRequest({}))).data;

test('a sandbox pool at its floor fills itself, up to the ceiling of the month', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 101);
  await turnOn(tenant, poolId, { amount: 50, floor: 100, monthlyCeiling: 120 });
  await refill('sandbox');
  expect(await balanceOf(tenant, poolId)).toBe(101);
  await spend(tenant, poolId, 1);
  await refill('sandbox');
  await refill('sandbox');
  expect(await balanceOf(tenant, poolId)).toBe(150);
  await spend(tenant, poolId, 100);
  await refill('sandbox');
  // A third one would be 150 of 120 this month.
  await refill('sandbox');
  expect(await balanceOf(tenant, poolId)).toBe(100);
  await refill('sandbox', DECEMBER);
  expect(await balanceOf(tenant, poolId)).toBe(150);
  expect((await requestsOf(tenant)).map(({ status, requestedBy }) => [status, requestedBy])).toEqual(
    Array(3).fill(['APPROVED', 'AUTO_REFILL']),
  );
});

test('several workers at once refill a pool once', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 10);
  await turnOn(tenant, poolId, { amount: 500, floor: 100, monthlyCeiling: 10_000 });
  await Promise.all(Array.from({ length: 5 }, () => refill('sandbox')));
  expect(await balanceOf(tenant, poolId)).toBe(510);
});

test('in production it files one request at a time, and after a denial waits a day', async () => {
  const tenant = await newPartner(database.sql, 'production');
  const poolId = await newPool(database.sql, tenant, 0);
  await turnOn(tenant, poolId, { amount: 500, floor: 100, monthlyCeiling: 1_200 });
  const adminAccountId = randomIds.uuid();
  const decide = async (how: 'approve' | 'deny') => {
    const [pending] = await database.sql<{ id: string }[]>`
      select id from token_pool_requests where partner_id = ${tenant.partnerId} and status = 'PENDING'`;
    const which = { ...tenant, requestId: pending?.id ?? '' };
    await database.sql.begin((tx) =>
      how === 'approve'
        ? approvePoolRequest(tx, randomIds, which, { adminAccountId, tokens: 50 }, NOVEMBER)
        : denyPoolRequest(tx, randomIds, which, { adminAccountId, reason: 'Not now.' }, NOVEMBER),
    );
  };
  await refill('sandbox');
  expect(await requestsOf(tenant)).toEqual([]);
  await Promise.all([refill('production'), refill('production')]);
  await refill('production');
  expect((await requestsOf(tenant)).map(({ status }) => status)).toEqual(['PENDING']);
  expect(await balanceOf(tenant, poolId)).toBe(0);
  await decide('deny');
  await refill('production', hoursLater(23));
  expect((await requestsOf(tenant)).map(({ status }) => status)).toEqual(['DENIED']);
  await refill('production', hoursLater(25));
  expect((await requestsOf(tenant)).map(({ status }) => status)).toEqual(['PENDING', 'DENIED']);
  // Less than asked was given, so the pool is still at its floor, and the month has room for 1,150 more.
  await decide('approve');
  expect(await balanceOf(tenant, poolId)).toBe(50);
  await refill('production', hoursLater(26));
  expect((await requestsOf(tenant)).map(({ status }) => status)).toEqual(['PENDING', 'APPROVED', 'DENIED']);
});

test('pools of a suspended partner are not refilled', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 10);
  await turnOn(tenant, poolId, { amount: 500, floor: 100, monthlyCeiling: 10_000 });
  await database.sql`update partners set status = 'SUSPENDED' where id = ${tenant.partnerId}`;
  await refill('sandbox');
  expect(await balanceOf(tenant, poolId)).toBe(10);
});
