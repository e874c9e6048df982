import type { Environment, TokenPoolRequest } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';

/** In production, more than this needs two different admins beside whoever asked. The database holds the same figure. */
export const SECOND_APPROVAL_ABOVE_TOKENS = 100_000;
/** In the sandbox, requests up to this approve themselves. */
export const SANDBOX_SELF_APPROVAL_TOKENS = 1_000_000;

/** Who asks for tokens; `id` is the row id of the account (of a key: who issued it, else the key), or of the pool that refills itself. */
export interface Requester {
  kind: TokenPoolRequest['requestedBy'];
  id: string;
}

/** A request as its table holds it. Ids are row ids. */
export interface PoolRequest {
  partnerId: string;
  id: string;
  environment: Environment;
  poolId: string | null;
  poolName: string | null;
  tokens: number;
  reason: string | null;
  status: TokenPoolRequest['status'];
  requestedByKind: Requester['kind'];
  requestedBy: string;
  /** What the approvals so far are for. */
  approvedTokens: number | null;
  firstApprovedBy: string | null;
  secondApprovedBy: string | null;
  deniedBy: string | null;
  denialReason: string | null;
  transactionId: string | null;
  createdAt: Date;
  decidedAt: Date | null;
}

export const poolRequestColumns = (sql: Queryable) => sql`
  partner_id as "partnerId", id, environment, pool_id as "poolId", pool_name as "poolName", tokens, reason, status,
  requested_by_kind as "requestedByKind", requested_by as "requestedBy", approved_tokens as "approvedTokens",
  first_approved_by as "firstApprovedBy", second_approved_by as "secondApprovedBy", denied_by as "deniedBy",
  denial_reason as "denialReason", transaction_id as "transactionId", created_at as "createdAt", decided_at as "decidedAt"`;

/** How many admins have to approve an amount. */
export function approvalsNeeded(environment: Environment, tokens: number): 1 | 2 {
  return environment === 'production' && tokens > SECOND_APPROVAL_ABOVE_TOKENS ? 2 : 1;
}

/** A request as its partner sees it: who at SIR Giving decided is not shown. */
export function presentPoolRequest(request: PoolRequest): TokenPoolRequest {
  const { status, tokens, approvedTokens, poolId, poolName, reason, denialReason, transactionId, decidedAt } = request;
  return {
    id: publicId('preq', request.id),
    status,
    tokens,
    ...(status === 'APPROVED' && approvedTokens !== null ? { approvedTokens } : {}),
    ...(poolId === null ? {} : { poolId: publicId('pool', poolId) }),
    ...(poolName === null ? {} : { name: poolName }),
    ...(reason === null ? {} : { reason }),
    requestedBy: request.requestedByKind,
    ...(denialReason === null ? {} : { denialReason }),
    ...(transactionId === null ? {} : { transactionId: publicId('txn', transactionId) }),
    createdAt: request.createdAt.toISOString(),
    ...(decidedAt === null ? {} : { decidedAt: decidedAt.toISOString() }),
  };
}

/** Reads a request under its row lock, to decide it. Throws 404 `NOT_FOUND`, 409 `REQUEST_DECIDED`. */
export async function lockPendingRequest(
  tx: Queryable,
  { partnerId, environment }: Tenant,
  id: string,
): Promise<PoolRequest> {
  const [request] = await tx<PoolRequest[]>`
    select ${poolRequestColumns(tx)} from token_pool_requests
    where partner_id = ${partnerId} and environment = ${environment} and id = ${id}
    for no key update`;
  if (request === undefined) throw problem('NOT_FOUND', 'There is no request with this id.');
  if (request.status !== 'PENDING') throw problem('REQUEST_DECIDED', `The request is ${request.status} already.`);
  return request;
}
