import {
  RequestTokenPool,
  TokenPool,
  TokenPoolList,
  TokenPoolListQuery,
  TokenPoolParams,
  TokenPoolRequest,
  TokenPoolRequestList,
  TokenPoolRequestListQuery,
  UpdateTokenPool,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { requestPool } from './file-pool-request.ts';
import { listPoolRequests } from './list-pool-requests.ts';
import { getPool, listPools } from './queries.ts';
import { updatePool } from './update-pool.ts';

export interface PoolDependencies {
  sql: Sql;
  ids: Ids;
}

/** The endpoints under `/v1/partner/token-pools`; a pool's transactions are with `transactionEndpoints`. */
export function poolEndpoints(deps: PoolDependencies) {
  return { ...readingEndpoints(deps), patch: patchEndpoint(deps), ...requestEndpoints(deps) };
}

function readingEndpoints({ sql }: PoolDependencies) {
  const list = endpoint(
    {
      summary: 'List token pools',
      description: 'Newest first. Actions draw from the one with `isDefault`. `runway` is with a single pool only.',
      query: TokenPoolListQuery,
      status: 200,
      answer: TokenPoolList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listPools(sql, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    {
      summary: 'Get a token pool',
      description:
        '`balance` = `allocated` − `issued` + `reversed`: what was put in, given out as rewards, and came back by reversals. `runway` says how ' +
        'fast it is used up and for how many days it lasts.',
      params: TokenPoolParams,
      status: 200,
      answer: TokenPool,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params, now }) => getPool(sql, tenant, params.id, now),
  );
  return { list, get };
}

function patchEndpoint({ ids }: PoolDependencies) {
  return keyedEndpoint(
    {
      summary: 'Change a token pool',
      description:
        'Fields left out stay as they are; `rates`, `restrictions` and `lowBalance.thresholds` are replaced as a whole, and everything holds from ' +
        'the next action on.\n\n' +
        '**Low balance.** `token_pool.low_balance` is sent once when the balance comes to a threshold or below, and again only after ' +
        '`token_pool.recovered`: 5 percentage points of the last allocation’s balance above it. `token_pool.depleted` is sent when the pool is empty ' +
        'or refuses its first action. A new threshold that is reached already is told at once. ' +
        'A pool begins with one threshold of 20 percent.\n\n' +
        '**Auto-refill.** When the balance is at `floor` or below, `amount` tokens are added, at most `monthlyCeiling` in a calendar month (UTC). In ' +
        'production each refill is a request that SIR Giving approves; after a denial the next one waits a day.\n\n' +
        '**Failed actions.** With `reprocessFailed.actions`, actions of the last 30 days that failed with `NO_ACTIVE_POOL` or `INSUFFICIENT_POOL` are ' +
        'processed again, in their order, each time the default pool is funded; each is rewarded at most once. Off unless you turn it on.\n\n' +
        'Vesting, expiry and redemption limits of a pool are not part of this edition.',
      params: TokenPoolParams,
      body: UpdateTokenPool,
      status: 200,
      answer: TokenPool,
      errors: ['NOT_FOUND', 'POOL_CLOSED'],
      ignoresUnknownFields: true,
    },
    (tx, { tenant, params, body, now }) => updatePool(tx, ids, tenant, params.id, body, now),
  );
}

function requestEndpoints({ sql, ids }: PoolDependencies) {
  const request = keyedEndpoint(
    {
      summary: 'Request tokens',
      description:
        'For the pool `poolId`, for a new one called `name`, or without either for your default pool, which is made where there is none yet. ' +
        'In the sandbox up to 1,000,000 tokens are approved and allocated at once. In production SIR Giving decides, and may approve another ' +
        'amount: `token_pool.request.approved` or `token_pool.request.denied` tells you.',
      body: RequestTokenPool,
      status: 201,
      answer: TokenPoolRequest,
      errors: ['NOT_FOUND', 'POOL_CLOSED', 'LIMIT_REACHED'],
      ignoresUnknownFields: true,
    },
    (tx, call) => requestPool(tx, ids, call),
  );
  const requests = endpoint(
    {
      summary: 'List requests for tokens',
      description: 'Newest first, those that auto-refill filed included.',
      query: TokenPoolRequestListQuery,
      status: 200,
      answer: TokenPoolRequestList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listPoolRequests(sql, tenant, query, pageRequest(query)),
  );
  return { request, requests };
}
