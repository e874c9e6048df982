import type { LedgerVerification } from '@sirgiving/contract';
import { verifyTraces } from '../actions/index.ts';
import { type Scope, verifyLedger, within } from '../ledger/index.ts';
import type { Sql } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import { verifyAudit } from './verify-audit.ts';

const MAX_TRANSACTIONS = 200_000;

/** Verification by HTTP: it shares the process with requests that must not wait for it. */
export class BoundedVerification {
  readonly #sql: Sql;
  #isRunning = false;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Throws 409 LIMIT_REACHED for a book that is too large, and 503 OVERLOADED while another one runs in this process. */
  async run(scope: Scope): Promise<LedgerVerification> {
    if (this.#isRunning) throw problem('OVERLOADED', 'A verification runs already. Nothing was done.');
    this.#isRunning = true;
    try {
      await this.#judgeSize(scope);
      const report = await verifyLedger(this.#sql, { ...scope, moreChecks: [verifyTraces, verifyAudit] });
      const { ok, checkedTransactions, durationMilliseconds, violations, findings } = report;
      return { ok, checkedTransactions, durationMilliseconds, violations: { ...violations }, findings };
    } finally {
      this.#isRunning = false;
    }
  }

  async #judgeSize(scope: Scope): Promise<void> {
    const sql = this.#sql;
    const [counted] = await sql<{ count: number }[]>`
      select count(*) from (
        select from ledger_transactions t where ${within(sql, scope, 't')} limit ${MAX_TRANSACTIONS + 1}
      ) few`;
    if ((counted?.count ?? 0) <= MAX_TRANSACTIONS) return;
    const detail = `The book has more than ${MAX_TRANSACTIONS} transactions: name a partner, or run sir-server ledger verify.`;
    throw problem('LIMIT_REACHED', detail);
  }
}
