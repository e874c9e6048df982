import type { UpdateTokenPool } from '@sirgiving/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueue } from '../../test/properties/healthy-book.ts';
import { FIXTURE_TIME, newPartner, newPool, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { submissionOf } from '../actions/submission.ts';
import type { SubmissionQueue } from '../actions/submission-queue.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { closePool, SANDBOX_SELF_APPROVAL_TOKENS } from './index.ts';
import { getPool } from './queries.ts';
import { updatePool } from './update-pool.ts';

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

const patch = (tenant: Tenant, poolId: string, change: UpdateTokenPool) =>
  database.sql.begin((tx) => updatePool(tx, randomIds, tenant, publicId('pool', poolId), change, FIXTURE_TIME));

async function submit(tenant: Tenant, key: string, change: { actionType?: string; currency?: string } = {}) {
  const { result } = await queue.submit(
    submissionOf(
      tenant,
      'api',
      {
        idempotencyKey: key,
        actionType: 'PURCHASE',
        amount: 10,
        currency: 'USD',
        stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane' }],
        ...change,
      },
      randomIds,
    ),
  );
  return result.kind === 'completed'
    ? { poolId: result.answer.poolId, tokens: result.answer.tokensDistributed }
    : { code: result.problem.code };
}

test('what is left out stays, what is sent is replaced as a whole', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1_000, 'Main');
  const autoRefill = { amount: 500, floor: 100, monthlyCeiling: 2_000 };
  const changed = await patch(tenant, poolId, {
    name: 'Spring',
    rates: { EUR: 1.25, USD: 2 },
    restrictions: { actionTypes: ['PURCHASE'] },
    lowBalance: { thresholds: [{ percent: 20 }] },
    autoRefill,
    reprocessFailed: { actions: true },
  });
  expect(changed).toMatchObject({ name: 'Spring', balance: 1_000, reprocessFailed: { actions: true }, autoRefill });
  await patch(tenant, poolId, {});
  const later = await patch(tenant, poolId, { rates: { CHF: 0.5 }, autoRefill: null, restrictions: {} });
  expect(later).toEqual({
    ...changed,
    rates: { CHF: 0.5 },
    restrictions: {},
    autoRefill: undefined,
  });
  expect(later).not.toHaveProperty('autoRefill');
  expect(await getPool(database.sql, tenant, publicId('pool', poolId), FIXTURE_TIME)).toEqual(later);
});

test('rates and restrictions hold from the next action on; an action type that is not allowed is 422 and writes nothing', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 1_000);
  await patch(tenant, poolId, { rates: { EUR: 1.5 }, restrictions: { actionTypes: ['VOLUNTEER', 'DONATION'] } });
  expect(await submit(tenant, 'a')).toEqual({ code: 'ACTION_TYPE_NOT_ALLOWED' });
  expect(await submit(tenant, 'a', { actionType: 'DONATION' })).toEqual({ code: 'UNSUPPORTED_CURRENCY' });
  expect(await submit(tenant, 'a', { actionType: 'DONATION', currency: 'EUR' })).toMatchObject({ tokens: 15 });
  const [rows] = await database.sql`
    select (select count(*) from actions where partner_id = ${tenant.partnerId}) as actions,
      (select count(*) from partner_users where partner_id = ${tenant.partnerId}) as users`;
  expect(rows).toEqual({ actions: 1, users: 1 });
});

test('a switch of the default pool under load moves every action to one pool or the other, whole', async () => {
  const tenant = await newPartner(database.sql);
  const first = await newPool(database.sql, tenant, 10_000, 'First');
  const second = await newPool(database.sql, tenant, 10_000, 'Second');
  const answers = Promise.all(Array.from({ length: 300 }, (_, n) => submit(tenant, `under_load_${n}`)));
  for (const poolId of [second, first, second]) await patch(tenant, poolId, { isDefault: true });
  const pools = (await answers).map(({ poolId }) => poolId);
  expect(pools.filter((id) => id === undefined)).toEqual([]);
  for (const poolId of [first, second]) {
    const { balance, isDefault } = await getPool(database.sql, tenant, publicId('pool', poolId), FIXTURE_TIME);
    expect(balance).toBe(10_000 - 10 * pools.filter((id) => id === publicId('pool', poolId)).length);
    expect(isDefault).toBe(poolId === second);
  }
  expect(await submit(tenant, 'after')).toMatchObject({ poolId: publicId('pool', second) });
});

test('two switches at once leave one default', async () => {
  const tenant = await newPartner(database.sql);
  const pools = await Promise.all(['A', 'B', 'C'].map((name) => newPool(database.sql, tenant, 0, name)));
  for (let round = 0; round < 5; round++) {
    await Promise.all(pools.map((poolId) => patch(tenant, poolId, { isDefault: true }).catch(() => {})));
  }
  const [count] = await database.sql`
    select count(*) filter (where is_default) as defaults from token_pools where partner_id = ${tenant.partnerId}`;
  expect(count).toEqual({ defaults: 1 });
});

test('a pool of somebody else is not found, a closed one does not change', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant);
  const notFound = { code: 'NOT_FOUND' };
  await expect(patch(await newPartner(database.sql), poolId, { name: 'Mine' })).rejects.toMatchObject(notFound);
  await expect(patch(otherEnvironment(tenant), poolId, { name: 'Mine' })).rejects.toMatchObject(notFound);
  await database.sql.begin((tx) => closePool(tx, { ...tenant, poolId }));
  await expect(patch(tenant, poolId, { isDefault: true })).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  expect(await submit(tenant, 'closed')).toEqual({ code: 'NO_ACTIVE_POOL' });
});

test('what the schema cannot say of a change is a 400 that names the place', async () => {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant);
  const live = otherEnvironment(tenant);
  const livePool = await newPool(database.sql, live, 0);
  const refill = { amount: SANDBOX_SELF_APPROVAL_TOKENS + 1, floor: 0, monthlyCeiling: 10_000_000 };
  const refused: [UpdateTokenPool, string][] = [
    [{ rates: { USD: 1.0000001 } }, '/rates/USD'],
    [{ lowBalance: { thresholds: [{ percent: 20 }, {}] } }, '/lowBalance/thresholds/1'],
    [{ lowBalance: { thresholds: [{ percent: 20, tokens: 5 }] } }, '/lowBalance/thresholds/0'],
    [{ lowBalance: { thresholds: [{ percent: 20 }, { percent: 20 }] } }, '/lowBalance/thresholds/1'],
    [{ autoRefill: { amount: 10, floor: 0, monthlyCeiling: 9 } }, '/autoRefill/monthlyCeiling'],
    [{ autoRefill: refill }, '/autoRefill/amount'],
  ];
  for (const [change, path] of refused) {
    await expect(patch(tenant, poolId, change)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      options: { errors: [{ path }] },
    });
  }
  expect(await patch(live, livePool, { autoRefill: refill })).toMatchObject({ autoRefill: refill });
});
