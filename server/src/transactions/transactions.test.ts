import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPartner, newPool, newReward, newUser, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds, rowId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { getTransaction, listPoolTransactions, listTransactions, listUserTransactions } from './queries.ts';

let database: TestDatabase;
let tenant: Tenant;
let pools: { main: string; second: string };
/** Public ids, in the order in which they were written. */
let rewards: string[];
let actionId: string;

const at = (minute: number) => new Date(Date.UTC(2026, 10, 25, 10, minute));

/** An action as the ledger's reader knows it: what it wrote, and what took it back. */
async function newAction(owner: Tenant, id: string, rewardIds: string[], reversedIds: string[]) {
  const { partnerId, environment } = owner;
  const distributions = [...rewardIds, null].map((transactionId) => ({ tokens: 1, transactionId }));
  await database.sql`
    insert into actions (partner_id, id, environment, source, idempotency_key, fingerprint_version, fingerprint,
      fingerprint_leaves, status, action_type, metadata, stakeholders, distributions, evaluator_version, trace, created_at, updated_at)
    values (${partnerId}, ${id}, ${environment}, 'api', ${id}, 1, '', '{}', 'REVERSED', 'PURCHASE', '{}', '[]',
      ${database.sql.json(distributions)}, 1, '{}', ${at(0)}, ${at(0)})`;
  await database.sql`
    insert into reversals (partner_id, id, environment, action_id, fingerprint, reason, mode, tokens, debt, transaction_ids, answer, created_at)
    values (${partnerId}, ${randomIds.uuid()}, ${environment}, ${id}, '', 'returned', 'negative', 1, 0, ${reversedIds}::uuid[], '{}', ${at(0)})`;
}

beforeAll(async () => {
  database = await createTestDatabase();
  const { sql } = database;
  tenant = await newPartner(sql);
  pools = { main: await newPool(sql, tenant, 1_000), second: await newPool(sql, tenant, 1_000, 'Second') };
  const jane = await newUser(sql, tenant, 'jane');
  const joe = await newUser(sql, tenant, 'joe');
  const action = randomIds.uuid();
  actionId = publicId('act', action);
  rewards = [
    await newReward(sql, tenant, { poolId: pools.main, userId: jane, tokens: 10, actionId: action, now: at(1) }),
    await newReward(sql, tenant, { poolId: pools.second, userId: joe, tokens: 20, now: at(2) }),
    await newReward(sql, tenant, { poolId: pools.main, userId: joe, tokens: 30, now: at(3) }),
    await newReward(sql, tenant, { poolId: pools.main, userId: jane, tokens: 40, now: at(4) }),
  ];
  const rows = rewards.map((id) => rowId('txn', id) ?? '');
  await newAction(tenant, action, rows.slice(0, 1), rows.slice(3));
});
afterAll(() => database.drop());

type Filter = Parameters<typeof listTransactions>[2];
const list = async (filter: Filter, owner = tenant) =>
  (await listTransactions(database.sql, owner, filter, { limit: 20 })).data.map((row) => row.id);
const reward = (...numbers: number[]) => numbers.map((number) => rewards[number]);

test('a transaction names its user, action and pool', async () => {
  expect(await getTransaction(database.sql, tenant, rewards[0] ?? '')).toEqual({
    id: rewards[0],
    kind: 'REWARD',
    tokens: 10,
    externalUserId: 'jane',
    actionId,
    actionType: 'PURCHASE',
    poolId: publicId('pool', pools.main),
    createdAt: at(1).toISOString(),
  });
});

test('an allocation has neither user nor action', async () => {
  const [allocation] = (await listTransactions(database.sql, tenant, { kind: 'ALLOCATION' }, { limit: 1 })).data;
  expect(allocation).toEqual({
    id: expect.stringMatching(/^txn_/),
    kind: 'ALLOCATION',
    tokens: 1_000,
    poolId: publicId('pool', pools.second),
    createdAt: expect.any(String),
  });
});

test('each filter finds what it names, and filters are joined by "and"', async () => {
  expect(await list({ kind: 'REWARD' })).toEqual(reward(3, 2, 1, 0));
  expect(await list({ externalUserId: 'joe' })).toEqual(reward(2, 1));
  expect(await list({ poolId: publicId('pool', pools.second), kind: 'REWARD' })).toEqual(reward(1));
  expect(await list({ externalUserId: 'joe', poolId: publicId('pool', pools.main) })).toEqual(reward(2));
  expect(await list({ createdAfter: at(2).toISOString(), createdBefore: at(4).toISOString() })).toEqual(reward(2, 1));
  expect(await list({ kind: 'REVERSAL' })).toEqual([]);
});

test('an action’s transactions are its rewards and what its reversals wrote', async () => {
  expect(await list({ actionId })).toEqual(reward(3, 0));
  expect(await list({ actionId, externalUserId: 'joe' })).toEqual([]);
  expect(await list({ actionId, createdBefore: at(2).toISOString() })).toEqual(reward(0));
});

test('an id that is nobody’s finds nothing, also by page', async () => {
  const unknown: Filter[] = [
    { externalUserId: 'nobody' },
    { actionId: publicId('act', randomIds.uuid()) },
    { poolId: publicId('pool', randomIds.uuid()) },
  ];
  for (const filter of unknown) {
    expect(await list(filter)).toEqual([]);
    const page = await listTransactions(database.sql, tenant, filter, pageRequest({ page: 1 }));
    expect(page.pagination).toEqual({ limit: 20, nextCursor: null, hasMore: false, page: 1, total: 0, totalPages: 0 });
  }
});

test('other partners and the other environment see nothing of it', async () => {
  for (const stranger of [await newPartner(database.sql), otherEnvironment(tenant)]) {
    await newUser(database.sql, stranger, 'jane');
    const notFound = { code: 'NOT_FOUND' };
    expect(await list({}, stranger)).toEqual([]);
    expect(await list({ externalUserId: 'jane' }, stranger)).toEqual([]);
    expect(await list({ actionId }, stranger)).toEqual([]);
    expect(await list({ poolId: publicId('pool', pools.main) }, stranger)).toEqual([]);
    await expect(getTransaction(database.sql, stranger, rewards[0] ?? '')).rejects.toMatchObject(notFound);
    const pool = publicId('pool', pools.main);
    await expect(listPoolTransactions(database.sql, stranger, pool, {}, { limit: 20 })).rejects.toMatchObject(notFound);
    expect((await listUserTransactions(database.sql, stranger, 'jane', {}, { limit: 20 })).data).toEqual([]);
  }
});

test('by cursor every transaction comes once, newest first, also when more are written meanwhile', async () => {
  const owner = await newPartner(database.sql);
  const poolId = await newPool(database.sql, owner);
  const userId = await newUser(database.sql, owner, 'busy');
  const write = () => newReward(database.sql, owner, { poolId, userId, tokens: 1 });
  const wanted: string[] = [];
  for (let count = 0; count < 7; count++) wanted.unshift(await write());
  const lists = [
    (query: { cursor?: string }) =>
      listTransactions(database.sql, owner, { kind: 'REWARD' }, pageRequest({ limit: 3, ...query })),
    (query: { cursor?: string }) =>
      listUserTransactions(database.sql, owner, 'busy', {}, pageRequest({ limit: 3, ...query })),
    (query: { cursor?: string }) =>
      listPoolTransactions(
        database.sql,
        owner,
        publicId('pool', poolId),
        { kind: 'REWARD' },
        pageRequest({ limit: 3, ...query }),
      ),
  ];
  for (const next of lists) {
    const seen: string[] = [];
    let cursor: string | null | undefined;
    const before = [...wanted];
    do {
      const page = await next(typeof cursor === 'string' ? { cursor } : {});
      seen.push(...page.data.map((row) => row.id));
      cursor = page.pagination.nextCursor;
      wanted.unshift(await write());
    } while (cursor !== null);
    expect(seen).toEqual(before);
  }
});

test('a user’s transactions are the user’s only; an unknown user is 404', async () => {
  const page = await listUserTransactions(database.sql, tenant, 'jane', {}, pageRequest({ page: 1 }));
  expect(page.data.map((row) => row.id)).toEqual(reward(3, 0));
  expect(page.pagination).toMatchObject({ total: 2, totalPages: 1 });
  const none = await listUserTransactions(database.sql, tenant, 'jane', { kind: 'REDEMPTION' }, { limit: 20 });
  expect(none.data).toEqual([]);
  await expect(listUserTransactions(database.sql, tenant, 'nobody', {}, { limit: 20 })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a pool’s transactions come by their place in its chain, and are counted', async () => {
  const poolId = publicId('pool', pools.main);
  const ofPool = (query: Parameters<typeof pageRequest>[0], filter: Parameters<typeof listPoolTransactions>[3] = {}) =>
    listPoolTransactions(database.sql, tenant, poolId, filter, pageRequest(query));
  const page = await ofPool({ page: 1, limit: 3 });
  expect(page.data.map((row) => row.id)).toEqual(reward(3, 2, 0));
  expect(page.pagination).toMatchObject({ hasMore: true, total: 4, totalPages: 2 });
  expect((await ofPool({ page: 2, limit: 3 })).data.map((row) => row.kind)).toEqual(['ALLOCATION']);
  expect((await ofPool({ page: 1 }, { kind: 'REWARD' })).pagination.total).toBe(3);
  expect((await ofPool({ page: 1 }, { createdAfter: at(3).toISOString() })).pagination.total).toBe(2);
});

test('a cursor of another list is refused by a pool’s', async () => {
  const cursor = Buffer.from(rowId('txn', rewards[1] ?? '') ?? '').toString('base64url');
  const asked = listPoolTransactions(database.sql, tenant, publicId('pool', pools.main), {}, pageRequest({ cursor }));
  await expect(asked).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
});
