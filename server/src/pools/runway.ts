import type { Runway } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';

const DAY_MILLISECONDS = 86_400_000;

interface RunwayPool {
  /** Row id. */
  id: string;
  balance: number;
  createdAt: Date;
}

/**
 * How fast a pool is used up, and for how long its balance lasts at the faster of its last 7 and 28 days. A pool younger than that is
 * judged by its age, of at least a day. Reads no rewards: what was given out since a moment, net of what came back, is the balance
 * then plus what was allocated since minus the balance now. The balance then stands beside the pool's last entry before that moment,
 * and that is found by halving: some 20 look-ups by key in a pool of a million rewards.
 */
export async function readRunway(sql: Queryable, tenant: Tenant, pool: RunwayPool, now: Date): Promise<Runway> {
  const [last7Days, last28Days] = await Promise.all(
    [7, 28].map(async (days) => {
      const since = new Date(now.getTime() - days * DAY_MILLISECONDS);
      const used = await usedSince(sql, tenant, pool, since);
      const age = (now.getTime() - pool.createdAt.getTime()) / DAY_MILLISECONDS;
      return used / Math.min(days, Math.max(1, age));
    }),
  );
  const fastest = Math.max(last7Days ?? 0, last28Days ?? 0);
  return {
    tokensPerDay: { last7Days: toTenths(last7Days ?? 0), last28Days: toTenths(last28Days ?? 0) },
    daysLeft: fastest === 0 ? null : toTenths(Math.max(0, pool.balance) / fastest),
  };
}

const toTenths = (value: number) => Math.round(value * 10) / 10;

/** Tokens that left a pool as rewards since a moment, less those that came back; never below 0. */
async function usedSince(
  sql: Queryable,
  { partnerId }: Tenant,
  { id, balance }: RunwayPool,
  since: Date,
): Promise<number> {
  const [then] = await sql<{ balance: number; allocated: number }[]>`
    with recursive halving (low, high) as (
      -- The answer, the number of the last entry before the moment or 0, stands in [low, high].
      select 0::bigint, a.sequence from ledger_accounts a where a.partner_id = ${partnerId} and a.id = ${id}
      union all
      select case when m.is_before then m.middle else m.low end, case when m.is_before then m.high else m.middle - 1 end
      from (
        select h.low, h.high, h.middle, coalesce((
          select t.created_at < ${since}
          from ledger_entries e
          join ledger_transactions t on t.partner_id = ${partnerId} and t.id = e.transaction_id
          where e.partner_id = ${partnerId} and e.account_id = ${id} and e.account_sequence = h.middle
        ), true) as is_before
        from (select low, high, (low + high + 1) / 2 as middle from halving where low < high) h
      ) m
    ),
    last_before as (select low as sequence from halving where low = high)
    select
      coalesce((
        select e.balance_after from ledger_entries e, last_before b
        where e.partner_id = ${partnerId} and e.account_id = ${id} and e.account_sequence = b.sequence
      ), 0) as balance,
      coalesce((
        select sum(e.amount)
        from ledger_transactions t
        join ledger_entries e on e.partner_id = ${partnerId} and e.transaction_id = t.id and e.account_id = ${id}
        join last_before b on e.account_sequence > b.sequence
        where t.partner_id = ${partnerId} and t.pool_id = ${id} and t.kind in ('ALLOCATION', 'WITHDRAWAL')
      ), 0)::bigint as allocated`;
  return Math.max(0, (then?.balance ?? 0) + (then?.allocated ?? 0) - balance);
}
