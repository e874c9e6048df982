import type { Tx } from '../platform/db.ts';
import { jsonArray, plainArray } from '../platform/plain-array.ts';
import { EVALUATOR_VERSION } from '../rewards/index.ts';
import { FINGERPRINT_VERSION } from './fingerprint.ts';
import type { Submission } from './submission.ts';
import type { BoardItem, Decision } from './submission-board.ts';

/** The key of a submission was claimed by another transaction between our read and our insert; it will be found by the next read. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}

export interface Written {
  submission: Submission;
  decision: Decision;
}

export const decidedOf = (items: readonly BoardItem[]): Written[] =>
  items.flatMap(({ submission, decision }) => (decision === undefined ? [] : [{ submission, decision }]));

const statusOf = ({ decision }: Written) => (decision.evaluation.outcome === 'rewarded' ? 'COMPLETED' : 'FAILED');
const failureOf = ({ decision: { evaluation } }: Written) => (evaluation.outcome === 'failed' ? evaluation.code : null);
const tokensOf = ({ decision: { evaluation } }: Written) => (evaluation.outcome === 'rewarded' ? evaluation.tokens : 0);
const stakeholdersOf = ({ submission, decision }: Written) =>
  JSON.stringify(
    submission.stakeholders.map((s, index) => ({
      stakeholderTypeCode: s.stakeholderTypeCode,
      userId: decision.users[index]?.id,
    })),
  );

/**
 * Claims keys and writes the actions in one statement, sorted by key. Throws ClaimLost when a key was taken meanwhile: nothing of the
 * batch is kept then, and its items run again.
 */
export async function insertActions(tx: Tx, rows: readonly Written[], now: Date): Promise<void> {
  if (rows.length === 0) return;
  const inserted = await tx`
    insert into actions (partner_id, id, environment, source, idempotency_key, fingerprint_version, fingerprint,
      fingerprint_leaves, status, failure_code, action_type, amount, currency, quantity, unit, occurred_at, campaign_id, metadata,
      stakeholders, pool_id, tokens, distributions, evaluator_version, trace, created_at, updated_at)
    select partner_id, id, environment, source, idempotency_key, ${FINGERPRINT_VERSION}, decode(fingerprint, 'hex'),
      fingerprint_leaves::json, status, failure_code, action_type, amount, currency, quantity, unit,
      occurred_at::timestamptz, campaign_id, metadata::json, stakeholders::json, pool_id, tokens, distributions::json,
      ${EVALUATOR_VERSION}, trace::json, ${now}, ${now}
    from unnest(
      ${plainArray(rows, (r) => r.submission.partnerId)}::uuid[], ${plainArray(rows, (r) => r.decision.actionId)}::uuid[],
      ${plainArray(rows, (r) => r.submission.environment)}::text[], ${plainArray(rows, (r) => r.submission.source)}::text[],
      ${rows.map((r) => r.submission.idempotencyKey)}::text[], ${plainArray(rows, (r) => r.submission.fingerprint)}::text[],
      ${jsonArray(rows, (r) => r.submission.fingerprintLeaves)}::text[],
      ${plainArray(rows, statusOf)}::text[], ${plainArray(rows, failureOf)}::text[], ${plainArray(rows, (r) => r.submission.actionType)}::text[],
      ${plainArray(rows, (r) => r.submission.amount)}::numeric[], ${plainArray(rows, (r) => r.submission.currency)}::text[],
      ${plainArray(rows, (r) => r.submission.quantity)}::numeric[], ${rows.map((r) => r.submission.unit)}::text[],
      ${plainArray(rows, (r) => r.submission.occurredAt?.toISOString() ?? null)}::text[], ${plainArray(rows, (r) => r.submission.campaignId)}::uuid[],
      ${jsonArray(rows, (r) => JSON.stringify(r.submission.metadata))}::text[], ${jsonArray(rows, stakeholdersOf)}::text[],
      ${plainArray(rows, (r) => r.decision.poolId)}::uuid[], ${plainArray(rows, tokensOf)}::bigint[],
      ${jsonArray(rows, (r) => JSON.stringify(r.decision.distributions))}::text[], ${jsonArray(rows, (r) => JSON.stringify(r.decision.trace))}::text[]
    ) as n (partner_id, id, environment, source, idempotency_key, fingerprint, fingerprint_leaves, status,
      failure_code, action_type, amount, currency, quantity, unit, occurred_at, campaign_id, metadata, stakeholders, pool_id, tokens,
      distributions, trace)
    order by partner_id, environment collate "C", source collate "C", idempotency_key collate "C"
    on conflict (partner_id, environment, source, idempotency_key) do nothing`;
  if (inserted.count !== rows.length)
    throw new ClaimLost(`${rows.length - inserted.count} keys were claimed elsewhere`);
}

/** Locks FAILED rows that are processed anew, in the order of their keys, before any user or account. */
export async function lockFailedActions(tx: Tx, rows: readonly Written[]): Promise<void> {
  await tx`
    select a.id
    from unnest(${plainArray(rows, (r) => r.submission.partnerId)}::uuid[], ${plainArray(rows, (r) => r.decision.actionId)}::uuid[]) as k (partner_id, id)
    join actions a on a.partner_id = k.partner_id and a.id = k.id
    order by a.partner_id, a.environment, a.source, a.idempotency_key
    for no key update of a`;
}

/** Writes the new result of FAILED rows; one that is no longer as it was read counts as a lost claim. */
export async function updateFailedActions(tx: Tx, rows: readonly Written[], now: Date): Promise<void> {
  if (rows.length === 0) return;
  const updated = await tx`
    update actions a
    set status = n.status, failure_code = n.failure_code, pool_id = n.pool_id, tokens = n.tokens, distributions = n.distributions::json,
      stakeholders = n.stakeholders::json, trace = n.trace::json, evaluator_version = ${EVALUATOR_VERSION}, attempts = a.attempts + 1,
      updated_at = ${now}
    from unnest(
      ${plainArray(rows, (r) => r.submission.partnerId)}::uuid[], ${plainArray(rows, (r) => r.decision.actionId)}::uuid[],
      ${plainArray(rows, (r) => r.decision.retryOf?.attempts ?? 0)}::int[], ${plainArray(rows, statusOf)}::text[], ${plainArray(rows, failureOf)}::text[],
      ${plainArray(rows, (r) => r.decision.poolId)}::uuid[], ${plainArray(rows, tokensOf)}::bigint[],
      ${jsonArray(rows, (r) => JSON.stringify(r.decision.distributions))}::text[], ${jsonArray(rows, stakeholdersOf)}::text[],
      ${jsonArray(rows, (r) => JSON.stringify(r.decision.trace))}::text[]
    ) as n (partner_id, id, attempts, status, failure_code, pool_id, tokens, distributions, stakeholders, trace)
    where a.partner_id = n.partner_id and a.id = n.id and a.status = 'FAILED' and a.attempts = n.attempts`;
  if (updated.count !== rows.length)
    throw new ClaimLost(`${rows.length - updated.count} failed actions were processed elsewhere`);
}
