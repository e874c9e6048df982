import { TokenPool, TokenPoolList, TokenPoolListQuery, TokenPoolParams } from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint } from '../platform/endpoint.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { getPool, listPools } from './queries.ts';

export interface PoolDependencies {
  sql: Sql;
}

/** The endpoints under `/v1/partner/token-pools`; a pool's transactions are with `transactionEndpoints`. */
export function poolEndpoints({ sql }: PoolDependencies) {
  const list = endpoint(
    {
      summary: 'List token pools',
      description: 'Newest first. Actions draw from the one with `isDefault`.',
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
        '`balance` = `allocated` − `issued` + `reversed`: what was put in, given out as rewards, and came back by reversals.',
      params: TokenPoolParams,
      status: 200,
      answer: TokenPool,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => getPool(sql, tenant, params.id),
  );
  return { list, get };
}
