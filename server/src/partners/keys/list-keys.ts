import type { ApiKey, KeyStatus } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../../platform/created-window.ts';
import type { Queryable } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { rowId } from '../../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../../platform/keyset-page.ts';
import { type Problem, problem } from '../../platform/problem-json.ts';
import { type ApiKeyRow, keyColumns, presentKey, statusInSql } from './present-key.ts';

export function noSuchKey(): Problem {
  return problem('NOT_FOUND', 'There is no key with this id.');
}

/** The row id of a key's public id. Throws 404 `NOT_FOUND` for what is none. */
export function keyRowId(id: string): string {
  const row = rowId('key', id);
  if (row === undefined) throw noSuchKey();
  return row;
}

/** One key of a tenant, revoked or not. Throws 404 `NOT_FOUND`. */
export async function getKey(
  sql: Queryable,
  { partnerId, environment }: Tenant,
  id: string,
  now: Date,
): Promise<ApiKey> {
  const [row] = await sql<ApiKeyRow[]>`
    select ${keyColumns(sql)} from api_keys k
    where k.partner_id = ${partnerId} and k.environment = ${environment} and k.id = ${keyRowId(id)}`;
  if (row === undefined) throw noSuchKey();
  return presentKey(row, now);
}

/** The keys of a tenant, newest first. */
export async function listKeys(
  sql: Queryable,
  { partnerId, environment }: Tenant,
  filter: CreatedWindow & { status?: KeyStatus },
  request: PageRequest,
  now: Date,
): Promise<Page<ApiKey>> {
  const matching = sql`
    from api_keys k
    where k.partner_id = ${partnerId} and k.environment = ${environment}
      ${filter.status === undefined ? sql`` : sql`and ${statusInSql(sql, now)} = ${filter.status}`}
      ${createdWithin(sql, filter)}`;
  const [rows, counted] = await Promise.all([
    sql<ApiKeyRow[]>`
      select ${keyColumns(sql)} ${matching}
      ${request.before === undefined ? sql`` : sql`and k.id < ${request.before}`}
      order by k.id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, (row) => presentKey(row, now), counted[0]?.total);
}
