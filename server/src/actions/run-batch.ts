import type { Logger } from 'pino';
import { LedgerRuleBroken } from '../ledger/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { BatchMode, ItemOutcome } from '../platform/coalescer.ts';
import { sqlState } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import { type TransactionLane, TransactionLost } from '../platform/transaction-lane.ts';
import type { Submission } from './submission.ts';
import type { SubmissionResult } from './submission-board.ts';
import { type SubmitDependencies, submitActions } from './submit-actions.ts';
import { ClaimLost } from './write-actions.ts';

export interface BatchDependencies extends SubmitDependencies {
  clock: Clock;
  log: Logger;
  /** Called when an item upset a batch: its partner runs alone for a while. */
  isolate(submission: Submission): void;
}

type Outcomes = ItemOutcome<SubmissionResult>[];

const MAX_SERIALIZATION_RETRIES = 5;
const RETRY_JITTER_MILLISECONDS = 20;
const RETRY_AFTER = { headers: { 'Retry-After': '1' } };

export const unavailable = () =>
  problem('UNAVAILABLE', 'The action could not be processed right now; nothing was written.', RETRY_AFTER);
export const overloaded = () =>
  problem('OVERLOADED', 'Too many actions are waiting; nothing was written.', RETRY_AFTER);
export const outcomeUnknown = () =>
  problem('OUTCOME_UNKNOWN', 'The answer to COMMIT was lost: repeat with the same idempotency key.', RETRY_AFTER);

/** What an error of a transaction means for its items (ledger.md, Errors), told apart by SQLSTATE. */
export type ErrorClass = 'data' | 'serialization' | 'lockTimeout' | 'claimLost' | 'bug' | 'unavailable' | 'unknown';

export function classify(error: unknown): ErrorClass {
  if (error instanceof ClaimLost) return 'claimLost';
  if (error instanceof LedgerRuleBroken) return 'bug';
  const lost = error instanceof TransactionLost ? error : undefined;
  if (lost?.outcome === 'unknown') return 'unknown';
  const state = sqlState(lost?.cause ?? error);
  if (state === undefined) return lost === undefined ? 'bug' : 'unavailable';
  if (state === '40001' || state === '40P01') return 'serialization';
  if (state === '55P03') return 'lockTimeout';
  if (state === '23505') return 'bug';
  if (/^(22|23|54)/.test(state)) return 'data';
  return 'unavailable';
}

/** The same outcome for every item, a new error object each, since each becomes an answer of its own. */
const forAll = (count: number, make: () => ItemOutcome<SubmissionResult>): Outcomes =>
  Array.from({ length: count }, make);

/** How a batch is run. */
export interface BatchRun {
  mode: BatchMode;
  /** When its items must have their answers (`performance.now()`), whatever becomes of the database. */
  deadlineAt: number;
}

/**
 * Runs a batch on a lane and turns every way in which it can end into outcomes; never rejects. Nothing is split or run again once
 * COMMIT was sent, and nothing is called failed that may have happened.
 */
export async function runBatch(
  lane: TransactionLane,
  deps: BatchDependencies,
  submissions: readonly Submission[],
  run: BatchRun,
  attempt = 0,
): Promise<Outcomes> {
  const { failpoints, clock, log } = deps;
  const { mode, deadlineAt } = run;
  try {
    const outcomes = await lane.run((tx) => submitActions(tx, deps, submissions, mode, clock.now()), deadlineAt);
    await failpoints.reached('after_commit');
    return outcomes;
  } catch (error) {
    const count = submissions.length;
    switch (classify(error)) {
      case 'unknown':
        log.error({ err: error, count }, 'outcome of a batch is unknown');
        return forAll(count, () => ({ error: outcomeUnknown() }));
      case 'claimLost':
        return forAll(count, () => ({ again: 'replan' }));
      case 'lockTimeout':
        return forAll(count, () => (mode === 'shared' ? { again: 'held' } : { error: unavailable() }));
      case 'serialization':
        if (attempt < MAX_SERIALIZATION_RETRIES) {
          await new Promise((resolve) =>
            setTimeout(resolve, Math.random() * RETRY_JITTER_MILLISECONDS * (attempt + 1)),
          );
          return runBatch(lane, deps, submissions, run, attempt + 1);
        }
        return forAll(count, () => ({ error: unavailable() }));
      case 'data':
        return splitBatch(lane, deps, submissions, run, error);
      case 'bug':
        log.fatal({ err: error, count }, 'ALARM: a batch broke a rule of the ledger; nothing of it was kept');
        return forAll(count, () => ({ error: unavailable() }));
      case 'unavailable':
        log.warn({ err: error, count }, 'batch not committed');
        return forAll(count, () => ({ error: unavailable() }));
    }
  }
}

/** An item that the database refuses must not take its neighbours with it: halves are tried apart until it stands alone. */
async function splitBatch(
  lane: TransactionLane,
  deps: BatchDependencies,
  submissions: readonly Submission[],
  run: BatchRun,
  error: unknown,
): Promise<Outcomes> {
  const [only] = submissions;
  if (submissions.length === 1 && only !== undefined) {
    deps.log.error({ err: error }, 'the database refused the data of an action');
    deps.isolate(only);
    return [{ error: problem('INTERNAL_ERROR', 'This action could not be stored; nothing of it was kept.') }];
  }
  const middle = Math.ceil(submissions.length / 2);
  const first = await runBatch(lane, deps, submissions.slice(0, middle), run);
  return [...first, ...(await runBatch(lane, deps, submissions.slice(middle), run))];
}
