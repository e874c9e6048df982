import { sqlState } from './db.ts';

/**
 * SQLSTATE classes and codes of a database that cannot answer right now (ledger.md, error classes): connections (08), resources (53),
 * shutdown and recovery (57P), system errors (58); statement timeout or cancel (57014), idle in transaction (25P03), lock timeout
 * (55P03), serialization (40001), deadlock (40P01).
 */
const UNAVAILABLE_CLASSES = ['08', '53', '58', '57P'];
const UNAVAILABLE_STATES = new Set(['57014', '25P03', '55P03', '40001', '40P01']);

/** Codes of the driver and of the operating system about a connection that does not come about or has been lost. */
const CONNECTION_CODES = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'CONNECTION_CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Whether an error says that the database cannot answer right now, and not that the request or the code is wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) {
    return UNAVAILABLE_STATES.has(state) || UNAVAILABLE_CLASSES.some((prefix) => state.startsWith(prefix));
  }
  return isConnectionLost(error);
}

/** Whether the connection to the database did not come about or was lost; what had been sent over it may have happened. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return CONNECTION_CODES.has(String(error.code));
}

/**
 * A statement that is not run, to be awaited like any other. A throw would leave the statements beside it, which nobody has begun to
 * await by then, with failures that nobody sees, and that ends the process; for the same reason nobody needs to look at this one.
 */
export function refusedStatement(error: Error): Promise<never> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}
