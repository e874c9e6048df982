import { lockBook } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { noSuchPool } from './queries.ts';

/**
 * Closes a pool for good: nothing goes in any more and no action draws from it. What was given out of it can still be taken back, and
 * what is left in it withdrawn. A default pool stays the default, so that actions fail with 402 `NO_ACTIVE_POOL` until another is
 * switched to. Closing a closed pool changes nothing. Throws 404 `NOT_FOUND`.
 */
export async function closePool(tx: Tx, tenant: Tenant & { poolId: string }): Promise<{ balance: number }> {
  const { partnerId, environment, poolId } = tenant;
  const book = await lockBook(tx, { pools: [{ partnerId, id: poolId }] });
  if (book.pools.get(poolId)?.environment !== environment) throw noSuchPool();
  await tx`
    update token_pools set status = 'CLOSED', auto_refill = null
    where partner_id = ${partnerId} and environment = ${environment} and id = ${poolId}`;
  return { balance: book.accounts.get(poolId)?.balance ?? 0 };
}
