import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { allocateTokens, PoolFundingRefused } from './allocate-tokens.ts';

export interface FundedPool {
  transactionId: string;
  /** The pool's balance after it, in whole tokens. */
  balance: number;
}

/**
 * Allocates whole tokens to a pool of the sandbox: `issuance` falls, the pool rises, `token_pool.funded` tells of it. Throws
 * PoolFundingRefused for production data (`approvePoolRequest` is the only way there), an unknown or closed pool, and an amount that is
 * no whole number above 0 or would leave the exact integers.
 */
export async function fundPool(
  tx: Tx,
  ids: Ids,
  allocation: Tenant & { poolId: string; tokens: number },
  now: Date,
): Promise<FundedPool> {
  if (allocation.environment === 'production') throw new PoolFundingRefused('notApproved');
  const { partnerId, environment, poolId, tokens } = allocation;
  const wanted = { partnerId, environment, poolId, tokens };
  const { events, ...funded } = await allocateTokens(tx, ids, wanted, now);
  await recordEvents(tx, events);
  return funded;
}
