import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { allocateTokens, asPoolProblem } from './allocate-tokens.ts';
import { createPool } from './create-pool.ts';
import type { PoolRequest } from './pool-request.ts';
import { findDefaultPoolId } from './queries.ts';

const DEFAULT_POOL_NAME = 'Main pool';
const MAX_POOLS = 50;

/**
 * Allocates what was approved and closes the request, all in the caller's transaction: creates the pool where there is none, posts the
 * ALLOCATION that names the request, records `token_pool.request.approved`, `token_pool.funded` and what follows. `approved` carries
 * the identities that stand behind it; the database refuses production data without them. Throws 409 `POOL_CLOSED`, 409
 * `LIMIT_REACHED`.
 */
export async function fulfilRequest(
  tx: Tx,
  ids: Ids,
  approved: PoolRequest & { approvedTokens: number },
  now: Date,
): Promise<PoolRequest> {
  const { partnerId, environment, id, approvedTokens: tokens } = approved;
  const poolId = approved.poolId ?? (await poolFor(tx, ids, approved, now));
  const { transactionId, events } = await allocateTokens(
    tx,
    ids,
    { partnerId, environment, poolId, tokens, requestId: id },
    now,
  ).catch((error: unknown) => {
    throw asPoolProblem(error);
  });
  const done = await tx`
    update token_pool_requests
    set status = 'APPROVED', pool_id = ${poolId}, approved_tokens = ${tokens}, transaction_id = ${transactionId}, decided_at = ${now}
    where partner_id = ${partnerId} and environment = ${environment} and id = ${id} and status = 'PENDING'`;
  if (done.count !== 1) throw new Error(`request ${id} changed under its lock`);
  const data = {
    requestId: publicId('preq', id),
    poolId: publicId('pool', poolId),
    tokens: approved.tokens,
    approvedTokens: tokens,
    transactionId: publicId('txn', transactionId),
  };
  const told = { partnerId, environment, id: ids.uuid(), type: 'token_pool.request.approved', createdAt: now } as const;
  await recordEvents(tx, [{ ...told, data }, ...events]);
  return { ...approved, status: 'APPROVED', poolId, transactionId, decidedAt: now };
}

/** The pool of a request that names none: a new one where it has a name for it, else the default pool, made where there is none. */
async function poolFor(tx: Tx, ids: Ids, { poolName, ...tenant }: PoolRequest, now: Date): Promise<string> {
  const { partnerId, environment } = tenant;
  if (poolName !== null) return newPool(tx, ids, { partnerId, environment, name: poolName }, now);
  const found = await findDefaultPoolId(tx, tenant);
  if (found !== undefined) return found;
  // Two requests at once would both find none: the partner's row makes them take turns.
  await tx`select from partners where id = ${partnerId} for no key update`;
  const madeMeanwhile = await findDefaultPoolId(tx, tenant);
  return madeMeanwhile ?? newPool(tx, ids, { partnerId, environment, name: DEFAULT_POOL_NAME }, now);
}

async function newPool(tx: Tx, ids: Ids, pool: Tenant & { name: string }, now: Date): Promise<string> {
  const { partnerId, environment } = pool;
  const [row] = await tx<{ count: number }[]>`
    select count(*) as count from token_pools
    where partner_id = ${partnerId} and environment = ${environment} and status = 'ACTIVE'`;
  if ((row?.count ?? 0) >= MAX_POOLS) {
    throw problem(
      'LIMIT_REACHED',
      `There are ${MAX_POOLS} active token pools in this environment; more are not possible.`,
    );
  }
  return (await createPool(tx, ids, pool, now)).poolId;
}
