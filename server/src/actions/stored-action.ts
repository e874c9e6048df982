import type { Environment, SubmittedAction } from '@sirgiving/contract';
import type { Queryable, Tx } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';
import type { EvaluationInputs } from '../rewards/index.ts';
import type { Source, Submission } from './submission.ts';

/** One part of a reward as the action row keeps it; users by row id, so that the row holds no personal data. */
export interface StoredDistribution {
  stakeholderTypeCode: string;
  userId: string;
  tokens: number;
  availableAt: string;
  /** None for a share of 0, which has no ledger row. */
  transactionId: string | null;
}

/** What the evaluation was given beyond the request's own facts, which stand in the row's columns. */
export interface StoredTrace {
  rate: string | null;
  pool: { id: string; balance: number } | null;
}

/** The parts of an action row that a retry is judged by. */
export interface ExistingAction {
  partnerId: string;
  id: string;
  environment: Environment;
  source: Source;
  idempotencyKey: string;
  /** Hex. */
  fingerprint: string;
  fingerprintLeaves: Record<string, string>;
  status: 'COMPLETED' | 'FAILED' | 'PARTIALLY_REVERSED' | 'REVERSED';
  failureCode: string | null;
  poolId: string | null;
  tokens: number;
  distributions: StoredDistribution[];
  attempts: number;
  createdAt: Date;
}

/** Reads the actions that hold the keys of submissions, without a lock. */
export function readByKeys(
  tx: Tx,
  wanted: readonly Pick<Submission, 'partnerId' | 'environment' | 'source' | 'idempotencyKey'>[],
): Promise<ExistingAction[]> {
  return tx<ExistingAction[]>`
    select a.partner_id as "partnerId", a.id, a.environment, a.source, a.idempotency_key as "idempotencyKey",
      encode(a.fingerprint, 'hex') as fingerprint, a.fingerprint_leaves as "fingerprintLeaves", a.status,
      a.failure_code as "failureCode", a.pool_id as "poolId", a.tokens, a.distributions, a.attempts, a.created_at as "createdAt"
    from unnest(
      ${wanted.map((w) => w.partnerId)}::uuid[], ${wanted.map((w) => w.environment)}::text[], ${wanted.map((w) => w.source)}::text[],
      ${wanted.map((w) => w.idempotencyKey)}::text[]
    ) as k (partner_id, environment, source, idempotency_key)
    join actions a on a.partner_id = k.partner_id and a.environment = k.environment and a.source = k.source
      and a.idempotency_key = k.idempotency_key`;
}

/** The external ids of users, by row id. */
export async function readExternalIds(
  tx: Queryable,
  users: readonly { partnerId: string; userId: string }[],
): Promise<Map<string, string>> {
  const rows = await tx<{ id: string; externalUserId: string }[]>`
    select u.id, u.external_user_id as "externalUserId"
    from unnest(${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.userId)}::uuid[]) as k (partner_id, id)
    join partner_users u on u.partner_id = k.partner_id and u.id = k.id`;
  return new Map(rows.map((row) => [row.id, row.externalUserId]));
}

/** The answer of submit, the same for the first request and for every replay (contract §6). */
export function presentSubmitted(
  action: Pick<ExistingAction, 'id' | 'idempotencyKey' | 'poolId' | 'tokens' | 'createdAt'> & {
    distributions: readonly StoredDistribution[];
  },
  externalIds: ReadonlyMap<string, string>,
): SubmittedAction {
  return {
    actionId: publicId('act', action.id),
    idempotencyKey: action.idempotencyKey,
    status: 'COMPLETED',
    tokensDistributed: action.tokens,
    transactionIds: action.distributions.flatMap((d) =>
      d.transactionId === null ? [] : [publicId('txn', d.transactionId)],
    ),
    distributions: action.distributions.map((d) => ({
      stakeholderTypeCode: d.stakeholderTypeCode,
      partnerUserId: externalIds.get(d.userId) ?? '',
      tokens: d.tokens,
      availableAt: d.availableAt,
    })),
    campaignIds: [],
    ...(action.poolId === null ? {} : { poolId: publicId('pool', action.poolId) }),
    createdAt: action.createdAt.toISOString(),
  };
}

/** The inputs of an action's evaluation, put together again from its row: what `explain` and the verifier (I15) re-run. */
export function evaluationInputsOf(row: {
  amount: string | null;
  currency: string | null;
  campaignId: string | null;
  stakeholders: readonly { stakeholderTypeCode: string; userId: string }[];
  trace: StoredTrace;
}): EvaluationInputs {
  return {
    amount: row.amount,
    currency: row.currency,
    campaignId: row.campaignId,
    stakeholders: row.stakeholders,
    rate: row.trace.rate,
    pool: row.trace.pool,
  };
}
