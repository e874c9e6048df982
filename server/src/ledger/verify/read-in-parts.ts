import type postgres from 'postgres';
import type { Tx } from '../../platform/db.ts';

const ROWS_PER_PART = 5_000;

/**
 * Reads a query in parts through a cursor of the transaction, so that several can be read side by side on its one connection. The
 * driver's own cursors cannot: each holds the connection until its end. The next part is asked for before this one is looked at, so
 * that PostgreSQL works meanwhile. `name` is free within the transaction.
 */
export async function* readInParts<Row extends object>(
  tx: Tx,
  name: string,
  query: postgres.PendingQuery<postgres.Row[]>,
): AsyncGenerator<Row[], void, undefined> {
  const fetchPart = () => {
    const part = tx<Row[]>`fetch ${tx.unsafe(String(ROWS_PER_PART))} from ${tx(name)}`;
    // Sends it now. Whoever awaits the part is told of an error; nobody does when another check has failed before.
    part.catch(() => {});
    return part;
  };
  await tx`declare ${tx(name)} no scroll cursor for ${query}`;
  let next = fetchPart();
  for (;;) {
    const rows = await next;
    const isLast = rows.length < ROWS_PER_PART;
    if (!isLast) next = fetchPart();
    if (rows.length > 0) yield rows;
    if (isLast) break;
  }
  await tx`close ${tx(name)}`;
}
