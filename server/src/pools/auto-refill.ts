import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import { lockBook } from '../ledger/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Queryable, Sql } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { filePoolRequest } from './file-pool-request.ts';

export interface AutoRefillDependencies {
  readonly sql: Sql;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Pick<Logger, 'error'>;
}

/** A pool at or below its floor whose month still has room for the amount. */
interface DuePool {
  partnerId: string;
  poolId: string;
  tokens: number;
}

/** A request that was denied is not filed again at once, or an admin would have to deny it every few seconds. */
const WAIT_AFTER_DENIAL_MILLISECONDS = 86_400_000;

/**
 * Refills every pool of the environment that is at or below its floor: in the sandbox at once, in production by a request that waits
 * for its approval. What is due follows from the tables alone: one request at a time, at most the ceiling in a calendar month (UTC),
 * denied ones not counted. Safe in several workers at once: each pool is judged again under its lock. A pool that fails is logged and
 * hurts no other.
 */
export async function refillPools(deps: AutoRefillDependencies): Promise<void> {
  const { sql, environment, clock, ids, log } = deps;
  for (const { partnerId, poolId } of await listDuePools(sql, environment, clock.now())) {
    try {
      await inTransaction(sql, async (tx) => {
        await lockBook(tx, { pools: [{ partnerId, id: poolId }] });
        const now = clock.now();
        const [due] = await listDuePools(tx, environment, now, { partnerId, poolId });
        if (due === undefined) return;
        const requester = { kind: 'AUTO_REFILL', id: poolId } as const;
        await filePoolRequest(tx, ids, { partnerId, environment, poolId, tokens: due.tokens, requester }, now);
      });
    } catch (error) {
      log.error({ err: error, partnerId, poolId }, 'a token pool could not be refilled');
    }
  }
}

function listDuePools(
  sql: Queryable,
  environment: Environment,
  now: Date,
  only?: Pick<DuePool, 'partnerId' | 'poolId'>,
): Promise<DuePool[]> {
  const monthStart = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const denialsCountFrom = new Date(now.getTime() - WAIT_AFTER_DENIAL_MILLISECONDS);
  return sql<DuePool[]>`
    select p.partner_id as "partnerId", p.id as "poolId", f.amount as tokens
    from token_pools p
    join partners o on o.id = p.partner_id and o.status <> 'SUSPENDED'
    join ledger_accounts a on a.partner_id = p.partner_id and a.id = p.id
    cross join lateral (
      select (p.auto_refill ->> 'amount')::bigint as amount, (p.auto_refill ->> 'floor')::bigint as floor,
        (p.auto_refill ->> 'monthlyCeiling')::bigint as ceiling
    ) f
    cross join lateral (
      select
        coalesce(sum(coalesce(r.approved_tokens, r.tokens))
          filter (where r.status <> 'DENIED' and r.created_at >= ${monthStart}), 0) as used,
        count(*) filter (where r.status = 'PENDING') as pending,
        count(*) filter (where r.status = 'DENIED' and r.decided_at > ${denialsCountFrom}) as just_denied
      from token_pool_requests r
      where r.partner_id = p.partner_id and r.pool_id = p.id and r.requested_by_kind = 'AUTO_REFILL'
    ) r
    where p.environment = ${environment} and p.auto_refill is not null and p.status = 'ACTIVE'
      ${only === undefined ? sql`` : sql`and p.partner_id = ${only.partnerId} and p.id = ${only.poolId}`}
      and a.balance <= f.floor and r.used + f.amount <= f.ceiling and r.pending = 0 and r.just_denied = 0
    order by p.partner_id, p.id`;
}
