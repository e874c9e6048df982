import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { isConnectionLost, isDatabaseUnavailable, refusedStatement } from './database-faults.ts';
import { type Sql, sqlState, type Tx } from './db.ts';
import { problem } from './problem-json.ts';

const MAX_ATTEMPTS = 5;
const MAX_JITTER_MILLISECONDS = 50;
/** A database that hangs must not hang the request: within this time it has an answer. */
const DEADLINE_MILLISECONDS = 4_500;
const RETRY_AFTER = { headers: { 'Retry-After': '1' } };
const RUN_AGAIN_STATES = new Set(['40001', '40P01']);

const unavailable = () =>
  problem('UNAVAILABLE', 'The database cannot be asked at the moment; nothing was written.', RETRY_AFTER);
const outcomeUnknown = () =>
  problem('OUTCOME_UNKNOWN', 'The connection to the database was lost during COMMIT; repeat the request.', RETRY_AFTER);

/** Whether the database itself said no and the session goes on; everything else ends the session or leaves its state open. */
function isRefusal(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.severity === 'ERROR';
}

/** Whether the session that gave this error is over: it was lost, or the server ended it with its last word (FATAL, PANIC). */
function endsSession(error: unknown): boolean {
  return isConnectionLost(error) || (error instanceof postgres.PostgresError && !isRefusal(error));
}

/** `over`: lost or given up; no statement may be sent any more, and none would be part of the transaction. */
type Stage = 'working' | 'committing' | 'over';

class Attempt<T> {
  /** Whether a BEGIN was answered; before that nothing can have been written. */
  begun = false;
  private stage: Stage = 'working';
  private lost = false;
  private settle: { resolve(value: T): void; reject(error: unknown): void } | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly work: (tx: Tx) => Promise<T>,
  ) {}

  async run(deadlineMilliseconds: number): Promise<T> {
    const settled = new Promise<T>((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    const timer = setTimeout(() => this.end(unavailable()), deadlineMilliseconds);
    this.sql
      .begin((tx) => this.workInside(tx))
      .then(
        ({ result }) => this.settle?.resolve(result),
        (error) => this.end(error),
      );
    return settled.finally(() => clearTimeout(timer));
  }

  /**
   * The driver sends COMMIT when this resolves and ROLLBACK when it rejects. After the session is over either would be written to a
   * socket that is not there and end the process, so then it does neither: the driver's own promise is rejected by the close.
   */
  private async workInside(tx: Tx): Promise<{ result: T }> {
    this.begun = true;
    try {
      const result = await this.work(this.guarded(tx));
      if (this.stage !== 'over') {
        this.stage = 'committing';
        // Within an object: from a bare array the driver would pick promises to wait for.
        return { result };
      }
    } catch (error) {
      if (!endsSession(error) && !(error instanceof SessionOver)) throw error;
      this.end(error);
    }
    if (this.lost) return new Promise(() => {});
    throw unavailable();
  }

  /** Answers for the attempt: once COMMIT is on its way, only the database's own refusal says that it did not happen. */
  private end(error: unknown): void {
    if (endsSession(error)) this.lost = true;
    const unknown = this.stage === 'committing' && !isRefusal(error);
    this.stage = 'over';
    this.settle?.reject(unknown ? outcomeUnknown() : error);
  }

  /** Statements of this transaction only: the driver would run one that comes after the close on the next session. */
  private guarded(tx: Tx): Tx {
    return new Proxy(tx, {
      apply: (target, _this, parts) => {
        if (this.stage === 'over') return refusedStatement(new SessionOver());
        return Reflect.apply(target as unknown as () => unknown, undefined, parts);
      },
    });
  }
}

class SessionOver extends Error {
  override readonly name = 'SessionOver';
}

/**
 * Runs the one transaction of a writer that handles a single request. A deadlock or a serialization failure runs the whole again, at
 * most 5 times. Throws 503 `UNAVAILABLE` where the database cannot be asked and nothing was kept, 503 `OUTCOME_UNKNOWN` where the
 * answer to a COMMIT was lost, since nothing may be called failed that may have happened. What `work` throws goes through.
 *
 * Used instead of the driver's `begin`, which ends the process when a connection closes inside a transaction: it then writes its
 * ROLLBACK to a socket that is null, outside of any promise (postgres 3.4.9).
 */
export async function inTransaction<T>(sql: Sql, work: (tx: Tx) => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + DEADLINE_MILLISECONDS;
  for (let attempts = 1; ; attempts++) {
    const attempt = new Attempt(sql, work);
    try {
      return await attempt.run(giveUpAt - performance.now());
    } catch (error) {
      // The driver reports the end of a session once more to the first statement of the next one, which may be this BEGIN.
      const stale = !attempt.begun && endsSession(error) && sqlState(error) !== undefined;
      const again = (stale || RUN_AGAIN_STATES.has(sqlState(error) ?? '')) && attempts < MAX_ATTEMPTS;
      if (!again) throw isDatabaseUnavailable(error) ? unavailable() : error;
      await sleep(Math.random() * MAX_JITTER_MILLISECONDS);
    }
  }
}
