import { lockBook, postTransactions, singletonAccount } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { recordEvents } from '../webhooks/record-events.ts';

/** Why a pool was not funded, in a sentence for the operator. Nothing was written. */
export class PoolFundingRefused extends Error {
  override readonly name = 'PoolFundingRefused';
}

export interface FundedPool {
  transactionId: string;
  /** The pool's balance after it, in whole tokens. */
  balance: number;
}

/**
 * Allocates whole tokens to a pool: `issuance` falls, the pool rises, `token_pool.funded` tells of it. Throws PoolFundingRefused for
 * production data (an allocation there needs a request approved by a second person), an unknown or closed pool, and an amount that
 * is no whole number above 0 or would leave the exact integers.
 */
export async function fundPool(
  tx: Tx,
  ids: Ids,
  allocation: Tenant & { poolId: string; tokens: number },
  now: Date,
): Promise<FundedPool> {
  const { partnerId, environment, poolId, tokens } = allocation;
  if (environment === 'production') {
    throw new PoolFundingRefused('Production pools are funded by approved requests only.');
  }
  if (!Number.isSafeInteger(tokens) || tokens <= 0) {
    throw new PoolFundingRefused('The amount must be a whole number of tokens above 0.');
  }
  const book = await lockBook(tx, {
    pools: [{ partnerId, id: poolId }],
    singletons: { partnerId, environment, kinds: ['issuance'] },
  });
  const pool = book.pools.get(poolId);
  const account = book.accounts.get(poolId);
  if (pool === undefined || account === undefined || pool.environment !== environment) {
    throw new PoolFundingRefused('This partner has no such token pool in this environment.');
  }
  if (pool.status === 'CLOSED') throw new PoolFundingRefused('The token pool is closed.');
  const issuance = singletonAccount(book, 'issuance');
  if (!Number.isSafeInteger(issuance.balance - tokens)) {
    throw new PoolFundingRefused('The partner’s tokens would be more than can be counted exactly.');
  }
  const transactionId = ids.uuid();
  const entries = [
    { accountId: issuance.id, amount: -tokens },
    { accountId: poolId, amount: tokens },
  ];
  const draft = { partnerId, environment, id: transactionId, kind: 'ALLOCATION', poolId, tokens, entries } as const;
  await postTransactions(tx, book, [draft], now);
  const balance = account.balance;
  const data = {
    poolId: publicId('pool', poolId),
    transactionId: publicId('txn', transactionId),
    tokens,
    balance,
  };
  await recordEvents(tx, [{ partnerId, environment, id: ids.uuid(), type: 'token_pool.funded', data, createdAt: now }]);
  return { transactionId, balance };
}
