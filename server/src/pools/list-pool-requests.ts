import type { Environment, TokenPoolRequest } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { type PoolRequest, poolRequestColumns, presentPoolRequest } from './pool-request.ts';

/** The requests of a tenant, newest first. A pool that is not the tenant's finds nothing. */
export async function listPoolRequests(
  sql: Queryable,
  { partnerId, environment }: Tenant,
  filter: CreatedWindow & { status?: TokenPoolRequest['status']; poolId?: string },
  request: PageRequest,
): Promise<Page<TokenPoolRequest>> {
  const poolId = filter.poolId === undefined ? undefined : rowId('pool', filter.poolId);
  const matching = sql`
    from token_pool_requests
    where partner_id = ${partnerId} and environment = ${environment} ${createdWithin(sql, filter)}
      ${filter.status === undefined ? sql`` : sql`and status = ${filter.status}`}
      ${poolId === undefined ? sql`` : sql`and pool_id = ${poolId}`}`;
  const [rows, counted] = await Promise.all([
    sql<PoolRequest[]>`
      select ${poolRequestColumns(sql)} ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, presentPoolRequest, counted[0]?.total);
}

/** The requests of all partners in an environment, newest first, with the people behind them: for those who decide. */
export async function listAllPoolRequests(
  sql: Queryable,
  environment: Environment,
  filter: { status?: TokenPoolRequest['status'] | undefined; partnerId?: string | undefined },
  request: PageRequest,
): Promise<Page<PoolRequest>> {
  const matching = sql`
    from token_pool_requests
    where environment = ${environment}
      ${filter.partnerId === undefined ? sql`` : sql`and partner_id = ${filter.partnerId}`}
      ${filter.status === undefined ? sql`` : sql`and status = ${filter.status}`}`;
  const [rows, counted] = await Promise.all([
    sql<PoolRequest[]>`
      select ${poolRequestColumns(sql)} ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, (row) => row, counted[0]?.total);
}

/** Finds a request by its public id alone, whosever it is: for those who decide. */
export async function findPoolRequest(
  sql: Queryable,
  environment: Environment,
  requestId: string,
): Promise<PoolRequest | undefined> {
  const id = rowId('preq', requestId);
  if (id === undefined) return undefined;
  const [request] = await sql<PoolRequest[]>`
    select ${poolRequestColumns(sql)} from token_pool_requests where environment = ${environment} and id = ${id}`;
  return request;
}
