import type { RequestTokenPool, TokenPoolRequest } from '@sirgiving/contract';
import type { Caller } from '../platform/caller.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, rowId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { fulfilRequest } from './fulfil-request.ts';
import { type PoolRequest, presentPoolRequest, type Requester, SANDBOX_SELF_APPROVAL_TOKENS } from './pool-request.ts';
import { noSuchPool } from './queries.ts';

/** What is asked for; ids are row ids. */
export interface WantedPoolRequest extends Tenant {
  /** The pool to be funded; with neither this nor a name, the default pool, made where there is none. */
  poolId?: string | undefined;
  /** Of a new pool. */
  poolName?: string | undefined;
  /** Whole, above 0. */
  tokens: number;
  reason?: string | undefined;
  requester: Requester;
}

const MAX_PENDING_REQUESTS = 20;

/**
 * Files a request for tokens. In the sandbox one of at most 1,000,000 approves itself: the pool is made or funded at once. Every other
 * one waits for `approvePoolRequest`. Records events, so it comes last in its transaction. Throws 404 `NOT_FOUND` for a pool that is
 * not the tenant's, 409 `POOL_CLOSED`, 409 `LIMIT_REACHED`.
 */
export async function filePoolRequest(tx: Tx, ids: Ids, wanted: WantedPoolRequest, now: Date): Promise<PoolRequest> {
  const { partnerId, environment, requester, tokens, poolId = null, poolName = null, reason = null } = wanted;
  await assertPool(tx, wanted);
  const request: PoolRequest = {
    ...{ partnerId, environment, id: ids.uuid(), poolId, poolName, tokens, reason, status: 'PENDING' },
    ...{ requestedByKind: requester.kind, requestedBy: requester.id, createdAt: now, decidedAt: null },
    ...{ approvedTokens: null, firstApprovedBy: null, secondApprovedBy: null },
    ...{ deniedBy: null, denialReason: null, transactionId: null },
  };
  await tx`
    insert into token_pool_requests (partner_id, id, environment, pool_id, pool_name, tokens, reason, status, requested_by_kind,
      requested_by, created_at)
    values (${partnerId}, ${request.id}, ${environment}, ${poolId}, ${poolName}, ${tokens}, ${reason}, 'PENDING', ${requester.kind},
      ${requester.id}, ${now})`;
  if (environment !== 'sandbox' || tokens > SANDBOX_SELF_APPROVAL_TOKENS) return request;
  return fulfilRequest(tx, ids, { ...request, approvedTokens: tokens }, now);
}

async function assertPool(tx: Tx, { partnerId, environment, poolId }: WantedPoolRequest): Promise<void> {
  const [found] = await tx<{ poolStatus: string | null; pending: number }[]>`
    select
      (select p.status from token_pools p
       where p.partner_id = ${partnerId} and p.environment = ${environment} and p.id = ${poolId ?? null}) as "poolStatus",
      (select count(*) from token_pool_requests r
       where r.partner_id = ${partnerId} and r.environment = ${environment} and r.status = 'PENDING') as pending`;
  if (poolId !== undefined) {
    if (found?.poolStatus === null) throw noSuchPool();
    if (found?.poolStatus === 'CLOSED') throw problem('POOL_CLOSED', 'The token pool is closed.');
  }
  if ((found?.pending ?? 0) >= MAX_PENDING_REQUESTS) {
    throw problem('LIMIT_REACHED', `${MAX_PENDING_REQUESTS} requests are waiting for their decision already.`);
  }
}

/**
 * Whom a call's request for tokens comes from. Of a key that is whoever issued it, where that is known, so that nobody asks with a key
 * of their own and approves as an admin.
 */
async function requesterOf(tx: Tx, caller: Caller | undefined): Promise<Requester> {
  if (caller?.kind === 'member') return { kind: 'MEMBER', id: caller.accountId };
  if (caller?.kind !== 'apiKey') throw new Error(`${caller?.kind ?? 'nobody'} cannot ask for tokens here`);
  const { apiKeyId, tenant } = caller;
  const [key] = await tx<{ issuedBy: string | null }[]>`
    select created_by as "issuedBy" from api_keys where partner_id = ${tenant.partnerId} and id = ${apiKeyId}`;
  return { kind: 'API_KEY', id: key?.issuedBy ?? apiKeyId };
}

/** `POST token-pools/request`. Throws what `filePoolRequest` throws, and 400 where both a pool and a name are given. */
export async function requestPool(
  tx: Tx,
  ids: Ids,
  { tenant, caller, body, now }: { tenant: Tenant; caller: Caller | undefined; body: RequestTokenPool; now: Date },
): Promise<TokenPoolRequest> {
  if (body.poolId !== undefined && body.name !== undefined) {
    const errors = [{ path: '/name', message: 'not together with poolId' }];
    throw problem('INVALID_REQUEST', 'A request is about a pool that exists or about a new one.', { errors });
  }
  const poolId = body.poolId === undefined ? undefined : rowId('pool', body.poolId);
  const wanted = {
    partnerId: tenant.partnerId,
    environment: tenant.environment,
    poolId,
    poolName: body.name,
    tokens: body.tokens,
    reason: body.reason,
    requester: await requesterOf(tx, caller),
  };
  return presentPoolRequest(await filePoolRequest(tx, ids, wanted, now));
}
