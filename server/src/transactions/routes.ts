import {
  OwnedTransactionListQuery,
  TokenPoolParams,
  Transaction,
  TransactionList,
  TransactionListQuery,
  TransactionParams,
  UserParams,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint } from '../platform/endpoint.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { getTransaction, listPoolTransactions, listTransactions, listUserTransactions } from './queries.ts';

export interface TransactionDependencies {
  sql: Sql;
}

/** The endpoints under `/v1/partner/transactions`, and the transactions of one user and of one token pool. */
export function transactionEndpoints({ sql }: TransactionDependencies) {
  const list = endpoint(
    {
      summary: 'List transactions',
      description: 'Newest first. Filters are joined by “and”; an id that is not yours finds nothing.',
      query: TransactionListQuery,
      status: 200,
      answer: TransactionList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listTransactions(sql, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    {
      summary: 'Get a transaction',
      description:
        'Rows of the ledger never change: a reversal is a row of its own that names the one it `reversesId`.',
      params: TransactionParams,
      status: 200,
      answer: Transaction,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => getTransaction(sql, tenant, params.id),
  );
  return { list, get, ...ownedEndpoints(sql) };
}

function ownedEndpoints(sql: Sql) {
  const ofUser = endpoint(
    {
      summary: 'List a user’s transactions',
      description: 'Newest first. `tokens` is signed as the user sees it.',
      params: UserParams,
      query: OwnedTransactionListQuery,
      status: 200,
      answer: TransactionList,
      errors: ['NOT_FOUND', 'INVALID_CURSOR'],
    },
    ({ tenant, params, query }) => listUserTransactions(sql, tenant, params.externalId, query, pageRequest(query)),
  );
  const ofPool = endpoint(
    {
      summary: 'List a token pool’s transactions',
      description: 'In the order of the pool’s hash chain, newest first.',
      params: TokenPoolParams,
      query: OwnedTransactionListQuery,
      status: 200,
      answer: TransactionList,
      errors: ['NOT_FOUND', 'INVALID_CURSOR'],
    },
    ({ tenant, params, query }) => listPoolTransactions(sql, tenant, params.id, query, pageRequest(query)),
  );
  return { ofUser, ofPool };
}
