import {
  AdminPartnerParams,
  AdminPoolParams,
  ClosedAdminPool,
  CreateAdminPool,
  CreatedAdminPool,
  FundedAdminPool,
  MoveTokens,
  WithdrawnAdminPool,
  WithReason,
} from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import { keyedEndpoint } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { asPoolProblem, closePool, createPool, filePoolRequest, fundPool, withdrawTokens } from '../pools/index.ts';
import { type AdminCall, adminOf, auditCall, needFreshOtp } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import { readPartner } from './find-partners.ts';

type PoolCall = AdminCall & { params: { partnerId: string; id: string } };

function poolOf(call: PoolCall) {
  const partnerId = rowId('ptn', call.params.partnerId);
  const poolId = rowId('pool', call.params.id);
  if (partnerId === undefined || poolId === undefined)
    throw problem('NOT_FOUND', 'There is no token pool with this id.');
  return { partnerId, environment: adminOf(call).environment, poolId };
}

/** The endpoints under `/v1/admin/partners/:partnerId/token-pools`. */
export function poolAdminEndpoints(deps: AdminDependencies) {
  return { create: createEndpoint(deps), fund: fundEndpoint(deps), ...takingEndpoints(deps) };
}

function createEndpoint({ ids }: AdminDependencies) {
  return keyedEndpoint(
    {
      summary: 'Create a token pool for a partner',
      description: 'Empty. The first one of an environment becomes the default.',
      params: AdminPartnerParams,
      body: CreateAdminPool,
      status: 201,
      answer: CreatedAdminPool,
      errors: ['NOT_FOUND'],
    },
    async (tx, call) => {
      const { environment } = adminOf(call);
      const { id: partnerId } = await readPartner(tx, call.params.partnerId);
      const { name, reason } = call.body;
      const { poolId, isDefault } = await createPool(tx, ids, { partnerId, environment, name }, call.now);
      const id = publicId('pool', poolId);
      const after = { name, isDefault, balance: 0 };
      await auditCall(tx, ids, call, { action: 'pool.create', partnerId, target: id, reason, after });
      return { id, isDefault };
    },
  );
}

function fundEndpoint(deps: AdminDependencies) {
  return keyedEndpoint(
    {
      summary: 'Fund a token pool',
      description: 'At once in the sandbox. In production it files a request, which other admins have to approve.',
      params: AdminPoolParams,
      body: MoveTokens,
      status: 200,
      answer: FundedAdminPool,
      errors: ['NOT_FOUND', 'POOL_CLOSED', 'LIMIT_REACHED', 'OTP_REQUIRED'],
    },
    async (tx, call) => {
      const { environment } = needFreshOtp(call);
      const { id: poolId } = call.params;
      const { tokens, reason } = call.body;
      const fund = environment === 'production' ? fileFunding : fundAtOnce;
      const done = await fund(tx, deps, call);
      await auditCall(tx, deps.ids, call, {
        action: environment === 'production' ? 'pool.request_funding' : 'pool.fund',
        ...{ partnerId: poolOf(call).partnerId, target: poolId, reason, after: { tokens, ...done } },
      });
      return { poolId, tokens, ...done };
    },
  );
}

type MovingCall = PoolCall & { body: { tokens: number; reason: string } };

async function fileFunding(tx: Tx, { ids }: AdminDependencies, call: MovingCall) {
  const requester = { kind: 'ADMIN', id: adminOf(call).accountId } as const;
  const request = await filePoolRequest(tx, ids, { ...poolOf(call), ...call.body, requester }, call.now);
  return { status: 'REQUESTED', poolRequestId: publicId('preq', request.id) } as const;
}

async function fundAtOnce(tx: Tx, { ids }: AdminDependencies, call: MovingCall) {
  try {
    const { transactionId } = await fundPool(tx, ids, { ...poolOf(call), tokens: call.body.tokens }, call.now);
    return { status: 'FUNDED', transactionId: publicId('txn', transactionId) } as const;
  } catch (error) {
    throw asPoolProblem(error);
  }
}

function takingEndpoints({ ids }: AdminDependencies) {
  const withdraw = keyedEndpoint(
    {
      summary: 'Withdraw tokens from a token pool',
      description: 'Back to the issuance; also out of a closed pool.',
      params: AdminPoolParams,
      body: MoveTokens,
      status: 200,
      answer: WithdrawnAdminPool,
      errors: ['NOT_FOUND', 'INSUFFICIENT_POOL', 'OTP_REQUIRED'],
    },
    async (tx, call) => {
      needFreshOtp(call);
      const pool = poolOf(call);
      const { tokens, reason } = call.body;
      const { transactionId: row, balance } = await withdrawTokens(tx, ids, { ...pool, tokens }, call.now);
      const transactionId = publicId('txn', row);
      await auditCall(tx, ids, call, {
        action: 'pool.withdraw',
        ...{ partnerId: pool.partnerId, target: call.params.id, reason },
        ...{ before: { balance: balance + tokens }, after: { balance, transactionId } },
      });
      return { poolId: call.params.id, transactionId, balance };
    },
  );
  const close = keyedEndpoint(
    {
      summary: 'Close a token pool',
      description: 'For good: nothing goes in, and no action draws from it. What is left can be withdrawn.',
      params: AdminPoolParams,
      body: WithReason,
      status: 200,
      answer: ClosedAdminPool,
      errors: ['NOT_FOUND'],
    },
    async (tx, call) => {
      const pool = poolOf(call);
      const { balance } = await closePool(tx, pool);
      const { reason } = call.body;
      const after = { status: 'CLOSED', balance };
      const { partnerId } = pool;
      await auditCall(tx, ids, call, { action: 'pool.close', partnerId, target: call.params.id, reason, after });
      return { poolId: call.params.id, balance };
    },
  );
  return { withdraw, close };
}
