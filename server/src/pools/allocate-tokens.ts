import { lockBook, postTransactions, singletonAccount } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import type { NewEvent } from '../webhooks/record-events.ts';
import { poolBalances, settlePoolAlerts } from './pool-alerts.ts';

const REFUSALS = {
  notWhole: 'The amount must be a whole number of tokens above 0.',
  noPool: 'This partner has no such token pool in this environment.',
  closed: 'The token pool is closed.',
  tooMany: 'The partner’s tokens would be more than can be counted exactly.',
  tooFew: 'The token pool has fewer tokens than that.',
  notApproved: 'Production pools are funded by approved requests only.',
} as const;

/** Why nothing was put into a pool or taken out, in a sentence for the operator. Nothing was written. */
export class PoolFundingRefused extends Error {
  override readonly name = 'PoolFundingRefused';
  constructor(readonly reason: keyof typeof REFUSALS) {
    super(REFUSALS[reason]);
  }
}

const CODES = {
  notWhole: 'INVALID_REQUEST',
  noPool: 'NOT_FOUND',
  closed: 'POOL_CLOSED',
  tooMany: 'LIMIT_REACHED',
  tooFew: 'INSUFFICIENT_POOL',
  notApproved: 'SECOND_PERSON_REQUIRED',
} as const;

/** A refusal as an answer of the API. Other errors are passed on. */
export function asPoolProblem(error: unknown): unknown {
  return error instanceof PoolFundingRefused ? problem(CODES[error.reason], error.message) : error;
}

export interface PoolMovement {
  transactionId: string;
  /** The pool's balance after it, in whole tokens. */
  balance: number;
  /** What is to be told, in its order; the caller records it as its last write. */
  events: NewEvent[];
}

/** Tokens on their way between the environment's issuance and a pool. */
export interface WantedMovement extends Tenant {
  poolId: string;
  tokens: number;
  /** The approved request behind an allocation; the database refuses one in production without. */
  requestId?: string;
}

/**
 * Posts an ALLOCATION: `issuance` falls, the pool rises, percentages of its thresholds are of the balance after it from now on. Not
 * exported from the capability: who allocates in production has an approved request. Throws PoolFundingRefused.
 */
export async function allocateTokens(tx: Tx, ids: Ids, wanted: WantedMovement, now: Date): Promise<PoolMovement> {
  return moveTokens(tx, ids, 'ALLOCATION', wanted, now);
}

/** Posts an ALLOCATION or a WITHDRAWAL with the alerts that it causes. Throws PoolFundingRefused. */
export async function moveTokens(
  tx: Tx,
  ids: Ids,
  kind: 'ALLOCATION' | 'WITHDRAWAL',
  { partnerId, environment, poolId, tokens, requestId }: WantedMovement,
  now: Date,
): Promise<PoolMovement> {
  if (!Number.isSafeInteger(tokens) || tokens <= 0) throw new PoolFundingRefused('notWhole');
  const book = await lockBook(tx, {
    pools: [{ partnerId, id: poolId }],
    singletons: { partnerId, environment, kinds: ['issuance'] },
  });
  const pool = book.pools.get(poolId);
  const account = book.accounts.get(poolId);
  if (pool === undefined || account === undefined || pool.environment !== environment) {
    throw new PoolFundingRefused('noPool');
  }
  const amount = kind === 'ALLOCATION' ? tokens : -tokens;
  if (kind === 'ALLOCATION' && pool.status === 'CLOSED') throw new PoolFundingRefused('closed');
  if (account.balance + amount < 0) throw new PoolFundingRefused('tooFew');
  const issuance = singletonAccount(book, 'issuance');
  if (!Number.isSafeInteger(issuance.balance - amount)) throw new PoolFundingRefused('tooMany');
  const before = poolBalances(book);
  const transactionId = ids.uuid();
  const entries = [
    { accountId: issuance.id, amount: -amount },
    { accountId: poolId, amount },
  ];
  const request = requestId === undefined ? {} : { requestId };
  const draft = { partnerId, environment, id: transactionId, kind, poolId, tokens: amount, entries, ...request };
  await postTransactions(tx, book, [draft], now);
  const incidents = kind === 'ALLOCATION' ? { allocated: new Set([poolId]) } : {};
  const alerts = settlePoolAlerts(tx, book, before, incidents, ids, now);
  await alerts.saved;
  const events: NewEvent[] = [...alerts.events];
  if (kind === 'ALLOCATION') {
    const told = { poolId: publicId('pool', poolId), transactionId: publicId('txn', transactionId), tokens };
    const data = { ...told, balance: account.balance };
    events.unshift({ partnerId, environment, id: ids.uuid(), type: 'token_pool.funded', data, createdAt: now });
  }
  return { transactionId, balance: account.balance, events };
}
