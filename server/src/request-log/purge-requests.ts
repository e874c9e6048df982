import type { Environment } from '@sirgiving/contract';
import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';

/** How long a request can be looked up (contract §5). */
export const KEPT_REQUEST_DAYS = 14;
const DAY_MILLISECONDS = 86_400_000;
const ROWS_AT_ONCE = 10_000;

/** Housekeeping for the worker: deletes what is past its time, in statements of at most 10,000 rows. Answers how many rows. */
export async function purgeRequests(sql: Sql, clock: Clock, environment: Environment): Promise<number> {
  const before = new Date(clock.now().getTime() - KEPT_REQUEST_DAYS * DAY_MILLISECONDS);
  for (let total = 0; ; ) {
    const deleted = await sql`
      delete from request_log
      where ctid = any(array(
        select ctid from request_log where created_at < ${before} and environment = ${environment} limit ${ROWS_AT_ONCE}
      ))`;
    total += deleted.count;
    if (deleted.count < ROWS_AT_ONCE) return total;
  }
}
