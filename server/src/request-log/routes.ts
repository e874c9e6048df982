import { RequestLogDetail, RequestLogList, RequestLogListQuery, RequestLogParams } from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint } from '../platform/endpoint.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { getRequest, listRequests } from './queries.ts';

/** The endpoints under `/v1/partner/requests`. */
export function requestLogEndpoints({ sql }: { sql: Sql }) {
  const list = endpoint(
    {
      summary: 'List requests',
      description:
        'What was asked of this API with your credentials in the last 14 days, newest first, some seconds behind. Requests that were not ' +
        'proven to be yours are not in it, nor are those for this log.',
      query: RequestLogListQuery,
      status: 200,
      answer: RequestLogList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listRequests(sql, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    {
      summary: 'Get a request',
      description: 'By the `X-Request-Id` of its answer, with what was sent and, where it was refused, why.',
      params: RequestLogParams,
      status: 200,
      answer: RequestLogDetail,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => getRequest(sql, tenant, params.id),
  );
  return { list, get };
}
