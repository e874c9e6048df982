import { expect } from 'vitest';
import { verifyTraces } from '../../src/actions/index.ts';
import { verifyLedger } from '../../src/ledger/index.ts';
import type { Invariant } from '../../src/ledger/verify/findings.ts';
import type { Sql } from '../../src/platform/db.ts';
import type { Book } from './healthy-book.ts';

/** Damage done to a book behind the back of the code. */
export interface Corruption {
  breaks: Invariant;
  /** What was done. */
  what: string;
  /** Which other invariants cannot but break with it. */
  also?: readonly Invariant[];
  plant(sql: Sql, book: Book): Promise<unknown>;
}

/** The damages of tests that were made to be impossible by these constraints, in this test's own database. */
export async function dropConstraints(sql: Sql, constraints: readonly (readonly [table: string, name: string])[]) {
  for (const [table, name] of constraints) await sql`alter table ${sql(table)} drop constraint ${sql(name)}`;
}

/** Plants a corruption and expects the verifier, which found nothing before, to name what it breaks and nothing else. */
export async function expectNamed(sql: Sql, book: Book, { breaks, also = [], plant }: Corruption): Promise<void> {
  const { partnerId } = book;
  const before = await verifyLedger(sql, { partnerId, moreChecks: [verifyTraces] });
  expect(before.findings).toEqual([]);
  await plant(sql, book);
  const { ok, violations, findings } = await verifyLedger(sql, { partnerId, moreChecks: [verifyTraces] });
  expect(ok).toBe(false);
  expect(new Set(Object.keys(violations)), JSON.stringify(findings, undefined, 1)).toEqual(new Set([breaks, ...also]));
  expect(findings.every((finding) => finding.partnerId === partnerId && finding.detail.length > 10)).toBe(true);
}
