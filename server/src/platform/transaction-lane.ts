import postgres from 'postgres';
import { isConnectionLost, refusedStatement } from './database-faults.ts';
import type { Sql, Tx } from './db.ts';

/**
 * A transaction that did not end in a seen COMMIT. `notCommitted`: nothing was kept, for certain. `unknown`: COMMIT was sent and its
 * answer was lost, so the transaction is kept or not.
 */
export class TransactionLost extends Error {
  override readonly name = 'TransactionLost';
  constructor(
    readonly outcome: 'notCommitted' | 'unknown',
    override readonly cause: unknown,
  ) {
    super(`transaction ${outcome === 'unknown' ? 'with unknown outcome' : 'not committed'}: ${cause}`);
  }
}

const lost = (reason: string) => new TransactionLost('notCommitted', new Error(reason));

interface Connection {
  sql: Sql;
  closed: boolean;
}

export interface LaneOptions {
  /** Opens a client of exactly one connection and reports when that connection closes. */
  open(onClose: () => void): Sql;
}

const REPLAN_EVERY = 1_024;

/**
 * One connection that runs one transaction at a time, with pipelining: statements whose answers are not needed yet are sent without
 * waiting. A driver's own transaction helper reconnects silently, does not tell an error before COMMIT from a lost answer to it, and
 * does not look at COMMIT's tag (the commit of an aborted transaction answers ROLLBACK without an error); money needs all three.
 */
export class TransactionLane {
  private connection: Connection | undefined;
  private transactions = 0;

  constructor(private readonly options: LaneOptions) {}

  /**
   * Runs `work` between BEGIN and COMMIT. Its own errors are passed on after a rollback; everything else is TransactionLost. At
   * `deadlineAt` (`performance.now()`) the connection is dropped, since PostgreSQL may hang and would not end anything by itself.
   */
  async run<T>(work: (tx: Tx) => Promise<T>, deadlineAt: number): Promise<T> {
    const leftMilliseconds = deadlineAt - performance.now();
    if (leftMilliseconds <= 0) throw lost('no time is left');
    this.connection ??= this.open();
    const connection = this.connection;
    const deadline = setTimeout(() => this.drop(connection), leftMilliseconds);
    try {
      const value = await this.workAndCommit(connection, work);
      return value;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Closes the connection; a transaction under way is lost. */
  async end(): Promise<void> {
    await this.connection?.sql.end({ timeout: 1 });
    this.connection = undefined;
  }

  /**
   * Planning a batch's statements anew each time costs more than running them, and a plan that was made for an empty table reads all
   * of it when it is full: plans are made anew after 1, 2, 4 … transactions, and then every 1,024.
   */
  private plansAreOld(): boolean {
    this.transactions += 1;
    const count = this.transactions;
    return count % REPLAN_EVERY === 0 || (count < REPLAN_EVERY && (count & (count - 1)) === 0);
  }

  private open(): Connection {
    const connection: Connection = {
      closed: false,
      sql: this.options.open(() => {
        connection.closed = true;
        if (this.connection === connection) this.drop(connection);
      }),
    };
    return connection;
  }

  private drop(connection: Connection): void {
    connection.closed = true;
    if (this.connection === connection) this.connection = undefined;
    // Ends the socket at once; every statement that waits for an answer is rejected.
    connection.sql.end({ timeout: 0 }).catch(() => {});
  }

  private async workAndCommit<T>(connection: Connection, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { sql } = connection;
    let value: T;
    try {
      if (this.plansAreOld())
        sql
          .unsafe('discard plans')
          .execute()
          .catch(() => {});
      const begun = sql.unsafe('begin').execute();
      // When the work fails first, nobody looks at it any more; its failure is the same one.
      begun.catch(() => {});
      value = await work(this.guarded(connection));
      await begun;
    } catch (error) {
      await this.rollBack(connection, error);
      if (error instanceof postgres.PostgresError || isConnectionLost(error))
        throw new TransactionLost('notCommitted', error);
      throw error;
    }
    if (connection.closed) throw lost('connection closed before COMMIT');
    let command: string;
    try {
      command = (await sql.unsafe('commit')).command;
    } catch (error) {
      const definite =
        error instanceof postgres.PostgresError && error.severity_local !== 'FATAL' && error.severity === 'ERROR';
      if (!definite) this.drop(connection);
      throw new TransactionLost(definite ? 'notCommitted' : 'unknown', error);
    }
    if (command !== 'COMMIT') throw lost(`COMMIT answered ${command}`);
    return value;
  }

  /** Statements of this transaction only: after the connection closed, the driver would run the next one outside of it. */
  private guarded(connection: Connection): Tx {
    const { sql } = connection;
    return new Proxy(sql, {
      apply: (target, _this, args) => {
        if (connection.closed) return refusedStatement(lost('connection closed'));
        return Reflect.apply(target, undefined, args);
      },
    }) as unknown as Tx;
  }

  private async rollBack(connection: Connection, error: unknown): Promise<void> {
    if (connection.closed) return;
    if (isConnectionLost(error)) {
      this.drop(connection);
      return;
    }
    try {
      await connection.sql.unsafe('rollback');
    } catch {
      this.drop(connection);
    }
  }
}
