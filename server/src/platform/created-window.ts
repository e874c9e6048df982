import type { Fragment } from 'postgres';
import type { Queryable } from './db.ts';
import { problem } from './problem-json.ts';

/** The time filters of every list, as they come in the query string. */
export interface CreatedWindow {
  createdAfter?: string;
  createdBefore?: string;
}

// What PostgreSQL and RFC 3339 can both write: an offset may push an accepted time past either end.
const EARLIEST = new Date('0001-01-01T00:00:00.000Z');
const LATEST = new Date('9999-12-31T23:59:59.999Z');

function instant(name: keyof CreatedWindow, text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    // A leap second has the right form, but no stored time is at one.
    throw problem('INVALID_REQUEST', `\`${name}\` is not a time.`, {
      errors: [{ path: name, message: 'must be an RFC 3339 time, a leap second excepted' }],
    });
  }
  if (time < EARLIEST) return EARLIEST;
  return time > LATEST ? LATEST : time;
}

/**
 * The conditions on `created_at` for a list's `createdAfter` (included) and `createdBefore` (excluded), to stand behind another
 * condition; empty where neither is asked for. Throws 400 `INVALID_REQUEST` for what is no time.
 */
export function createdWithin(sql: Queryable, window: CreatedWindow): Fragment {
  const from = window.createdAfter === undefined ? undefined : instant('createdAfter', window.createdAfter);
  const until = window.createdBefore === undefined ? undefined : instant('createdBefore', window.createdBefore);
  return sql`${from === undefined ? sql`` : sql`and created_at >= ${from}`} ${
    until === undefined ? sql`` : sql`and created_at < ${until}`
  }`;
}
