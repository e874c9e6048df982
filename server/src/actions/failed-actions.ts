import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import type { Submission } from './submission.ts';

/** A FAILED action with what it is processed anew from; personal data is not needed for that, since its users exist. */
interface FailedAction {
  id: string;
  idempotencyKey: string;
  /** Hex. */
  fingerprint: string;
  actionType: string;
  amount: string | null;
  currency: string | null;
  quantity: string | null;
  unit: string | null;
  occurredAt: Date | null;
  campaignId: string | null;
  metadata: Record<string, unknown>;
  stakeholders: { stakeholderTypeCode: string; externalUserId: string | null }[];
}

export interface FailedActions {
  submissions: Submission[];
  /** Where the next look begins; undefined where there was nothing. */
  lastId: string | undefined;
}

/**
 * Reads the partner's own actions that failed only for want of tokens, in the order in which their keys were first used, as submissions
 * that their keys recognise as a retry. One whose user is gone is passed over.
 */
export async function readFailedActions(
  sql: Queryable,
  { partnerId, environment }: Tenant,
  { afterActionId, notBefore, limit }: { afterActionId: string | null; notBefore: Date; limit: number },
): Promise<FailedActions> {
  const rows = await sql<FailedAction[]>`
    select a.id, a.idempotency_key as "idempotencyKey", encode(a.fingerprint, 'hex') as fingerprint, a.action_type as "actionType",
      trim_scale(a.amount)::text as amount, a.currency, trim_scale(a.quantity)::text as quantity, a.unit,
      a.occurred_at as "occurredAt", a.campaign_id as "campaignId", a.metadata,
      (
        select json_agg(json_build_object('stakeholderTypeCode', s.value ->> 'stakeholderTypeCode', 'externalUserId', u.external_user_id)
          order by s.ordinality)
        from json_array_elements(a.stakeholders) with ordinality as s (value, ordinality)
        left join partner_users u on u.partner_id = ${partnerId} and u.environment = ${environment}
          and u.id = (s.value ->> 'userId')::uuid and u.erased_at is null
      ) as stakeholders
    from actions a
    where a.partner_id = ${partnerId} and a.environment = ${environment} and a.status = 'FAILED'
      and a.failure_code in ('NO_ACTIVE_POOL', 'INSUFFICIENT_POOL') and a.source = 'api' and a.created_at >= ${notBefore}
      ${afterActionId === null ? sql`` : sql`and a.id > ${afterActionId}`}
    order by a.id
    limit ${limit}`;
  const submissions = rows.flatMap((row) => submissionOfRow({ partnerId, environment }, row) ?? []);
  return { submissions, lastId: rows.at(-1)?.id };
}

function submissionOfRow(
  tenant: Tenant,
  { id: actionId, stakeholders, ...facts }: FailedAction,
): Submission | undefined {
  const known = stakeholders.flatMap(({ stakeholderTypeCode, externalUserId }) =>
    externalUserId === null
      ? []
      : [{ stakeholderTypeCode, externalUserId, email: null, firstName: null, lastName: null }],
  );
  if (known.length !== stakeholders.length) return undefined;
  // The stored fingerprint is what the key compares, so the leaves that it was made of are not needed.
  const noLeaves = { leaves: () => [], fingerprintLeaves: '{}' };
  return { ...tenant, ...facts, ...noLeaves, actionId, source: 'api', stakeholders: known, autoCreateUsers: true };
}
