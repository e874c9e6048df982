import postgres from 'postgres';

export type Sql = postgres.Sql<{ bigint: number }>;
export type Tx = postgres.TransactionSql<{ bigint: number }>;
/** What reads may run on: a pool or a transaction. */
export type Queryable = Sql | Tx;

export interface ConnectOptions {
  max: number;
  applicationName: string;
  statementTimeoutMilliseconds?: number;
  lockTimeoutMilliseconds?: number;
  onClose?: () => void;
  /** Plans a prepared statement once for all parameters; whoever asks for it discards plans as tables grow. */
  genericPlans?: boolean;
}

const STATEMENT_TIMEOUT_MILLISECONDS = 10_000;
const LOCK_TIMEOUT_MILLISECONDS = 5_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS = 10_000;
const CONNECTION_CHECK_INTERVAL_MILLISECONDS = 2_000;
const CONNECT_TIMEOUT_SECONDS = 5;
/** The driver's own waits grow to 20 s: far too long after a database that was away for a minute. */
const MAX_RECONNECT_WAIT_SECONDS = 1;

function exactInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`not exact as a number: ${text}`);
  return value;
}

/**
 * A pool of connections. The timeouts are the server's own, set on every session: a query given up by the client alone would go on
 * holding its locks. `bigint` columns arrive as numbers and must be exact; dates go in and out as `Date`.
 */
export function connect(url: string, options: ConnectOptions): Sql {
  return postgres(url, {
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    backoff: (retries) => Math.min(retries * 0.1, MAX_RECONNECT_WAIT_SECONDS),
    onnotice: () => {},
    ...(options.onClose === undefined ? {} : { onclose: options.onClose }),
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMilliseconds ?? STATEMENT_TIMEOUT_MILLISECONDS,
      lock_timeout: options.lockTimeoutMilliseconds ?? LOCK_TIMEOUT_MILLISECONDS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS,
      client_connection_check_interval: CONNECTION_CHECK_INTERVAL_MILLISECONDS,
      TimeZone: 'UTC',
      ...(options.genericPlans === true ? { plan_cache_mode: 'force_generic_plan' } : {}),
    },
    types: {
      bigint: { to: 20, from: [20], serialize: String, parse: exactInteger },
    },
  });
}

/** The SQLSTATE of a database error, undefined for anything else (a lost connection, a bug). */
export function sqlState(error: unknown): string | undefined {
  return error instanceof postgres.PostgresError ? error.code : undefined;
}
