import type { Book, LockedPool, PoolAlerts } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import type { NewEvent } from '../webhooks/record-events.ts';
import { judgeBalance, type PoolAlert } from './low-balance.ts';

/** The balances of a book's pools, by row id; taken before anything is posted. */
export function poolBalances(book: Book): Map<string, number> {
  const balances = new Map<string, number>();
  for (const id of book.pools.keys()) balances.set(id, book.accounts.get(id)?.balance ?? 0);
  return balances;
}

/** Beyond balances: the row ids of pools that refused an action for want of tokens, and of those that got an allocation. */
export interface PoolIncidents {
  refused?: ReadonlySet<string>;
  allocated?: ReadonlySet<string>;
}

export interface SettledAlerts {
  /** To be recorded in the same transaction. */
  events: NewEvent[];
  /** The states that changed are on their way to the database; must have been waited for before COMMIT. */
  saved: Promise<void>;
}

/**
 * Judges the balance of every pool in `before` as the book has it now. Every writer that moves a pool's balance calls this between
 * posting and recording events, in the transaction that holds the pool's lock: the alert, its event and the balance that caused it
 * commit together, and no two transactions tell the same. A statement is sent only where a pool's state changes.
 */
export function settlePoolAlerts(
  tx: Tx,
  book: Book,
  before: ReadonlyMap<string, number>,
  incidents: PoolIncidents,
  ids: Ids,
  now: Date,
): SettledAlerts {
  const events: NewEvent[] = [];
  const changed: LockedPool[] = [];
  for (const [id, balanceBefore] of before) {
    const pool = book.pools.get(id);
    if (pool === undefined) continue;
    const balance = book.accounts.get(id)?.balance ?? 0;
    const { state, alerts } = judgeBalance(pool.alerts, {
      before: balanceBefore,
      after: balance,
      refused: incidents.refused?.has(id) ?? false,
      allocated: incidents.allocated?.has(id) ?? false,
    });
    events.push(...alerts.map((alert) => alertEvent(pool, balance, state, alert, ids, now)));
    if (state === pool.alerts) continue;
    pool.alerts = state;
    changed.push(pool);
  }
  return { events, saved: changed.length === 0 ? Promise.resolve() : saveAlerts(tx, changed) };
}

/** The event of an alert. */
export function alertEvent(
  pool: Pick<LockedPool, 'partnerId' | 'environment' | 'id'>,
  balance: number,
  { lastAllocationBalance }: PoolAlerts,
  { type, ...told }: PoolAlert,
  ids: Ids,
  createdAt: Date,
): NewEvent {
  const { partnerId, environment, id } = pool;
  const data = { poolId: publicId('pool', id), balance, lastAllocationBalance, ...told };
  return { partnerId, environment, id: ids.uuid(), type, data, createdAt };
}

/** Stores what was told of each pool; the rows are locked. */
async function saveAlerts(tx: Tx, pools: readonly LockedPool[]): Promise<void> {
  const saved = await tx`
    update token_pools p
    set last_allocation_balance = n.last_allocation_balance, alerted_thresholds = n.alerted_thresholds,
      depleted_at_balance = n.depleted_at_balance
    from unnest(
      ${pools.map((p) => p.partnerId)}::uuid[], ${pools.map((p) => p.id)}::uuid[],
      ${pools.map((p) => p.alerts.lastAllocationBalance)}::bigint[], ${pools.map((p) => p.alerts.alertedThresholds)}::int[],
      ${pools.map((p) => p.alerts.depletedAtBalance?.toString() ?? null)}::bigint[]
    ) as n (partner_id, id, last_allocation_balance, alerted_thresholds, depleted_at_balance)
    where p.partner_id = n.partner_id and p.id = n.id`;
  if (saved.count !== pools.length) throw new Error(`saved the alerts of ${saved.count} of ${pools.length} pools`);
}
