import type { BalanceThreshold, Environment, PoolRestrictions } from '@sirgiving/contract';
import type { Queryable, Tx } from '../platform/db.ts';

/** What alerts about a pool's balance are judged by, and which were told; `pools/low-balance.ts` decides. */
export interface PoolAlerts {
  thresholds: readonly BalanceThreshold[];
  /** The balance right after the last allocation; 0: there was none. */
  lastAllocationBalance: number;
  /** Bit n: the n-th threshold was told, and has not recovered since. */
  alertedThresholds: number;
  /** Null: not depleted. Else the lowest balance since that was told. */
  depletedAtBalance: number | null;
}

/** A token pool under its row lock, with its account's figures. */
export interface LockedPool {
  partnerId: string;
  id: string;
  environment: Environment;
  status: 'ACTIVE' | 'CLOSED';
  /** SIR tokens for one unit of each currency. */
  rates: Record<string, number>;
  restrictions: PoolRestrictions;
  alerts: PoolAlerts;
  headSequence: number;
  /** Hex. */
  headHash: string;
}

/** A ledger account under its row lock. The totals are what changed hands in its lifetime, by kind of transaction. */
export interface LockedAccount {
  partnerId: string;
  id: string;
  environment: Environment;
  kind: 'issuance' | 'pool' | 'user.pending' | 'user.available' | 'redeemed';
  balance: number;
  debtAllowed: number;
  sequence: number;
  allocated: number;
  rewarded: number;
  reversed: number;
  redeemed: number;
}

/**
 * What one transaction holds locks on: the only source of heads and balances for the posting function. It lives as long as its
 * transaction; nothing of it is kept for the next.
 */
export interface Book {
  pools: Map<string, LockedPool>;
  accounts: Map<string, LockedAccount>;
}

export interface TenantKey {
  partnerId: string;
  environment: Environment;
}

type PoolRow = Omit<LockedPool, 'alerts'> & PoolAlerts & LockedAccount;

const poolColumns = (tx: Queryable) => tx`
  p.partner_id as "partnerId", p.id, p.environment, p.status, p.rates, p.restrictions, p.head_sequence as "headSequence",
  encode(p.head_hash, 'hex') as "headHash", p.low_balance_thresholds as thresholds, p.last_allocation_balance as "lastAllocationBalance",
  p.alerted_thresholds as "alertedThresholds", p.depleted_at_balance as "depletedAtBalance",
  a.balance, a.debt_allowed as "debtAllowed", a.sequence, a.allocated, a.rewarded, a.reversed, a.redeemed`;

const accountColumns = (tx: Queryable) => tx`
  a.partner_id as "partnerId", a.id, a.environment, a.kind, a.balance, a.debt_allowed as "debtAllowed", a.sequence,
  a.allocated, a.rewarded, a.reversed, a.redeemed`;

/** An empty book; `addPools` and `addAccounts` fill it from the lock statements of the same transaction. */
export const emptyBook = (): Book => ({ pools: new Map(), accounts: new Map() });

function addPools(book: Book, rows: Iterable<PoolRow>): LockedPool[] {
  const pools: LockedPool[] = [];
  for (const row of rows) {
    const { partnerId, id, environment, status, rates, restrictions, headSequence, headHash } = row;
    const { thresholds, lastAllocationBalance, alertedThresholds, depletedAtBalance } = row;
    const alerts = { thresholds, lastAllocationBalance, alertedThresholds, depletedAtBalance };
    const pool = { partnerId, id, environment, status, rates, restrictions, alerts, headSequence, headHash };
    const { balance, debtAllowed, sequence, allocated, rewarded, reversed, redeemed } = row;
    const amounts = { balance, debtAllowed, sequence, allocated, rewarded, reversed, redeemed };
    book.pools.set(id, pool);
    book.accounts.set(id, { partnerId, id, environment, kind: 'pool', ...amounts });
    pools.push(pool);
  }
  return pools;
}

const lockClauses = {
  none: (tx: Queryable) => tx``,
  skip: (tx: Queryable) => tx`for no key update of p, a skip locked`,
  wait: (tx: Queryable) => tx`for no key update of p, a`,
};

/**
 * Reads the active default pools of tenants in the order of their keys, locked as asked: `skip` leaves out what someone else holds;
 * `wait` waits for it (55P03 after the session's lock timeout); `none` is for looking only. `FOR NO KEY UPDATE`, since plain FOR
 * UPDATE also blocks foreign-key checks. Pool and account row are locked together, so that both are read as they are now and not as
 * they were when the wait began.
 */
export async function readDefaultPools(
  tx: Queryable,
  book: Book,
  tenants: readonly TenantKey[],
  lock: keyof typeof lockClauses,
): Promise<LockedPool[]> {
  const rows = await tx<PoolRow[]>`
    select ${poolColumns(tx)}
    from unnest(${tenants.map((t) => t.partnerId)}::uuid[], ${tenants.map((t) => t.environment)}::text[]) as t (partner_id, environment)
    join token_pools p on p.partner_id = t.partner_id and p.environment = t.environment and p.is_default and p.status = 'ACTIVE'
    join ledger_accounts a on a.partner_id = p.partner_id and a.id = p.id
    order by p.partner_id, p.id
    ${lockClauses[lock](tx)}`;
  return addPools(book, rows);
}

/** Locks named pools, waiting, in the order of their keys; those that do not exist are left out. */
async function lockPools(tx: Tx, book: Book, pools: readonly { partnerId: string; id: string }[]): Promise<void> {
  const rows = await tx<PoolRow[]>`
    select ${poolColumns(tx)}
    from unnest(${pools.map((p) => p.partnerId)}::uuid[], ${pools.map((p) => p.id)}::uuid[]) as k (partner_id, id)
    join token_pools p on p.partner_id = k.partner_id and p.id = k.id
    join ledger_accounts a on a.partner_id = p.partner_id and a.id = p.id
    order by p.partner_id, p.id
    for no key update of p, a`;
  addPools(book, rows);
}

/**
 * Locks accounts by id in the order of their keys. Only after the pools of the same transaction: pools, then accounts, then the event
 * counter, in every writer, is what keeps writers from waiting for each other in a circle.
 */
export async function lockAccounts(
  tx: Tx,
  book: Book,
  accounts: readonly { partnerId: string; id: string }[],
): Promise<void> {
  const rows = await tx<LockedAccount[]>`
    select ${accountColumns(tx)}
    from unnest(${accounts.map((a) => a.partnerId)}::uuid[], ${accounts.map((a) => a.id)}::uuid[]) as k (partner_id, id)
    join ledger_accounts a on a.partner_id = k.partner_id and a.id = k.id
    order by a.partner_id, a.id
    for no key update of a`;
  for (const row of rows) book.accounts.set(row.id, row);
}

/** Locks the available accounts of users named by their external ids; answers with the users' row ids. */
export async function lockUserAccounts(
  tx: Tx,
  book: Book,
  users: readonly (TenantKey & { externalUserId: string })[],
): Promise<(TenantKey & { externalUserId: string; userId: string })[]> {
  const rows = await tx<(LockedAccount & { externalUserId: string })[]>`
    select ${accountColumns(tx)}, u.external_user_id as "externalUserId"
    from unnest(
      ${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.environment)}::text[], ${users.map((u) => u.externalUserId)}::text[]
    ) as k (partner_id, environment, external_user_id)
    join partner_users u on u.partner_id = k.partner_id and u.environment = k.environment and u.external_user_id = k.external_user_id
    join ledger_accounts a on a.partner_id = u.partner_id and a.id = u.id
    order by a.partner_id, a.id
    for no key update of a`;
  return rows.map(({ externalUserId, ...account }) => {
    book.accounts.set(account.id, account);
    return { partnerId: account.partnerId, environment: account.environment, externalUserId, userId: account.id };
  });
}

/**
 * The locks of a writer that handles one thing at a time (fund, redeem, reverse): pools, then user accounts, then the environment's
 * `issuance` and `redeemed` accounts where asked, each sorted, waiting.
 */
export async function lockBook(
  tx: Tx,
  wanted: {
    pools: readonly { partnerId: string; id: string }[];
    users?: readonly { partnerId: string; id: string }[];
    singletons?: TenantKey & { kinds: readonly ('issuance' | 'redeemed')[] };
  },
): Promise<Book> {
  const book = emptyBook();
  if (wanted.pools.length > 0) await lockPools(tx, book, wanted.pools);
  const singletons = wanted.singletons;
  const others =
    singletons === undefined
      ? []
      : await tx<{ partnerId: string; id: string }[]>`
          select partner_id as "partnerId", id from ledger_accounts
          where partner_id = ${singletons.partnerId} and environment = ${singletons.environment}
            and kind in ('issuance', 'redeemed') and kind = any(${[...singletons.kinds]})`;
  const accounts = [...(wanted.users ?? []), ...others];
  if (accounts.length > 0) await lockAccounts(tx, book, accounts);
  return book;
}

/** The account of a kind that stands once per environment. Throws when the environment's book was never opened. */
export function singletonAccount(book: Book, kind: 'issuance' | 'redeemed'): LockedAccount {
  for (const account of book.accounts.values()) if (account.kind === kind) return account;
  throw new Error(`the ${kind} account is not locked`);
}
