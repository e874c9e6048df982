import type { Sql, Tx } from '../../platform/db.ts';
import { checkAccounts } from './check-accounts.ts';
import { checkActions } from './check-actions.ts';
import { checkAllocations } from './check-allocations.ts';
import { checkChains } from './check-chains.ts';
import { checkDeliveries } from './check-deliveries.ts';
import { checkEntries } from './check-entries.ts';
import { checkEvents } from './check-events.ts';
import { checkKeys } from './check-keys.ts';
import { checkLinks } from './check-links.ts';
import { type Finding, FindingList, type Invariant, type LedgerCheck, type Scope, within } from './findings.ts';

export interface VerifyOptions extends Scope {
  /** Checks of other rooms, which the ledger must not import; they read the same snapshot. */
  moreChecks?: readonly LedgerCheck[];
  onProgress?: (text: string) => void;
}

export interface VerificationReport {
  ok: boolean;
  checkedTransactions: number;
  durationMilliseconds: number;
  /** How long each check took. */
  checks: { invariants: readonly Invariant[]; durationMilliseconds: number }[];
  /** How often each broken invariant was broken, however many findings are listed. */
  violations: Partial<Record<Invariant, number>>;
  /** In the order of the invariants, at most 20 of each. */
  findings: Finding[];
}

const CHECKS: readonly LedgerCheck[] = [
  checkEntries,
  checkAccounts,
  checkActions,
  checkKeys,
  checkEvents,
  checkDeliveries,
  checkLinks,
  checkChains,
  checkAllocations,
];

async function prepareSession(tx: Tx): Promise<void> {
  // A large book takes longer than any request may, and the stream to a slow process may pause.
  await tx`set local statement_timeout = 0`;
  await tx`set local idle_in_transaction_session_timeout = 0`;
  // Hundreds of thousands of rows are joined and sorted at a time.
  await tx`set local work_mem = '64MB'`;
  // Cursors are read to their end, and hardly a row comes out of the rest; the planner, which cannot know, would use one core.
  await tx`set local cursor_tuple_fraction = 1`;
  await tx`set local parallel_tuple_cost = 0.001`;
  await tx`set local jit = off`;
}

async function countTransactions(tx: Tx, scope: Scope): Promise<number> {
  const [row] = await tx<
    { count: number }[]
  >`select count(*) as count from ledger_transactions t where ${within(tx, scope, 't')}`;
  return row?.count ?? 0;
}

/**
 * Checks the invariants of docs/ledger.md on what the database holds at one moment: a single read-only snapshot, so that writers go on
 * and never show as a fault. Sets are compared inside PostgreSQL, chains and events are streamed, so memory does not grow with the
 * book. Rejects with the database's error; what is wrong in the book is an answer, not an error.
 */
export async function verifyLedger(sql: Sql, options: VerifyOptions = {}): Promise<VerificationReport> {
  const { moreChecks = [], onProgress = () => {}, ...scope } = options;
  const startedAt = performance.now();
  const found = new FindingList();
  const checks: VerificationReport['checks'] = [];
  const checkedTransactions = await sql.begin('isolation level repeatable read read only', async (tx) => {
    await prepareSession(tx);
    const count = await countTransactions(tx, scope);
    for (const check of [...CHECKS, ...moreChecks]) {
      onProgress(`Checking ${check.invariants.join(', ')}`);
      const began = performance.now();
      await check.run(tx, scope, found);
      checks.push({ invariants: check.invariants, durationMilliseconds: Math.round(performance.now() - began) });
    }
    return count;
  });
  const { findings, violations } = found;
  const durationMilliseconds = Math.round(performance.now() - startedAt);
  return { ok: findings.length === 0, checkedTransactions, durationMilliseconds, checks, violations, findings };
}
