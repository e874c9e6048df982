import { type BatchAnswer, type BatchResult, type ErrorCode, SubmitAction } from '@sirgiving/contract';
import type { Static } from 'typebox';
import type { Tenant } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { type Problem, Problem as ProblemError, problem } from '../platform/problem-json.ts';
import { compileValueCheck } from '../platform/request-validation.ts';
import { differingPaths, saltedLeafHashes } from './fingerprint.ts';
import { faultsOf, type Submission, submissionOf } from './submission.ts';
import type { SubmissionResult } from './submission-board.ts';

/** Renders a problem as it stands inside a batch's answer. */
export type PresentProblem = (problem: Problem) => NonNullable<BatchResult['error']>;

const checkItem = compileValueCheck(SubmitAction, true);
const UNDECIDED: Partial<Record<ErrorCode, BatchResult['status']>> = {
  OUTCOME_UNKNOWN: 'UNKNOWN',
  OVERLOADED: 'UNAVAILABLE',
  UNAVAILABLE: 'UNAVAILABLE',
};

/** An item of a batch: a submission, a fault of its own, or the repetition of an earlier item. */
export type BatchItem = { submission: Submission } | { fault: Problem } | { sameAs: number };

export interface ReadItems {
  items: BatchItem[];
  /** JSON Pointers of unknown fields, into the whole body. */
  ignored: string[];
}

/** Judges each item by itself; the same key twice is one item when the bodies are equal, and a fault of the later one otherwise. */
export function readBatchItems(tenant: Tenant, actions: readonly unknown[], ids: Ids): ReadItems {
  const ignored: string[] = [];
  const firstWithKey = new Map<string, { index: number; submission: Submission }>();
  const owner = { partnerId: tenant.partnerId, environment: tenant.environment };
  const items = actions.map((value, index): BatchItem => {
    const checked = checkItem(value);
    ignored.push(...checked.ignored.map((path) => `/actions/${index}${path}`));
    const errors = checked.errors.length > 0 ? checked.errors : faultsOf(value as Static<typeof SubmitAction>);
    if (errors.length > 0)
      return { fault: problem('INVALID_REQUEST', 'The action does not fit the schema.', { errors }) };
    const submission = submissionOf(owner, 'api', value as Static<typeof SubmitAction>, ids);
    const first = firstWithKey.get(submission.idempotencyKey);
    if (first === undefined) {
      firstWithKey.set(submission.idempotencyKey, { index, submission });
      return { submission };
    }
    if (first.submission.fingerprint === submission.fingerprint) return { sameAs: first.index };
    const paths = differingPaths(submission.leaves(), saltedLeafHashes(first.submission.leaves(), ''), '');
    return {
      fault: problem('IDEMPOTENCY_KEY_REUSED', `Item ${first.index} of this batch has the same key and another body.`, {
        errors: paths.map((path) => ({ path, message: `differs from item ${first.index}` })),
      }),
    };
  });
  return { items, ignored };
}

/** The result of one decided item, as the batch's answer shows it. */
export function resultOf(index: number, result: SubmissionResult, present: PresentProblem): BatchResult {
  if (result.kind === 'completed') return { index, status: 'COMPLETED', action: result.answer };
  const { code, status } = result.problem;
  const kind = UNDECIDED[code] ?? (status === 402 ? 'FAILED' : 'REJECTED');
  return { index, status: kind, error: present(result.problem) };
}

export function summaryOf(results: readonly BatchResult[]): BatchAnswer['summary'] {
  const count = (status: BatchResult['status']) => results.filter((result) => result.status === status).length;
  return {
    total: results.length,
    completed: count('COMPLETED'),
    failed: count('FAILED'),
    rejected: count('REJECTED'),
    unavailable: count('UNAVAILABLE'),
    unknown: count('UNKNOWN'),
    notAttempted: count('NOT_ATTEMPTED'),
    tokensDistributed: results.reduce((sum, { action }) => sum + (action?.tokensDistributed ?? 0), 0),
  };
}

/**
 * Submits each item on its own account; what fails hurts nobody else. Throws the first 503 when no item at all was decided, since
 * then the whole can simply be sent again.
 */
export async function submitIndependent(
  items: readonly BatchItem[],
  submit: (submission: Submission) => Promise<SubmissionResult>,
  present: PresentProblem,
): Promise<BatchAnswer> {
  const decided = await Promise.all(
    items.map(async (item): Promise<SubmissionResult | { sameAs: number }> => {
      if ('sameAs' in item) return item;
      if ('fault' in item) return { kind: 'problem', problem: item.fault };
      try {
        return await submit(item.submission);
      } catch (error) {
        if (error instanceof ProblemError) return { kind: 'problem', problem: error };
        throw error;
      }
    }),
  );
  const own = decided.map((result) => ('sameAs' in result ? (decided[result.sameAs] as SubmissionResult) : result));
  const undecided = own.flatMap((result) =>
    result.kind === 'problem' && UNDECIDED[result.problem.code] !== undefined ? [result.problem] : [],
  );
  const [first] = undecided;
  if (first !== undefined && undecided.length === own.length) throw first;
  const results = own.map((result, index) => resultOf(index, result, present));
  return { results, summary: summaryOf(results) };
}
