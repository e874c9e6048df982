import {
  AdminPoolRequest,
  AdminPoolRequestList,
  AdminPoolRequestListQuery,
  AdminPoolRequestParams,
  ApprovePoolRequest,
  type Environment,
  WithReason,
} from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import {
  approvalsNeeded,
  approvePoolRequest,
  denyPoolRequest,
  findPoolRequest,
  listAllPoolRequests,
  type PoolRequest,
  presentPoolRequest,
} from '../pools/index.ts';
import { adminOf, auditCall, needFreshOtp } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';

const REQUESTER_PREFIX = { API_KEY: 'acc', MEMBER: 'acc', ADMIN: 'acc', AUTO_REFILL: 'pool' } as const;

function present(row: PoolRequest): AdminPoolRequest {
  const approvers = [row.firstApprovedBy, row.secondApprovedBy].filter((id) => id !== null);
  return {
    partnerId: publicId('ptn', row.partnerId),
    environment: row.environment,
    requestedById: publicId(REQUESTER_PREFIX[row.requestedByKind], row.requestedBy),
    approvals: approvers.map((id) => publicId('acc', id)),
    approvalsNeeded: approvalsNeeded(row.environment, row.approvedTokens ?? row.tokens),
    amountInApproval: row.approvedTokens,
    deniedBy: row.deniedBy === null ? null : publicId('acc', row.deniedBy),
    request: presentPoolRequest(row),
  };
}

/** What of a request the audit log keeps. */
function stateOf({ status, tokens, approvedTokens, firstApprovedBy, secondApprovedBy }: PoolRequest): object {
  const approvals = [firstApprovedBy, secondApprovedBy].filter((id) => id !== null).length;
  return { status, tokens, approvedTokens, approvals };
}

async function getRequest(sql: Queryable, environment: Environment, id: string): Promise<PoolRequest> {
  const request = await findPoolRequest(sql, environment, id);
  if (request === undefined) throw problem('NOT_FOUND', 'There is no request with this id.');
  return request;
}

/** The endpoints under `/v1/admin/pool-requests`. */
export function poolRequestAdminEndpoints(deps: AdminDependencies) {
  const { sql } = deps;
  const list = endpoint(
    {
      summary: 'List requests for tokens of all partners',
      description: 'Newest first.',
      query: AdminPoolRequestListQuery,
      status: 200,
      answer: AdminPoolRequestList,
      errors: ['INVALID_CURSOR'],
    },
    async (call) => {
      const { status, partnerId: named } = call.query;
      const filter = { status, partnerId: named === undefined ? undefined : rowId('ptn', named) };
      const page = await listAllPoolRequests(sql, adminOf(call).environment, filter, pageRequest(call.query));
      return { ...page, data: page.data.map(present) };
    },
  );
  const get = endpoint(
    {
      summary: 'Get any request for tokens',
      params: AdminPoolRequestParams,
      status: 200,
      answer: AdminPoolRequest,
      errors: ['NOT_FOUND'],
    },
    async (call) => present(await getRequest(sql, adminOf(call).environment, call.params.id)),
  );
  return { list, get, ...decisionEndpoints(deps) };
}

function decisionEndpoints({ ids }: AdminDependencies) {
  const approve = keyedEndpoint(
    {
      summary: 'Approve a request for tokens',
      description:
        'Never by whoever asked. In production more than 100,000 tokens wait for a second admin who approves the same amount; until then the request stays PENDING.',
      params: AdminPoolRequestParams,
      body: ApprovePoolRequest,
      status: 200,
      answer: AdminPoolRequest,
      errors: [
        'NOT_FOUND',
        'REQUEST_DECIDED',
        'SECOND_PERSON_REQUIRED',
        'POOL_CLOSED',
        'LIMIT_REACHED',
        'OTP_REQUIRED',
      ],
    },
    async (tx, call) => {
      const { accountId: adminAccountId, environment } = needFreshOtp(call);
      const before = await getRequest(tx, environment, call.params.id);
      const { partnerId, id: requestId } = before;
      const { tokens, reason } = call.body;
      const named = { partnerId, environment, requestId };
      const after = await approvePoolRequest(tx, ids, named, { adminAccountId, tokens }, call.now);
      await auditCall(tx, ids, call, {
        action: 'pool_request.approve',
        ...{ partnerId, target: call.params.id, reason, before: stateOf(before), after: stateOf(after) },
      });
      return present(after);
    },
  );
  const deny = keyedEndpoint(
    {
      summary: 'Deny a request for tokens',
      description: 'The partner is told the reason.',
      params: AdminPoolRequestParams,
      body: WithReason,
      status: 200,
      answer: AdminPoolRequest,
      errors: ['NOT_FOUND', 'REQUEST_DECIDED'],
    },
    async (tx, call) => {
      const { accountId: adminAccountId, environment } = adminOf(call);
      const before = await getRequest(tx, environment, call.params.id);
      const { partnerId, id: requestId } = before;
      const { reason } = call.body;
      const after = await denyPoolRequest(
        tx,
        ids,
        { partnerId, environment, requestId },
        { adminAccountId, reason },
        call.now,
      );
      await auditCall(tx, ids, call, {
        action: 'pool_request.deny',
        ...{ partnerId, target: call.params.id, reason, before: stateOf(before), after: stateOf(after) },
      });
      return present(after);
    },
  );
  return { approve, deny };
}
