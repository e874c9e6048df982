import type postgres from 'postgres';
import type { Tx } from '../../platform/db.ts';

const ROWS_PER_PART = 5_000;

/**
 * Reads a query in parts through a cursor of the transaction, so that several can be read side by side on its one connection. The
 * driver's own cursors cannot: each holds the connection until its end. `name` is free within the transaction.
 */
export async function* readInParts<Row extends object>(
  tx: Tx,
  name: string,
  query: postgres.PendingQuery<postgres.Row[]>,
): AsyncGenerator<Row[], void, undefined> {
  await tx`declare ${tx(name)} no scroll cursor for ${query}`;
  for (;;) {
    const rows = await tx<Row[]>`fetch ${tx.unsafe(String(ROWS_PER_PART))} from ${tx(name)}`;
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS_PER_PART) break;
  }
  await tx`close ${tx(name)}`;
}
