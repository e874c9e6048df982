import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { fulfilRequest } from './fulfil-request.ts';
import { approvalsNeeded, lockPendingRequest, type PoolRequest } from './pool-request.ts';

/** Which request is decided; `requestId` is the row id. */
export interface RequestToDecide extends Tenant {
  requestId: string;
}

/**
 * One admin's approval. What it is for may differ from what was asked; left out it is what the approval before it was for, else what
 * was asked. In production more than 100,000 tokens wait for a second admin who approves the same amount: the answer is then still
 * PENDING, and an approval of another amount takes the place of the first. The last one allocates, in the same transaction. Records
 * events, so it comes last in its transaction but for what the caller writes of its own. Throws 404 `NOT_FOUND`, 409 `REQUEST_DECIDED`,
 * 403 `SECOND_PERSON_REQUIRED` for whoever asked or approved before, 409 `POOL_CLOSED`, 409 `LIMIT_REACHED`, 400 for no whole number
 * above 0.
 */
export async function approvePoolRequest(
  tx: Tx,
  ids: Ids,
  { requestId, ...tenant }: RequestToDecide,
  approval: { adminAccountId: string; tokens?: number | undefined },
  now: Date,
): Promise<PoolRequest> {
  const request = await lockPendingRequest(tx, tenant, requestId);
  const { adminAccountId } = approval;
  const tokens = approval.tokens ?? request.approvedTokens ?? request.tokens;
  if (!Number.isSafeInteger(tokens) || tokens <= 0) {
    throw problem('INVALID_REQUEST', 'The amount must be a whole number of tokens above 0.');
  }
  if (adminAccountId === request.requestedBy) {
    throw problem('SECOND_PERSON_REQUIRED', 'You asked for these tokens: somebody else has to approve them.');
  }
  const isSecond = request.firstApprovedBy !== null && request.approvedTokens === tokens;
  if (isSecond && request.firstApprovedBy === adminAccountId) {
    throw problem('SECOND_PERSON_REQUIRED', 'You approved this amount already: it needs a second admin.');
  }
  const approved = isSecond
    ? { ...request, approvedTokens: tokens, secondApprovedBy: adminAccountId }
    : { ...request, approvedTokens: tokens, firstApprovedBy: adminAccountId, secondApprovedBy: null };
  await saveApproval(tx, approved, isSecond ? 'second' : 'first', now);
  const given = approved.secondApprovedBy === null ? 1 : 2;
  return given < approvalsNeeded(request.environment, tokens) ? approved : fulfilRequest(tx, ids, approved, now);
}

async function saveApproval(
  tx: Tx,
  { partnerId, environment, id, approvedTokens, firstApprovedBy, secondApprovedBy }: PoolRequest,
  which: 'first' | 'second',
  now: Date,
): Promise<void> {
  const approval =
    which === 'first'
      ? tx`approved_tokens = ${approvedTokens}, first_approved_by = ${firstApprovedBy}, first_approved_at = ${now}`
      : tx`second_approved_by = ${secondApprovedBy}, second_approved_at = ${now}`;
  await tx`
    update token_pool_requests set ${approval}
    where partner_id = ${partnerId} and environment = ${environment} and id = ${id}`;
}

/**
 * Denies a request; `token_pool.request.denied` tells the partner the reason, which is 1–500 characters. Records events, so it comes
 * last in its transaction. Throws 404 `NOT_FOUND`, 409 `REQUEST_DECIDED`.
 */
export async function denyPoolRequest(
  tx: Tx,
  ids: Ids,
  { requestId, ...tenant }: RequestToDecide,
  { adminAccountId, reason }: { adminAccountId: string; reason: string },
  now: Date,
): Promise<PoolRequest> {
  const request = await lockPendingRequest(tx, tenant, requestId);
  const { partnerId, environment, id, poolId, tokens } = request;
  await tx`
    update token_pool_requests
    set status = 'DENIED', denied_by = ${adminAccountId}, denial_reason = ${reason}, decided_at = ${now}
    where partner_id = ${partnerId} and environment = ${environment} and id = ${id}`;
  const data = {
    requestId: publicId('preq', id),
    ...(poolId === null ? {} : { poolId: publicId('pool', poolId) }),
    tokens,
    reason,
  };
  const told = { partnerId, environment, id: ids.uuid(), type: 'token_pool.request.denied', createdAt: now } as const;
  await recordEvents(tx, [{ ...told, data }]);
  return { ...request, status: 'DENIED', deniedBy: adminAccountId, denialReason: reason, decidedAt: now };
}
