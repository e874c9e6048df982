import { type Environment, environments } from '@sirgiving/contract';
import { lockBook, postTransactions } from '../src/ledger/index.ts';
import type { Sql } from '../src/platform/db.ts';
import type { Tenant } from '../src/platform/endpoint.ts';
import { publicId, randomIds } from '../src/platform/ids.ts';
import { createPool, fundPool } from '../src/pools/index.ts';
import { createUser } from '../src/users/create-user.ts';

export const FIXTURE_TIME = new Date('2026-11-24T10:00:00.000Z');

/** A partner of the test's own; its rows never meet those of other tests in the same database. */
export async function newPartner(sql: Sql, environment: Environment = 'sandbox'): Promise<Tenant> {
  const partnerId = randomIds.uuid();
  await sql`
    insert into partners (id, name, slug, status, created_at)
    values (${partnerId}, 'Fixture', ${`fixture-${partnerId}`}, 'ACTIVE', ${FIXTURE_TIME})`;
  return { partnerId, environment };
}

/** The same partner seen through its other environment. */
export function otherEnvironment(tenant: Tenant): Tenant {
  const environment = environments.find((one) => one !== tenant.environment) ?? 'production';
  return { ...tenant, environment };
}

/** Makes a pool and funds it; answers its row id. */
export async function newPool(sql: Sql, tenant: Tenant, tokens = 1_000, name = 'Main'): Promise<string> {
  return sql.begin(async (tx) => {
    const { poolId } = await createPool(tx, randomIds, { ...tenant, name }, FIXTURE_TIME);
    if (tokens > 0) await fundPool(tx, randomIds, { ...tenant, poolId, tokens }, FIXTURE_TIME);
    return poolId;
  });
}

/** Makes a user; answers its row id. */
export async function newUser(sql: Sql, tenant: Tenant, externalUserId: string, now = FIXTURE_TIME): Promise<string> {
  await sql.begin((tx) => createUser(tx, randomIds, tenant, { externalUserId }, now));
  const [user] = await sql<{ id: string }[]>`
    select id from partner_users
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and external_user_id = ${externalUserId}`;
  return user?.id ?? '';
}

interface Reward {
  poolId: string;
  userId: string;
  tokens: number;
  actionId?: string;
  now?: Date;
}

/** Pays a user out of a pool, by the ledger alone; answers the public id of the transaction. */
export async function newReward(sql: Sql, tenant: Tenant, reward: Reward): Promise<string> {
  const { poolId, userId, tokens, actionId, now = FIXTURE_TIME } = reward;
  const id = randomIds.uuid();
  await sql.begin(async (tx) => {
    const { partnerId } = tenant;
    const book = await lockBook(tx, { pools: [{ partnerId, id: poolId }], users: [{ partnerId, id: userId }] });
    const entries = [
      { accountId: poolId, amount: -tokens },
      { accountId: userId, amount: tokens },
    ];
    const draft = { ...tenant, id, kind: 'REWARD', poolId, tokens, userId, entries } as const;
    await postTransactions(tx, book, [actionId === undefined ? draft : { ...draft, actionId }], now);
  });
  return publicId('txn', id);
}
