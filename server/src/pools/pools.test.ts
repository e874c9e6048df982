import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIXTURE_TIME, newPartner, newPool, newReward, newUser, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { createPool } from './create-pool.ts';
import { fundPool } from './fund-pool.ts';
import { getPool, listPools } from './queries.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const create = (tenant: Tenant, name: string) =>
  database.sql.begin((tx) => createPool(tx, randomIds, { ...tenant, name }, FIXTURE_TIME));
const fund = (tenant: Tenant, poolId: string, tokens: number) =>
  database.sql.begin((tx) => fundPool(tx, randomIds, { ...tenant, poolId, tokens }, FIXTURE_TIME));
const get = (tenant: Tenant, poolId: string) => getPool(database.sql, tenant, publicId('pool', poolId), FIXTURE_TIME);
const rowsOf = async ({ partnerId }: Tenant) => {
  const [counts] = await database.sql`
    select (select count(*) from ledger_transactions where partner_id = ${partnerId}) as transactions,
      (select count(*) from events where partner_id = ${partnerId}) as events`;
  return counts;
};

test('the first pool of an environment is its default, also when eight are made at once', async () => {
  const tenant = await newPartner(database.sql);
  const made = await Promise.all(Array.from({ length: 8 }, (_, index) => create(tenant, `Pool ${index}`)));
  expect(made.filter((pool) => pool.isDefault)).toHaveLength(1);
  const live = await create(otherEnvironment(tenant), 'Live');
  expect(live.isDefault).toBe(true);
  const accounts = await database.sql`
    select environment, kind, count(*) from ledger_accounts where partner_id = ${tenant.partnerId} group by 1, 2 order by 1, 2`;
  expect(accounts).toEqual([
    { environment: 'production', kind: 'issuance', count: 1 },
    { environment: 'production', kind: 'pool', count: 1 },
    { environment: 'production', kind: 'redeemed', count: 1 },
    { environment: 'sandbox', kind: 'issuance', count: 1 },
    { environment: 'sandbox', kind: 'pool', count: 8 },
    { environment: 'sandbox', kind: 'redeemed', count: 1 },
  ]);
});

test('a pool shows what was put in, given out and is there', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1_000, 'Spring');
  const userId = await newUser(database.sql, tenant, 'user_1');
  await newReward(database.sql, tenant, { poolId, userId, tokens: 50 });
  expect(await get(tenant, poolId)).toEqual({
    id: publicId('pool', poolId),
    name: 'Spring',
    status: 'ACTIVE',
    isDefault: true,
    balance: 950,
    allocated: 1_000,
    issued: 50,
    reversed: 0,
    rates: { USD: 1 },
    restrictions: {},
    lowBalance: { thresholds: [{ percent: 20 }], state: 'OK', lastAllocationBalance: 1_000 },
    reprocessFailed: { actions: false },
    runway: { tokensPerDay: { last7Days: 50, last28Days: 50 }, daysLeft: 19 },
    createdAt: FIXTURE_TIME.toISOString(),
  });
});

test('funding is one allocation out of issuance and one event', async () => {
  const tenant = await newPartner(database.sql);
  const { poolId } = await create(tenant, 'Main');
  await fund(tenant, poolId, 400);
  const funded = await fund(tenant, poolId, 600);
  expect(funded.balance).toBe(1_000);
  const [issuance] = await database.sql`
    select balance from ledger_accounts where partner_id = ${tenant.partnerId} and kind = 'issuance'`;
  expect(issuance).toEqual({ balance: -1_000 });
  const events =
    await database.sql`select type, data from events where partner_id = ${tenant.partnerId} order by position`;
  expect(events).toHaveLength(2);
  expect(events[1]).toEqual({
    type: 'token_pool.funded',
    data: {
      poolId: publicId('pool', poolId),
      transactionId: publicId('txn', funded.transactionId),
      tokens: 600,
      balance: 1_000,
    },
  });
});

test('20 fundings at once all arrive', async () => {
  const tenant = await newPartner(database.sql);
  const { poolId } = await create(tenant, 'Main');
  await Promise.all(Array.from({ length: 20 }, () => fund(tenant, poolId, 5)));
  expect(await get(tenant, poolId)).toMatchObject({ balance: 100, allocated: 100 });
});

test('a funding that is refused says why and writes nothing', async () => {
  const tenant = await newPartner(database.sql);
  const live = otherEnvironment(tenant);
  const stranger = await newPartner(database.sql);
  const { poolId } = await create(tenant, 'Main');
  const { poolId: closedId } = await create(tenant, 'Closed');
  const { poolId: liveId } = await create(live, 'Live');
  await newPool(database.sql, stranger, 0);
  await database.sql`update token_pools set status = 'CLOSED' where partner_id = ${tenant.partnerId} and id = ${closedId}`;
  const refusals: [Tenant, string, number, string][] = [
    [live, liveId, 5, 'approved requests'],
    [tenant, liveId, 5, 'no such token pool'],
    [stranger, poolId, 5, 'no such token pool'],
    [tenant, randomIds.uuid(), 5, 'no such token pool'],
    [tenant, closedId, 5, 'closed'],
    ...[0, -5, 1.5, Number.NaN, 2 ** 53].map((tokens): [Tenant, string, number, string] => [
      tenant,
      poolId,
      tokens,
      'whole number',
    ]),
  ];
  for (const [who, pool, tokens, why] of refusals) {
    await expect(fund(who, pool, tokens)).rejects.toThrow(why);
    await expect(fund(who, pool, tokens)).rejects.toMatchObject({ name: 'PoolFundingRefused' });
  }
  expect(await rowsOf(tenant)).toEqual({ transactions: 0, events: 0 });
});

test('a partner’s tokens never leave the exact integers', async () => {
  const tenant = await newPartner(database.sql);
  const { poolId } = await create(tenant, 'Main');
  const { poolId: second } = await create(tenant, 'Second');
  await fund(tenant, poolId, Number.MAX_SAFE_INTEGER);
  await expect(fund(tenant, second, 1)).rejects.toThrow('counted exactly');
  expect(await get(tenant, poolId)).toMatchObject({ balance: Number.MAX_SAFE_INTEGER });
});

test('a list gives the pools of this partner and environment, newest first', async () => {
  const tenant = await newPartner(database.sql);
  await create(otherEnvironment(tenant), 'Live');
  await newPool(database.sql, await newPartner(database.sql));
  for (const name of ['A', 'B', 'C']) await create(tenant, name);
  const list = (query: Parameters<typeof pageRequest>[0], filter: Parameters<typeof listPools>[2] = {}) =>
    listPools(database.sql, tenant, filter, pageRequest(query));
  const first = await list({ limit: 2 });
  expect(first.data.map((pool) => pool.name)).toEqual(['C', 'B']);
  const second = await list({ limit: 2, cursor: first.pagination.nextCursor ?? '' });
  expect(second.data.map((pool) => [pool.name, pool.isDefault])).toEqual([['A', true]]);
  expect(second.pagination).toEqual({ limit: 2, nextCursor: null, hasMore: false });
  expect((await list({ page: 2, limit: 1 })).pagination).toMatchObject({ page: 2, total: 3, totalPages: 3 });
  expect((await list({}, { status: 'CLOSED' })).data).toEqual([]);
  expect((await list({}, { status: 'ACTIVE', createdAfter: FIXTURE_TIME.toISOString() })).data).toHaveLength(3);
  expect((await list({}, { createdBefore: FIXTURE_TIME.toISOString() })).data).toEqual([]);
});

test('another partner’s pool, or one of the other environment, is not found', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant);
  const notFound = { code: 'NOT_FOUND' };
  await expect(get(otherEnvironment(tenant), poolId)).rejects.toMatchObject(notFound);
  await expect(get(await newPartner(database.sql), poolId)).rejects.toMatchObject(notFound);
});
