import type { BatchAnswer, BatchResult } from '@sirgiving/contract';
import type { ItemOutcome } from '../platform/coalescer.ts';
import type { Tx } from '../platform/db.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import type { TransactionLane } from '../platform/transaction-lane.ts';
import { type BatchDependencies, classify, outcomeUnknown, unavailable } from './run-batch.ts';
import type { Submission } from './submission.ts';
import type { SubmissionResult } from './submission-board.ts';
import { submitActions } from './submit-actions.ts';
import { type BatchItem, type PresentProblem, resultOf, summaryOf } from './submit-batch.ts';
import { ClaimLost } from './write-actions.ts';

/** One item failed, so the transaction is rolled back; carries what every item is answered. */
class AtomicRejected extends Error {
  constructor(readonly answer: Problem) {
    super(answer.message);
  }
}

const MAX_ATTEMPTS = 5;

function rejected(items: readonly BatchItem[], failed: number, reason: Problem, present: PresentProblem): Problem {
  const results = items.map(
    (_, index): BatchResult =>
      index === failed
        ? resultOf(index, { kind: 'problem', problem: reason }, present)
        : { index, status: 'NOT_ATTEMPTED' },
  );
  return problem('BATCH_REJECTED', `Item ${failed} failed with ${reason.code}; nothing of the batch was written.`, {
    errors: [{ path: `/actions/${failed}`, message: reason.code }],
    extensions: { results, summary: summaryOf(results) },
  });
}

function assertAllCompleted(
  items: readonly BatchItem[],
  positions: readonly number[],
  outcomes: readonly ItemOutcome<SubmissionResult>[],
  present: PresentProblem,
): SubmissionResult[] {
  return outcomes.map((outcome, index) => {
    // What it was planned on has changed under its feet: the whole runs again.
    if ('again' in outcome) throw new ClaimLost('the plan no longer holds');
    if ('error' in outcome) throw outcome.error;
    if (outcome.result.kind === 'problem') {
      throw new AtomicRejected(rejected(items, positions[index] ?? 0, outcome.result.problem, present));
    }
    return outcome.result;
  });
}

/**
 * All or nothing, in a transaction of its own: one failing item rolls back the whole and no key is used up; items that were completed
 * before with the same body pass as replays. Throws 422 `BATCH_REJECTED` with the results, or 503.
 */
export async function submitAtomic(
  lane: TransactionLane,
  deps: BatchDependencies,
  items: readonly BatchItem[],
  { present, deadlineAt }: { present: PresentProblem /** `performance.now()` */; deadlineAt: number },
): Promise<BatchAnswer> {
  const faulty = items.findIndex((item) => 'fault' in item);
  const fault = items[faulty];
  if (fault !== undefined && 'fault' in fault) throw rejected(items, faulty, fault.fault, present);
  const positions = items.flatMap((item, index) => ('submission' in item ? [index] : []));
  const submissions = positions.map((index) => (items[index] as { submission: Submission }).submission);
  const judge = (outcomes: readonly ItemOutcome<SubmissionResult>[]) =>
    assertAllCompleted(items, positions, outcomes, present);
  const decided = await decideTogether(lane, deps, submissions, judge, deadlineAt);
  const byPosition = new Map(positions.map((position, index) => [position, decided[index] as SubmissionResult]));
  const results = items.map((item, index) => {
    const result = byPosition.get('sameAs' in item ? item.sameAs : index) as SubmissionResult;
    return resultOf(index, result, present);
  });
  return { results, summary: summaryOf(results) };
}

async function decideTogether(
  lane: TransactionLane,
  deps: BatchDependencies,
  submissions: readonly Submission[],
  judge: (outcomes: readonly ItemOutcome<SubmissionResult>[]) => SubmissionResult[],
  deadlineAt: number,
): Promise<SubmissionResult[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      const decide = async (tx: Tx) => judge(await submitActions(tx, deps, submissions, 'alone', deps.clock.now()));
      return await lane.run(decide, deadlineAt);
    } catch (error) {
      if (error instanceof AtomicRejected) throw error.answer;
      const kind = classify(error);
      if (kind === 'unknown') throw outcomeUnknown();
      const again = kind === 'serialization' || kind === 'claimLost';
      if (again && attempt < MAX_ATTEMPTS) continue;
      if (kind === 'bug' || kind === 'data')
        deps.log.fatal({ err: error }, 'ALARM: an atomic batch could not be stored');
      throw unavailable();
    }
  }
}
