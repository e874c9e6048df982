import type { Queryable, Tx } from './db.ts';

/** The counter that every change of an access right raises. */
export async function readChangeCounter(sql: Queryable): Promise<number> {
  const [row] = await sql<{ value: number }[]>`select value from credential_changes`;
  if (row === undefined) throw new Error('credential_changes is empty, and it must hold one row');
  return row.value;
}

/**
 * Tells the caches of every process that an access right has changed (contract §2). Call it in the transaction of the change, as its
 * last write: the counter's row stays locked until COMMIT. Reading the counter is never blocked by that.
 */
export async function raiseCredentialChanges(tx: Tx): Promise<void> {
  const { count } = await tx`update credential_changes set value = value + 1`;
  if (count !== 1) throw new Error(`credential_changes holds ${count} rows, and it must hold one`);
}
