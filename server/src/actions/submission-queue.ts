import type { BatchAnswer } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Clock } from '../platform/clock.ts';
import { Coalescer, type Settled } from '../platform/coalescer.ts';
import { connect } from '../platform/db.ts';
import type { Failpoints } from '../platform/failpoints.ts';
import type { Ids } from '../platform/ids.ts';
import { TransactionLane } from '../platform/transaction-lane.ts';
import { type BatchDependencies, overloaded, runBatch, unavailable } from './run-batch.ts';
import type { Submission } from './submission.ts';
import { actionKey, type SubmissionResult, tenantKey } from './submission-board.ts';
import { submitAtomic } from './submit-atomic-batch.ts';
import type { BatchItem, PresentProblem } from './submit-batch.ts';

export interface SubmissionQueueOptions {
  databaseUrl: string;
  clock: Clock;
  ids: Ids;
  log: Logger;
  failpoints: Failpoints;
  /** Called after a batch that wrote events: the worker looks for them. */
  onCommitted(): void;
}

const SHARED_LANES = 2;
const ALONE_LANES = 4;
const MAX_ITEMS_PER_BATCH = 256;
const MAX_PARTNERS_PER_BATCH = 32;
const MAX_QUEUED_ITEMS = 10_000;
/** A client has its answer 5 s after its request at the latest (bars.md, Reliability), however the database is. */
const ANSWER_WITHIN_MILLISECONDS = 4_700;
/** What has waited longer is not begun: a batch needs enough of the time above to wait for a lock, and then to run. */
const MAX_WAIT_MILLISECONDS = 2_500;
const SHARED_LOCK_TIMEOUT_MILLISECONDS = 200;
const ALONE_LOCK_TIMEOUT_MILLISECONDS = 2_000;
const STATEMENT_TIMEOUT_MILLISECONDS = 4_000;
const ISOLATION_MILLISECONDS = 60_000;
const MAX_WAITING_ATOMIC_BATCHES = 20;

/**
 * Where submissions wait for their batch. Submissions of the same key that are here at the same time become one: equal bodies share
 * the first one's answer, others are judged after it.
 */
export class SubmissionQueue {
  private readonly coalescer: Coalescer<Submission, SubmissionResult>;
  private readonly lanes: Record<'shared' | 'alone' | 'atomic', TransactionLane[]>;
  private readonly batches: BatchDependencies;
  private atomicWork: Promise<unknown> = Promise.resolve();
  private atomicWaiting = 0;
  private readonly leaders = new Map<string, { submission: Submission; settled: Promise<Settled<SubmissionResult>> }>();

  constructor(private readonly options: SubmissionQueueOptions) {
    this.lanes = {
      shared: lanesOf(SHARED_LANES, options.databaseUrl, SHARED_LOCK_TIMEOUT_MILLISECONDS),
      alone: lanesOf(ALONE_LANES, options.databaseUrl, ALONE_LOCK_TIMEOUT_MILLISECONDS),
      atomic: lanesOf(1, options.databaseUrl, ALONE_LOCK_TIMEOUT_MILLISECONDS),
    };
    this.batches = {
      ...options,
      isolate: (submission: Submission) => this.coalescer.isolate(tenantKey(submission), ISOLATION_MILLISECONDS),
    };
    this.coalescer = new Coalescer({
      sharedLanes: SHARED_LANES,
      aloneLanes: ALONE_LANES,
      maxItemsPerBatch: MAX_ITEMS_PER_BATCH,
      maxKeysPerBatch: MAX_PARTNERS_PER_BATCH,
      maxQueuedItems: MAX_QUEUED_ITEMS,
      maxWaitMilliseconds: MAX_WAIT_MILLISECONDS,
      overloaded,
      unavailable,
      run: async (submissions, mode, number, since) => {
        const lane = this.lanes[mode][number] as TransactionLane;
        const deadlineAt = since + ANSWER_WITHIN_MILLISECONDS;
        const outcomes = await runBatch(lane, this.batches, submissions, { mode, deadlineAt });
        options.onCommitted();
        return outcomes;
      },
    });
  }

  /** Settles when the submission is decided; rejects with a 503 problem when it could not be. */
  async submit(submission: Submission): Promise<Settled<SubmissionResult>> {
    const key = actionKey(submission);
    const since = performance.now();
    for (;;) {
      const leader = this.leaders.get(key);
      if (leader === undefined) break;
      if (leader.submission.fingerprint === submission.fingerprint) return asReplay(await leader.settled);
      await leader.settled.catch(() => {});
    }
    const settled = this.coalescer.submit(tenantKey(submission), submission, since);
    this.leaders.set(key, { submission, settled });
    try {
      return await settled;
    } finally {
      this.leaders.delete(key);
    }
  }

  /** Decides a batch as a whole, one such batch after the other. Throws 422 `BATCH_REJECTED` or a 503 problem. */
  async submitAtomic(items: readonly BatchItem[], present: PresentProblem): Promise<BatchAnswer> {
    if (this.atomicWaiting >= MAX_WAITING_ATOMIC_BATCHES) throw overloaded();
    this.atomicWaiting += 1;
    const since = performance.now();
    const mine = this.atomicWork.then(() => {
      if (performance.now() - since > MAX_WAIT_MILLISECONDS) throw unavailable();
      const deadlineAt = since + ANSWER_WITHIN_MILLISECONDS;
      return submitAtomic(this.lanes.atomic[0] as TransactionLane, this.batches, items, { present, deadlineAt });
    });
    this.atomicWork = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.atomicWaiting -= 1;
      this.options.onCommitted();
    }
  }

  /** Decides everything taken, then closes its connections. */
  async stop(): Promise<void> {
    await this.coalescer.stop();
    await this.atomicWork;
    await Promise.all([...this.lanes.shared, ...this.lanes.alone, ...this.lanes.atomic].map((lane) => lane.end()));
  }
}

function asReplay(settled: Settled<SubmissionResult>): Settled<SubmissionResult> {
  const { result, waitedMilliseconds } = settled;
  return result.kind === 'completed' ? { result: { ...result, replayed: true }, waitedMilliseconds } : settled;
}

function lanesOf(count: number, databaseUrl: string, lockTimeoutMilliseconds: number): TransactionLane[] {
  return Array.from(
    { length: count },
    () =>
      new TransactionLane({
        open: (onClose) =>
          connect(databaseUrl, {
            max: 1,
            applicationName: 'sir-giving-ledger',
            lockTimeoutMilliseconds,
            statementTimeoutMilliseconds: STATEMENT_TIMEOUT_MILLISECONDS,
            onClose,
            genericPlans: true,
          }),
      }),
  );
}
