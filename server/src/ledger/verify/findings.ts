import type { Environment } from '@sirgiving/contract';
import type postgres from 'postgres';
import type { Queryable, Tx } from '../../platform/db.ts';

/** The invariants that are checked so far; what each says stands in docs/ledger.md. */
export const invariants = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I8', 'I9', 'I11', 'I12', 'I14', 'I15'] as const;
export type Invariant = (typeof invariants)[number];

/** A place at which the book does not hold what it promises. `detail` is a sentence for the operator; ids are row ids. */
export interface Finding {
  invariant: Invariant;
  partnerId: string;
  environment: Environment;
  detail: string;
}

/** How many findings of one invariant are kept: enough to see what happened, and memory stays small when a whole table is wrong. */
export const MAX_FINDINGS_PER_INVARIANT = 20;

/** Counts everything and keeps the first findings of each invariant. */
export class FindingList {
  private readonly kept = new Map<Invariant, Finding[]>();
  private readonly counts = new Map<Invariant, number>();

  add(finding: Finding): void {
    const { invariant } = finding;
    this.counts.set(invariant, (this.counts.get(invariant) ?? 0) + 1);
    const kept = this.kept.get(invariant) ?? [];
    this.kept.set(invariant, kept);
    if (kept.length < MAX_FINDINGS_PER_INVARIANT) kept.push(finding);
  }

  /** In the order of the invariants. */
  get findings(): Finding[] {
    return invariants.flatMap((invariant) => this.kept.get(invariant) ?? []);
  }

  /** How often each broken invariant was broken. */
  get violations(): Partial<Record<Invariant, number>> {
    return Object.fromEntries(
      invariants.flatMap((name) => (this.counts.has(name) ? [[name, this.counts.get(name)]] : [])),
    );
  }
}

/** What a verification looks at: all of it where nothing is named. */
export interface Scope {
  environment?: Environment;
  partnerId?: string;
}

/** One check: reads in the snapshot that all checks share, and adds what it finds. It never keeps more than a few rows in memory. */
export interface LedgerCheck {
  invariants: readonly Invariant[];
  run(tx: Tx, scope: Scope, found: FindingList): Promise<void>;
}

/** The condition, after `where`, that keeps a statement within its scope; `alias` is a table with partner_id and environment. */
export function within(sql: Queryable, { environment, partnerId }: Scope, alias: string) {
  return sql`
    ${partnerId === undefined ? sql`true` : sql`${sql(alias)}.partner_id = ${partnerId}`}
    ${environment === undefined ? sql`` : sql`and ${sql(alias)}.environment = ${environment}`}`;
}

/**
 * Adds every row of a query whose rows are findings, one at a time. Not a cursor: PostgreSQL runs a statement that is fetched in parts
 * on one core only.
 */
export async function addAll(found: FindingList, query: postgres.PendingQuery<Finding[]>): Promise<void> {
  await query.forEach((row) => {
    found.add(row);
  });
}
