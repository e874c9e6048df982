import type { Environment, TransactionKind } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import { plainArray } from '../platform/plain-array.ts';
import { chainHash } from './hash-chain.ts';
import type { Book, LockedAccount, LockedPool } from './lock-book.ts';

/** A ledger transaction to be written. Amounts are whole SIR tokens; the entries sum to zero. */
export interface TransactionDraft {
  partnerId: string;
  environment: Environment;
  id: string;
  kind: TransactionKind;
  poolId: string;
  /** Signed as the user sees it; for ALLOCATION and WITHDRAWAL as the pool sees it. */
  tokens: number;
  userId?: string;
  actionId?: string;
  distributionIndex?: number;
  reversesId?: string;
  reversalId?: string;
  redemptionId?: string;
  /** Of an ALLOCATION: the approved request that it fulfils. In production none is posted without. */
  requestId?: string;
  entries: readonly { accountId: string; amount: number }[];
}

/** A draft that breaks a rule of the ledger: a bug in the caller, never the client's fault. Nothing of the transaction is kept. */
export class LedgerRuleBroken extends Error {
  override readonly name = 'LedgerRuleBroken';
}

interface PostedTransaction {
  draft: TransactionDraft;
  sequence: number;
  /** Hex. */
  hash: string;
  posted: { accountId: string; amount: number; sequence: number; balanceAfter: number }[];
}

function require(condition: boolean, rule: string, draft: TransactionDraft): asserts condition {
  if (!condition) throw new LedgerRuleBroken(`${draft.kind} ${draft.id}: ${rule}`);
}

function addToTotals(account: LockedAccount, kind: TransactionKind, amount: number): void {
  const moved = account.kind === 'pool' || account.kind === 'user.available';
  if (!moved) return;
  if (kind === 'ALLOCATION' || kind === 'WITHDRAWAL') account.allocated += amount;
  if (kind === 'REWARD') account.rewarded += Math.abs(amount);
  if (kind === 'REVERSAL') account.reversed += Math.abs(amount);
  if (kind === 'REDEMPTION') account.redeemed += Math.abs(amount);
}

/** Moves an entry's amount and checks the account's rule (chart of accounts in README.md; I4). */
function moveBalance(account: LockedAccount, amount: number, draft: TransactionDraft): number {
  const balance = account.balance + amount;
  require(Number.isSafeInteger(balance), 'balance leaves the exact integers', draft);
  const falls = amount < 0;
  if (falls && balance < 0 && account.kind !== 'issuance') {
    // Only a reversal may take a user below zero; what later comes in repays it.
    require(account.kind === 'user.available' &&
      draft.kind === 'REVERSAL', `${account.kind} would fall to ${balance}`, draft);
  }
  account.balance = balance;
  account.debtAllowed = account.kind === 'user.available' ? Math.max(0, -balance) : 0;
  account.sequence += 1;
  addToTotals(account, draft.kind, amount);
  return balance;
}

function chain(book: Book, draft: TransactionDraft, createdAt: Date): PostedTransaction {
  const pool = book.pools.get(draft.poolId);
  require(pool !== undefined, 'its pool is not locked', draft);
  const entries = draft.entries;
  require(entries.length >= 2, 'needs two entries', draft);
  require(entries.every((e) => Number.isSafeInteger(e.amount) && e.amount !== 0), 'has an entry of 0', draft);
  require(entries.reduce((sum, e) => sum + e.amount, 0) === 0, 'entries do not sum to 0', draft);
  require(entries.every(
    (e, at) => entries.findIndex((o) => o.accountId === e.accountId) === at,
  ), 'an account stands twice', draft);
  const posted = entries.map(({ accountId, amount }) => {
    const account = book.accounts.get(accountId);
    require(account !== undefined, `account ${accountId} is not locked`, draft);
    require(account.partnerId === draft.partnerId &&
      account.environment === draft.environment, 'an account is another tenant’s', draft);
    const balanceAfter = moveBalance(account, amount, draft);
    return { accountId, amount, sequence: account.sequence, balanceAfter };
  });
  require(pool.partnerId === draft.partnerId &&
    pool.environment === draft.environment, 'the pool is another tenant’s', draft);
  pool.headSequence += 1;
  // Named one by one: a spread makes objects that V8 handles member by member, and this runs for every reward.
  const { partnerId, environment, poolId, id, kind, actionId = null } = draft;
  const sequence = pool.headSequence;
  pool.headHash = chainHash(pool.headHash, {
    partnerId,
    environment,
    poolId,
    sequence,
    id,
    kind,
    actionId,
    createdAt,
    entries,
  });
  return { draft, sequence, hash: pool.headHash, posted };
}

/**
 * The one way into the ledger: checks every rule, gives sequence numbers and hashes in the order of the drafts, and writes
 * transactions, entries, balances and chain heads by set-based statements that are sent without waiting for each other.
 * `createdAt` is the app's time in whole milliseconds. Throws LedgerRuleBroken before anything is sent.
 */
export async function postTransactions(
  tx: Tx,
  book: Book,
  drafts: readonly TransactionDraft[],
  createdAt: Date,
): Promise<void> {
  if (drafts.length === 0) return;
  const before = new Map([...book.accounts].map(([id, account]) => [id, account.sequence]));
  const rows = drafts.map((draft) => chain(book, draft, createdAt));
  const accounts = [...book.accounts.values()].filter((account) => account.sequence !== before.get(account.id));
  const pools = [...new Set(rows.map((row) => row.draft.poolId))].map((id) => book.pools.get(id) as LockedPool);
  const [transactions, entries, balances, heads] = await Promise.all([
    insertTransactions(tx, rows, createdAt),
    insertEntries(tx, rows),
    updateAccounts(tx, accounts, before),
    updateHeads(tx, pools),
  ]);
  const wanted = [
    rows.length,
    rows.reduce((count, row) => count + row.posted.length, 0),
    accounts.length,
    pools.length,
  ];
  const written = [transactions.count, entries.count, balances.count, heads.count];
  if (wanted.join() !== written.join()) throw new LedgerRuleBroken(`wrote ${written} rows instead of ${wanted}`);
}

function insertTransactions(tx: Tx, rows: readonly PostedTransaction[], createdAt: Date) {
  return tx`
    insert into ledger_transactions (partner_id, id, environment, pool_id, sequence, kind, tokens, user_id, action_id,
      distribution_index, reverses_id, reversal_id, redemption_id, request_id, hash, created_at)
    select partner_id, id, environment, pool_id, sequence, kind, tokens, user_id, action_id, distribution_index, reverses_id,
      reversal_id, redemption_id, request_id, decode(hash, 'hex'), ${createdAt}
    from unnest(
      ${plainArray(rows, (r) => r.draft.partnerId)}::uuid[], ${plainArray(rows, (r) => r.draft.id)}::uuid[], ${plainArray(rows, (r) => r.draft.environment)}::text[],
      ${plainArray(rows, (r) => r.draft.poolId)}::uuid[], ${plainArray(rows, (r) => r.sequence)}::bigint[], ${plainArray(rows, (r) => r.draft.kind)}::text[],
      ${plainArray(rows, (r) => r.draft.tokens)}::bigint[], ${plainArray(rows, (r) => r.draft.userId)}::uuid[],
      ${plainArray(rows, (r) => r.draft.actionId)}::uuid[], ${plainArray(rows, (r) => r.draft.distributionIndex)}::smallint[],
      ${plainArray(rows, (r) => r.draft.reversesId)}::uuid[], ${plainArray(rows, (r) => r.draft.reversalId)}::uuid[],
      ${plainArray(rows, (r) => r.draft.redemptionId)}::uuid[], ${plainArray(rows, (r) => r.draft.requestId)}::uuid[],
      ${plainArray(rows, (r) => r.hash)}::text[]
    ) as n (partner_id, id, environment, pool_id, sequence, kind, tokens, user_id, action_id, distribution_index, reverses_id,
      reversal_id, redemption_id, request_id, hash)`;
}

function insertEntries(tx: Tx, rows: readonly PostedTransaction[]) {
  const entries = rows.flatMap((row) => row.posted.map((entry) => ({ row, entry })));
  return tx`
    insert into ledger_entries (partner_id, transaction_id, account_id, environment, account_sequence, amount, balance_after)
    select * from unnest(
      ${plainArray(entries, ({ row }) => row.draft.partnerId)}::uuid[], ${plainArray(entries, ({ row }) => row.draft.id)}::uuid[],
      ${plainArray(entries, ({ entry }) => entry.accountId)}::uuid[], ${plainArray(entries, ({ row }) => row.draft.environment)}::text[],
      ${plainArray(entries, ({ entry }) => entry.sequence)}::bigint[], ${plainArray(entries, ({ entry }) => entry.amount)}::bigint[],
      ${plainArray(entries, ({ entry }) => entry.balanceAfter)}::bigint[])`;
}

/** The rows are locked, so their order here locks nothing new; the sequence before is asserted all the same. */
function updateAccounts(tx: Tx, accounts: readonly LockedAccount[], before: ReadonlyMap<string, number>) {
  return tx`
    update ledger_accounts a
    set balance = n.balance, debt_allowed = n.debt_allowed, sequence = n.sequence, allocated = n.allocated, rewarded = n.rewarded,
      reversed = n.reversed, redeemed = n.redeemed
    from unnest(
      ${plainArray(accounts, (a) => a.partnerId)}::uuid[], ${plainArray(accounts, (a) => a.id)}::uuid[],
      ${plainArray(accounts, (a) => before.get(a.id) ?? 0)}::bigint[], ${plainArray(accounts, (a) => a.sequence)}::bigint[],
      ${plainArray(accounts, (a) => a.balance)}::bigint[], ${plainArray(accounts, (a) => a.debtAllowed)}::bigint[],
      ${plainArray(accounts, (a) => a.allocated)}::bigint[], ${plainArray(accounts, (a) => a.rewarded)}::bigint[],
      ${plainArray(accounts, (a) => a.reversed)}::bigint[], ${plainArray(accounts, (a) => a.redeemed)}::bigint[]
    ) as n (partner_id, id, sequence_before, sequence, balance, debt_allowed, allocated, rewarded, reversed, redeemed)
    where a.partner_id = n.partner_id and a.id = n.id and a.sequence = n.sequence_before`;
}

function updateHeads(tx: Tx, pools: readonly LockedPool[]) {
  return tx`
    update token_pools p set head_sequence = n.head_sequence, head_hash = decode(n.head_hash, 'hex')
    from unnest(
      ${plainArray(pools, (p) => p.partnerId)}::uuid[], ${plainArray(pools, (p) => p.id)}::uuid[], ${plainArray(pools, (p) => p.headSequence)}::bigint[],
      ${plainArray(pools, (p) => p.headHash)}::text[]
    ) as n (partner_id, id, head_sequence, head_hash)
    where p.partner_id = n.partner_id and p.id = n.id`;
}
