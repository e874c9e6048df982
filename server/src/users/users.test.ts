import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIXTURE_TIME, newPartner, newPool, newReward, newUser, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { randomIds } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { createUser } from './create-user.ts';
import { getUser, listUsers, readBalance } from './queries.ts';
import { updateUser } from './update-user.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const LATER = new Date('2026-11-24T11:00:00.000Z');
const jane = {
  externalUserId: 'user_42',
  email: 'jane@example.com',
  firstName: 'Jane',
  lastName: 'Doe',
  metadata: { tier: 'gold', visits: 3, member: true },
};

const create = (tenant: Tenant, user: Parameters<typeof createUser>[3], now = FIXTURE_TIME) =>
  database.sql.begin((tx) => createUser(tx, randomIds, tenant, user, now));
const patch = (tenant: Tenant, id: string, changes: Parameters<typeof updateUser>[3]) =>
  database.sql.begin((tx) => updateUser(tx, tenant, id, changes, LATER));
const eventsOf = (tenant: Tenant) => database.sql`
  select type, data, position from events where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} order by position`;

test('a created user has what was sent, an empty account and one event', async () => {
  const tenant = await newPartner(database.sql);
  const user = await create(tenant, jane);
  expect(user).toEqual({
    ...jane,
    id: expect.stringMatching(/^usr_[0-7][0-9a-z]{25}$/),
    createdAt: FIXTURE_TIME.toISOString(),
    updatedAt: FIXTURE_TIME.toISOString(),
  });
  expect(await getUser(database.sql, tenant, 'user_42')).toEqual(user);
  expect(await eventsOf(tenant)).toEqual([{ type: 'user.created', data: user, position: 1 }]);
  expect(await readBalance(database.sql, tenant, 'user_42', LATER)).toEqual({
    externalUserId: 'user_42',
    available: 0,
    pending: 0,
    lifetimeEarned: 0,
    lifetimeReversed: 0,
    lifetimeRedeemed: 0,
    asOf: LATER.toISOString(),
  });
});

test('a user whose fields are not known shows none of them', async () => {
  const tenant = await newPartner(database.sql);
  const user = await create(tenant, { externalUserId: 'bare' });
  expect(Object.keys(user).sort()).toEqual(['createdAt', 'externalUserId', 'id', 'metadata', 'updatedAt']);
});

test('an externalUserId exists once, also when ten requests create it at once', async () => {
  const tenant = await newPartner(database.sql);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () => create(tenant, { externalUserId: 'one' })),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason.code);
  expect(refused).toEqual(Array.from({ length: 9 }, () => 'USER_EXISTS'));
  expect(await eventsOf(tenant)).toHaveLength(1);
});

test('partners and environments have users of their own under the same externalUserId', async () => {
  const first = await newPartner(database.sql);
  const others = [otherEnvironment(first), await newPartner(database.sql)];
  await create(first, jane);
  for (const other of others) {
    const notFound = { code: 'NOT_FOUND' };
    await expect(getUser(database.sql, other, 'user_42')).rejects.toMatchObject(notFound);
    await expect(readBalance(database.sql, other, 'user_42', LATER)).rejects.toMatchObject(notFound);
    await expect(patch(other, 'user_42', { firstName: 'Mallory' })).rejects.toMatchObject(notFound);
    await expect(patch(other, 'user_42', {})).rejects.toMatchObject(notFound);
    expect((await listUsers(database.sql, other, {}, { limit: 20 })).data).toEqual([]);
    await create(other, { externalUserId: 'user_42', firstName: 'Other' });
  }
  expect((await getUser(database.sql, first, 'user_42')).firstName).toBe('Jane');
});

test('a patch changes what it names, null clears, and metadata is replaced as a whole', async () => {
  const tenant = await newPartner(database.sql);
  const created = await create(tenant, jane);
  const patched = await patch(tenant, 'user_42', { firstName: 'Janet', email: null, metadata: { tier: 'silver' } });
  const { email: _cleared, ...rest } = created;
  expect(patched).toEqual({
    ...rest,
    firstName: 'Janet',
    metadata: { tier: 'silver' },
    updatedAt: LATER.toISOString(),
  });
  expect(await getUser(database.sql, tenant, 'user_42')).toEqual(patched);
});

test('a patch that names nothing changes nothing', async () => {
  const tenant = await newPartner(database.sql);
  const created = await create(tenant, jane);
  expect(await patch(tenant, 'user_42', {})).toEqual(created);
});

test('metadata comes back as it was sent, whatever its keys are', async () => {
  const tenant = await newPartner(database.sql);
  const metadata = JSON.parse(
    '{"__proto__":"x","constructor":1,"ü 😀":"line\\nbreak","small":1e-7,"big":1e300,"":"empty"}',
  );
  await create(tenant, { externalUserId: 'odd', metadata });
  const read = (await getUser(database.sql, tenant, 'odd')).metadata;
  expect(Object.entries(read).sort()).toEqual(Object.entries(metadata).sort());
});

test('a list by cursor gives every user once, newest first, also when users are added meanwhile', async () => {
  const tenant = await newPartner(database.sql);
  for (let number = 1; number <= 7; number++) await newUser(database.sql, tenant, `user_${number}`);
  const seen: string[] = [];
  let query: { limit: number; cursor?: string } = { limit: 3 };
  for (;;) {
    const page = await listUsers(database.sql, tenant, {}, pageRequest(query));
    seen.push(...page.data.map((user) => user.externalUserId));
    expect(page.pagination.hasMore).toBe(page.pagination.nextCursor !== null);
    if (page.pagination.nextCursor === null) break;
    await newUser(database.sql, tenant, `late_${seen.length}`);
    query = { limit: 3, cursor: page.pagination.nextCursor };
  }
  expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1].map((number) => `user_${number}`));
});

test('a list by page counts', async () => {
  const tenant = await newPartner(database.sql);
  for (let number = 1; number <= 5; number++) await newUser(database.sql, tenant, `user_${number}`);
  const page = await listUsers(database.sql, tenant, {}, pageRequest({ page: 2, limit: 2 }));
  expect(page.data.map((user) => user.externalUserId)).toEqual(['user_3', 'user_2']);
  expect(page.pagination).toEqual({
    limit: 2,
    nextCursor: expect.any(String),
    hasMore: true,
    page: 2,
    total: 5,
    totalPages: 3,
  });
  const beyond = await listUsers(database.sql, tenant, {}, pageRequest({ page: 9, limit: 2 }));
  expect(beyond.pagination).toMatchObject({ hasMore: false, total: 5, totalPages: 3 });
});

test('search finds by the beginning, literally', async () => {
  const tenant = await newPartner(database.sql);
  const ids = ['a', 'ab', 'ab%', 'ab\u{10ffff}', 'aB', 'b', 'a_b', 'ab😀', `ab${'\u{10ffff}'.repeat(253)}`, 'äb'];
  for (const id of ids) await newUser(database.sql, tenant, id);
  for (const search of ['a', 'ab', 'ab%', 'a_', 'ä', 'AB', 'ab\u{10ffff}', 'c']) {
    const found = (await listUsers(database.sql, tenant, { search }, { limit: 20 })).data;
    const wanted = ids.filter((id) => id.startsWith(search)).reverse();
    expect(found.map((user) => user.externalUserId)).toEqual(wanted);
  }
  const counted = await listUsers(database.sql, tenant, { search: 'ab' }, pageRequest({ page: 1 }));
  expect(counted.pagination.total).toBe(5);
});

test('createdAfter takes its own instant in, createdBefore leaves it out', async () => {
  const tenant = await newPartner(database.sql);
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  for (const second of [0, 1, 2]) await newUser(database.sql, tenant, `at_${second}`, at(second));
  const within = async (window: { createdAfter?: string; createdBefore?: string }) =>
    (await listUsers(database.sql, tenant, window, { limit: 20 })).data.map((user) => user.externalUserId);
  expect(await within({ createdAfter: at(1).toISOString() })).toEqual(['at_2', 'at_1']);
  expect(await within({ createdBefore: at(1).toISOString() })).toEqual(['at_0']);
  expect(await within({ createdAfter: '2026-01-01T02:00:01+02:00', createdBefore: at(2).toISOString() })).toEqual([
    'at_1',
  ]);
  expect(
    await within({ createdAfter: '0001-01-01T00:00:00+23:59', createdBefore: '9999-12-31T23:59:59-23:59' }),
  ).toHaveLength(3);
  await expect(within({ createdAfter: '2016-12-31T23:59:60Z' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

test('the balance follows the ledger', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant);
  const userId = await newUser(database.sql, tenant, 'earner');
  await newReward(database.sql, tenant, { poolId, userId, tokens: 50 });
  await newReward(database.sql, tenant, { poolId, userId, tokens: 7 });
  expect(await readBalance(database.sql, tenant, 'earner', LATER)).toMatchObject({ available: 57, lifetimeEarned: 57 });
});
