import {
  Action,
  ActionExplanation,
  ActionList,
  ActionListQuery,
  ActionParams,
  ActionPreview,
  BatchActions,
  BatchAnswer,
  ReverseAction,
  ReversedAction,
  SubmitAction,
  SubmittedAction,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint } from '../platform/endpoint.ts';
import { type Ids, rowId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { problem, problemBody } from '../platform/problem-json.ts';
import { ignoredFieldsHeader } from '../platform/unknown-fields.ts';
import { externalIdsOf, noSuchAction, presentAction, readAction } from './action-row.ts';
import { explainAction } from './explain-action.ts';
import { listActions } from './list-actions.ts';
import { previewAction } from './preview-action.ts';
import { reverseAction } from './reverse-action.ts';
import { faultsOf, submissionOf } from './submission.ts';
import type { SubmissionQueue } from './submission-queue.ts';
import { type PresentProblem, readBatchItems, submitIndependent } from './submit-batch.ts';

export interface ActionDependencies {
  sql: Sql;
  ids: Ids;
  submissions: SubmissionQueue;
  /** Where this host documents its error codes. */
  docsUrl: string;
}

const MAX_BATCH_BYTES = 1024 * 1024;
const ACTIONS_PER_BATCH_COST = 10;
const FAULTS = [
  'ACTION_TYPE_NOT_ALLOWED',
  'UNSUPPORTED_CURRENCY',
  'NO_VALUE_RULE',
  'CAMPAIGN_NOT_APPLICABLE',
  'USER_NOT_FOUND',
] as const;
const NOT_NOW = ['UNAVAILABLE', 'OVERLOADED', 'OUTCOME_UNKNOWN'] as const;

/** The endpoints under `/v1/partner/actions`. */
export function actionEndpoints(deps: ActionDependencies) {
  return {
    submit: submitEndpoint(deps),
    batch: batchEndpoint(deps),
    ...readingEndpoints(deps),
    reverse: reverseEndpoint(deps),
  };
}

const idOf = (params: { id: string }) => {
  const id = rowId('act', params.id);
  if (id === undefined) throw noSuchAction();
  return id;
};

function assertNoFaults(body: SubmitAction): void {
  const errors = faultsOf(body);
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'The body does not fit the schema.', { errors });
}

function submitEndpoint({ submissions, ids }: ActionDependencies) {
  return endpoint(
    {
      summary: 'Submit an action',
      description:
        'Rewards an action: debits your token pool and credits the stakeholders. Retries with the same `idempotencyKey` and body answer with the ' +
        'first reward and `Idempotent-Replayed: true`, for ever. A 402 is kept as FAILED and the same key succeeds once the pool is funded. On a ' +
        '503 repeat with the same key. `Server-Timing` tells how long it waited for its batch.',
      body: SubmitAction,
      status: 200,
      answer: SubmittedAction,
      errors: ['NO_ACTIVE_POOL', 'INSUFFICIENT_POOL', 'IDEMPOTENCY_KEY_REUSED', ...FAULTS, ...NOT_NOW],
      ignoresUnknownFields: true,
    },
    async ({ tenant, body, setHeader }) => {
      assertNoFaults(body);
      const { result, waitedMilliseconds } = await submissions.submit(submissionOf(tenant, 'api', body, ids));
      setHeader('Server-Timing', `queue;dur=${waitedMilliseconds.toFixed(1)}`);
      if (result.kind === 'problem') throw result.problem;
      if (result.replayed) setHeader('Idempotent-Replayed', 'true');
      return result.answer;
    },
  );
}

function batchEndpoint({ submissions, ids, docsUrl }: ActionDependencies) {
  return endpoint(
    {
      summary: 'Submit a batch of actions',
      description:
        'Up to 1,000 actions. `independent`: each stands for itself, the answer is 200 once any was decided. `atomic`: all or nothing; one failing ' +
        'item is 422 `BATCH_REJECTED` and uses no key up. Costs one request per 10 actions of your rate limit.',
      body: BatchActions,
      status: 200,
      answer: BatchAnswer,
      errors: ['BATCH_REJECTED', ...NOT_NOW],
      bodyLimitBytes: MAX_BATCH_BYTES,
      cost: (body) => Math.ceil((body as { actions: unknown[] }).actions.length / ACTIONS_PER_BATCH_COST),
    },
    async ({ tenant, body, requestId, setHeader }) => {
      const present: PresentProblem = (p) => problemBody(p, requestId, docsUrl) as ReturnType<PresentProblem>;
      const { items, ignored } = readBatchItems(tenant, body.actions, ids);
      if (ignored.length > 0) setHeader('X-SIR-Ignored-Fields', ignoredFieldsHeader(ignored));
      if (body.mode === 'atomic') return submissions.submitAtomic(items, present);
      return submitIndependent(items, async (submission) => (await submissions.submit(submission)).result, present);
    },
  );
}

function readingEndpoints({ sql, ids }: ActionDependencies) {
  const preview = endpoint(
    {
      summary: 'Preview an action',
      description: 'What submitting it now would give, by the same judgement. Writes nothing and uses no key up.',
      body: SubmitAction,
      status: 200,
      answer: ActionPreview,
      errors: FAULTS,
    },
    ({ tenant, body, now }) => {
      assertNoFaults(body);
      return previewAction(sql, ids, tenant, body, now);
    },
  );
  const list = endpoint(
    {
      summary: 'List actions',
      description: 'Newest first.',
      query: ActionListQuery,
      status: 200,
      answer: ActionList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listActions(sql, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    { summary: 'Get an action', params: ActionParams, status: 200, answer: Action, errors: ['NOT_FOUND'] },
    async ({ tenant, params }) => {
      const row = await readAction(sql, tenant, idOf(params));
      return presentAction(row, await externalIdsOf(sql, [row]));
    },
  );
  const explain = endpoint(
    {
      summary: 'Explain an action',
      description: 'Runs the evaluation again over its stored inputs and shows every number with its formula.',
      params: ActionParams,
      status: 200,
      answer: ActionExplanation,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => explainAction(sql, tenant, idOf(params)),
  );
  return { preview, list, get, explain };
}

function reverseEndpoint({ sql, ids }: ActionDependencies) {
  return endpoint(
    {
      summary: 'Reverse an action',
      description:
        'Takes tokens back into the pool that they came from: all that remains, `tokens` in proportion, or named `distributions`. When a user has ' +
        'spent them, `onInsufficientBalance` says what happens: `negative` (a debt that later rewards repay first), `partial`, or `refuse`. ' +
        '`idempotencyKey` is required with `tokens`, `distributions` or `partial`. `dryRun` shows what would happen.',
      params: ActionParams,
      body: ReverseAction,
      status: 200,
      answer: ReversedAction,
      errors: [
        'NOT_FOUND',
        'ACTION_NOT_REVERSIBLE',
        'REVERSAL_EXCEEDS_REMAINING',
        'IDEMPOTENCY_KEY_REUSED',
        'INSUFFICIENT_BALANCE',
        'UNAVAILABLE',
        'OUTCOME_UNKNOWN',
      ],
    },
    async ({ tenant, params, body, now, setHeader }) => {
      const { action, replayed } = await reverseAction({ sql, ids }, tenant, idOf(params), body, now);
      if (replayed) setHeader('Idempotent-Replayed', 'true');
      return action;
    },
  );
}
