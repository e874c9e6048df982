import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPartner, newPool, newReward, newUser, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { connect } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { readBalance } from './queries.ts';
import { type RedemptionRequest, redeemTokens } from './redeem-tokens.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NOW = new Date('2026-11-24T12:00:00.000Z');

/** A tenant with one user, `user_1`, who has that many tokens. */
async function tenantWithTokens(tokens: number) {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant);
  const userId = await newUser(database.sql, tenant, 'user_1');
  if (tokens > 0) await newReward(database.sql, tenant, { poolId, userId, tokens });
  return { tenant, poolId, userId };
}

const ask = (tokens: number, idempotencyKey: string, more: Partial<RedemptionRequest> = {}) => ({
  externalUserId: 'user_1',
  tokens,
  idempotencyKey,
  ...more,
});
const redeem = (tenant: Tenant, request: RedemptionRequest, sql = database.sql) =>
  redeemTokens({ sql, ids: randomIds }, tenant, request, NOW);
const balance = (tenant: Tenant) => readBalance(database.sql, tenant, 'user_1', NOW);
const written = async ({ partnerId }: Tenant) => {
  const [counts] = await database.sql`
    select (select count(*) from redemptions where partner_id = ${partnerId}) as redemptions,
      (select count(*) from ledger_transactions where partner_id = ${partnerId} and kind = 'REDEMPTION') as transactions,
      (select count(*) from events where partner_id = ${partnerId} and type = 'reward.redeemed') as events`;
  return counts;
};

/** I1, I2, I3 and the links of the chain, for what these tests wrote. */
async function expectSoundBook({ partnerId }: Tenant) {
  const unbalanced = await database.sql`
    select transaction_id from ledger_entries where partner_id = ${partnerId} group by transaction_id having sum(amount) <> 0`;
  const drifted = await database.sql`
    select a.id from ledger_accounts a left join ledger_entries e on e.partner_id = ${partnerId} and e.account_id = a.id
    where a.partner_id = ${partnerId} group by a.id, a.balance having a.balance <> coalesce(sum(e.amount), 0)`;
  const positions = await database.sql`select position from events where partner_id = ${partnerId} order by position`;
  expect([...unbalanced, ...drifted]).toEqual([]);
  expect(positions.map((row) => row.position)).toEqual(positions.map((_row, index) => index + 1));
}

test('a redemption takes the tokens once and tells of it', async () => {
  const { tenant, poolId, userId } = await tenantWithTokens(50);
  const { redemption, replayed } = await redeem(tenant, ask(20, 'r1', { reference: 'order 7' }));
  expect(replayed).toBe(false);
  expect(redemption).toEqual({
    id: expect.stringMatching(/^rdm_/),
    externalUserId: 'user_1',
    tokens: 20,
    idempotencyKey: 'r1',
    reference: 'order 7',
    transactionIds: [expect.stringMatching(/^txn_/)],
    createdAt: NOW.toISOString(),
  });
  expect(await balance(tenant)).toMatchObject({ available: 30, lifetimeEarned: 50, lifetimeRedeemed: 20 });
  const events = await database.sql`
    select type, data from events where partner_id = ${tenant.partnerId} and created_at = ${NOW} order by position`;
  const { id: redemptionId, ...told } = redemption;
  const [transactionId] = redemption.transactionIds;
  expect(events).toEqual([
    {
      type: 'transaction.completed',
      data: {
        transactionId,
        kind: 'REDEMPTION',
        tokens: -20,
        externalUserId: 'user_1',
        poolId: publicId('pool', poolId),
      },
    },
    { type: 'reward.redeemed', data: { redemptionId, ...told, available: 30 } },
  ]);
  const [row] = await database.sql`
    select kind, tokens, pool_id, user_id, redemption_id is not null as linked from ledger_transactions
    where partner_id = ${tenant.partnerId} and kind = 'REDEMPTION'`;
  expect(row).toEqual({ kind: 'REDEMPTION', tokens: -20, pool_id: poolId, user_id: userId, linked: true });
  await expectSoundBook(tenant);
});

test('the same request again gives the first answer, also when the balance is gone', async () => {
  const { tenant } = await tenantWithTokens(10);
  const first = await redeem(tenant, ask(10, 'r1'));
  const again = await redeem(tenant, ask(10, 'r1'));
  expect(again).toEqual({ redemption: first.redemption, replayed: true });
  expect(await written(tenant)).toEqual({ redemptions: 1, transactions: 1, events: 1 });
});

test('another request with the same key is 422 and names what differs', async () => {
  const { tenant } = await tenantWithTokens(50);
  await newUser(database.sql, tenant, 'user_2');
  await redeem(tenant, ask(10, 'r1', { reference: 'a' }));
  const pathsOf = async (request: RedemptionRequest) => {
    const error = await redeem(tenant, request).catch((thrown) => thrown);
    expect(error.code).toBe('IDEMPOTENCY_KEY_REUSED');
    return error.options.errors.map((one: { path: string }) => one.path);
  };
  expect(await pathsOf(ask(11, 'r1', { reference: 'a' }))).toEqual(['/tokens']);
  expect(await pathsOf(ask(10, 'r1'))).toEqual(['/reference']);
  expect(await pathsOf(ask(12, 'r1', { externalUserId: 'user_2' }))).toEqual(['externalId', '/tokens', '/reference']);
});

test('a refused request writes nothing and uses no key up', async () => {
  const { tenant, poolId, userId } = await tenantWithTokens(10);
  await expect(redeem(tenant, ask(11, 'r1'))).rejects.toMatchObject({ code: 'INSUFFICIENT_BALANCE' });
  await expect(redeem(tenant, ask(1, 'r2', { externalUserId: 'nobody' }))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await written(tenant)).toEqual({ redemptions: 0, transactions: 0, events: 0 });
  await newReward(database.sql, tenant, { poolId, userId, tokens: 5 });
  expect((await redeem(tenant, ask(15, 'r1'))).replayed).toBe(false);
  expect((await redeem(tenant, ask(15, 'r1'))).replayed).toBe(true);
});

test('50 redemptions at once of a balance of 10 spend exactly 10', async () => {
  const { tenant } = await tenantWithTokens(10);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) => redeem(tenant, ask(1, `r${index}`))),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(10);
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason.code);
  expect(new Set(refused)).toEqual(new Set(['INSUFFICIENT_BALANCE']));
  expect(await balance(tenant)).toMatchObject({ available: 0, lifetimeRedeemed: 10 });
  expect(await written(tenant)).toEqual({ redemptions: 10, transactions: 10, events: 10 });
  await expectSoundBook(tenant);
});

test('50 times the same request at once is one redemption and one answer', async () => {
  const { tenant } = await tenantWithTokens(100);
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => redeem(tenant, ask(10, 'same'))));
  expect(new Set(outcomes.map((outcome) => outcome.redemption.id)).size).toBe(1);
  expect(outcomes.filter((outcome) => !outcome.replayed)).toHaveLength(1);
  expect(await balance(tenant)).toMatchObject({ available: 90 });
  await expectSoundBook(tenant);
});

test('two bodies with one key at once: one is done, the other is 422', async () => {
  const { tenant } = await tenantWithTokens(100);
  const outcomes = await Promise.allSettled([redeem(tenant, ask(10, 'k')), redeem(tenant, ask(20, 'k'))]);
  expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  expect(refused?.reason.code).toBe('IDEMPOTENCY_KEY_REUSED');
});

test('a closed default pool still redeems; no pool at all is 402', async () => {
  const { tenant, poolId } = await tenantWithTokens(10);
  await database.sql`update token_pools set status = 'CLOSED' where partner_id = ${tenant.partnerId} and id = ${poolId}`;
  expect((await redeem(tenant, ask(10, 'r1'))).redemption.tokens).toBe(10);
  const poor = await newPartner(database.sql);
  await newUser(database.sql, poor, 'user_1');
  await expect(redeem(poor, ask(1, 'r1'))).rejects.toMatchObject({ code: 'NO_ACTIVE_POOL' });
});

test('keys and users of other partners and environments never meet', async () => {
  const { tenant } = await tenantWithTokens(10);
  const { tenant: stranger } = await tenantWithTokens(10);
  await redeem(tenant, ask(1, 'r1'));
  expect((await redeem(stranger, ask(2, 'r1'))).replayed).toBe(false);
  await expect(redeem(otherEnvironment(tenant), ask(1, 'r1'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a debt cannot be redeemed further', async () => {
  const { tenant, userId } = await tenantWithTokens(10);
  await database.sql`
    update ledger_accounts set balance = -5, debt_allowed = 5 where partner_id = ${tenant.partnerId} and id = ${userId}`;
  await expect(redeem(tenant, ask(1, 'r1'))).rejects.toMatchObject({ code: 'INSUFFICIENT_BALANCE' });
});

test('a database that is gone is 503 with Retry-After, and the process goes on when it is back', async () => {
  const { tenant } = await tenantWithTokens(10);
  const sql = connect(database.url, { max: 1, applicationName: 'sir-test-cut' });
  const cut = database.sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sir-test-cut' and state <> 'idle'`;
  // The pool row is held by someone else, so that the redemption waits inside its transaction while its connection is cut.
  const outcome = await database.sql.begin(async (tx) => {
    await tx`select 1 from token_pools where partner_id = ${tenant.partnerId} for update`;
    const waiting = redeem(tenant, ask(1, 'r1'), sql).catch((thrown) => thrown);
    await expect
      .poll(
        async () =>
          (
            await database.sql`select 1 from pg_stat_activity where application_name = 'sir-test-cut' and wait_event_type = 'Lock'`
          ).length,
      )
      .toBe(1);
    await cut;
    return waiting;
  });
  expect(outcome).toMatchObject({ code: 'UNAVAILABLE', options: { headers: { 'Retry-After': '1' } } });
  // The driver gives a session's end a second time, to the first statement of the next session.
  await sql`select 1`.catch(() => {});
  for (const number of [1, 2, 3]) expect((await redeem(tenant, ask(1, `after${number}`), sql)).replayed).toBe(false);
  expect(await balance(tenant)).toMatchObject({ available: 7 });
  await sql.end({ timeout: 1 });
  await expectSoundBook(tenant);
});

test('a database that hangs is 503 within 5 s, and what was given up is not done later', async () => {
  const { tenant } = await tenantWithTokens(10);
  const startedAt = performance.now();
  await database.sql.begin(async (tx) => {
    await tx`select 1 from token_pools where partner_id = ${tenant.partnerId} for update`;
    await expect(redeem(tenant, ask(1, 'r1'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await redeem(tenant, ask(2, 'r2'));
  expect(await written(tenant)).toEqual({ redemptions: 1, transactions: 1, events: 1 });
  expect(await balance(tenant)).toMatchObject({ available: 8 });
});
