import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPartner, newReward, newUser } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { createPool, fundPool } from './index.ts';
import { getPool } from './queries.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NOW = new Date('2026-11-24T10:00:00.000Z');
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000);

async function poolOfAge(tenant: Tenant, days: number) {
  const { poolId } = await database.sql.begin((tx) =>
    createPool(tx, randomIds, { ...tenant, name: 'Main' }, daysAgo(days)),
  );
  const userId = await newUser(database.sql, tenant, 'jane', daysAgo(days));
  return {
    fund: (tokens: number, at: number) =>
      database.sql.begin((tx) => fundPool(tx, randomIds, { ...tenant, poolId, tokens }, daysAgo(at))),
    reward: (tokens: number, at: number) =>
      newReward(database.sql, tenant, { poolId, userId, tokens, now: daysAgo(at) }),
    runway: async () => (await getPool(database.sql, tenant, publicId('pool', poolId), NOW)).runway,
  };
}

test('the runway is what was given out in 7 and in 28 days, whatever was put in between, at the faster of the two', async () => {
  const pool = await poolOfAge(await newPartner(database.sql), 60);
  await pool.fund(10_000, 60);
  for (let day = 59; day > 28; day--) await pool.reward(9, day);
  for (let day = 28; day > 7; day--) await pool.reward(10, day - 0.01);
  await pool.fund(500, 6.5);
  await pool.reward(140, 3);
  await pool.fund(500, 2);
  await pool.reward(70, 0.1);
  const balance = 11_000 - 31 * 9 - 21 * 10 - 210;
  expect(await pool.runway()).toEqual({
    tokensPerDay: { last7Days: 30, last28Days: 15 },
    daysLeft: Math.round((balance / 30) * 10) / 10,
  });
});

test('a young pool is judged by its age, one that gave nothing has no end', async () => {
  const young = await poolOfAge(await newPartner(database.sql), 2);
  await young.fund(1_000, 2);
  await young.reward(100, 1);
  expect(await young.runway()).toEqual({ tokensPerDay: { last7Days: 50, last28Days: 50 }, daysLeft: 18 });
  const idle = await poolOfAge(await newPartner(database.sql), 40);
  expect(await idle.runway()).toEqual({ tokensPerDay: { last7Days: 0, last28Days: 0 }, daysLeft: null });
  await idle.fund(100, 40);
  expect(await idle.runway()).toEqual({ tokensPerDay: { last7Days: 0, last28Days: 0 }, daysLeft: null });
});
