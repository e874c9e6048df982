import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { asPoolProblem, moveTokens } from './allocate-tokens.ts';
import type { FundedPool } from './fund-pool.ts';

/**
 * Takes whole tokens out of a pool, back to the environment's issuance; also out of a closed one. Takes nothing from anybody, so one
 * admin is enough. Throws 404 `NOT_FOUND`, 402 `INSUFFICIENT_POOL`, 400 `INVALID_REQUEST`.
 */
export async function withdrawTokens(
  tx: Tx,
  ids: Ids,
  { partnerId, environment, poolId, tokens }: Tenant & { poolId: string; tokens: number },
  now: Date,
): Promise<FundedPool> {
  try {
    const wanted = { partnerId, environment, poolId, tokens };
    const { events, ...withdrawn } = await moveTokens(tx, ids, 'WITHDRAWAL', wanted, now);
    await recordEvents(tx, events);
    return withdrawn;
  } catch (error) {
    throw asPoolProblem(error);
  }
}
