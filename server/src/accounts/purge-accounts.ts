import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';

const DAY_MILLISECONDS = 86_400_000;
/** How long a session that is over can be looked up. */
const KEPT_SESSION_DAYS = 30;
/** As long as a network counts as known. */
const KEPT_COUNTER_DAYS = 90;

/** Housekeeping for the worker, once an hour: deletes links, registrations, sessions and counters that say nothing any more. */
export async function purgeAccounts(sql: Sql, clock: Clock): Promise<void> {
  const now = clock.now();
  const ago = (days: number) => new Date(now.getTime() - days * DAY_MILLISECONDS);
  await sql`delete from account_registrations where expires_at < ${now}`;
  await sql`delete from password_resets where expires_at < ${now}`;
  await sql`
    delete from account_sessions
    where expires_at < ${ago(KEPT_SESSION_DAYS)} or ended_at < ${ago(KEPT_SESSION_DAYS)}`;
  await sql`
    delete from attempt_counters
    where last_attempt_at < ${ago(KEPT_COUNTER_DAYS)} or (succeeded_at is null and last_attempt_at < ${ago(1)})`;
}
