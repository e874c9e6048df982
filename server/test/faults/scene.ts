import { randomBytes } from 'node:crypto';
import type { SubmitAction } from '@sirgiving/contract';
import { createKey, createPartner, type IssuedKey } from '../../src/partners/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Sql } from '../../src/platform/db.ts';
import type { Tenant } from '../../src/platform/endpoint.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { createSecretBox } from '../../src/platform/secret-box.ts';
import { createPool, fundPool } from '../../src/pools/index.ts';

/** A partner with keys; `poolId` is the row id of its default pool, undefined where there is none. */
export interface ScenePartner extends Tenant {
  keys: IssuedKey;
  poolId: string | undefined;
}

export const newMasterKey = () => randomBytes(32).toString('hex');

/** A partner of the sandbox, with a default pool of so many tokens; 0 for no pool. */
export async function newScenePartner(sql: Sql, masterKey: string, poolTokens: number): Promise<ScenePartner> {
  const createdAt = systemClock.now();
  const environment = 'sandbox';
  const made = await sql.begin(async (tx) => {
    const wanted = { name: 'Under test', status: 'ACTIVE', createdAt } as const;
    const { id: partnerId } = await createPartner(tx, randomIds, wanted);
    const box = createSecretBox(masterKey);
    const keys = await createKey(tx, randomIds, box, { partnerId, environment, name: 'Test', createdAt });
    return { partnerId, keys };
  });
  const partner = { ...made, environment, poolId: undefined } as const;
  return poolTokens === 0 ? partner : { ...partner, poolId: await addPool(sql, partner, poolTokens) };
}

/** Opens the partner's default pool and funds it; answers its row id. */
export async function addPool(sql: Sql, { partnerId, environment }: Tenant, tokens: number): Promise<string> {
  const { poolId } = await sql.begin((tx) =>
    createPool(tx, randomIds, { partnerId, environment, name: 'Main' }, systemClock.now()),
  );
  await addTokens(sql, { partnerId, environment }, poolId, tokens);
  return poolId;
}

/** Allocates tokens to a pool, as an operator does. */
export async function addTokens(sql: Sql, tenant: Tenant, poolId: string, tokens: number): Promise<void> {
  const { partnerId, environment } = tenant;
  await sql.begin((tx) => fundPool(tx, randomIds, { partnerId, environment, poolId, tokens }, systemClock.now()));
}

/** A purchase of so many dollars, which is as many tokens. */
export function purchase(idempotencyKey: string, users: readonly string[], amount = 1): SubmitAction {
  return {
    idempotencyKey,
    actionType: 'PURCHASE',
    amount,
    currency: 'USD',
    stakeholders: users.map((partnerUserId) => ({ stakeholderTypeCode: 'CUSTOMER', partnerUserId })),
  };
}

/** Purchases with keys of their own, for users of whom every fourth is new. */
export function purchases(prefix: string): () => SubmitAction {
  let count = 0;
  return () => {
    count += 1;
    const user = count % 4 === 0 ? `${prefix}-user-${count}` : `user-${count % 50}`;
    return purchase(`${prefix}-${count}`, [user]);
  };
}
