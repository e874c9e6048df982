import type { Environment, RequestLogDetail, RequestLogEntry } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';

interface EntryRow {
  id: string;
  environment: Environment;
  method: string;
  path: string;
  route: string;
  status: number;
  code: string | null;
  durationMilliseconds: number;
  caller: RequestLogEntry['caller'];
  apiKeyId: string | null;
  ip: string | null;
  replayed: boolean;
  ignoredFields: string[];
  createdAt: Date;
}

interface DetailRow extends EntryRow {
  bodyBytes: number;
  body: unknown;
  error: RequestLogDetail['error'] | null;
}

const columns = (sql: Queryable) => sql`
  id, environment, method, path, route, status, code, duration_milliseconds as "durationMilliseconds", caller,
  api_key_id as "apiKeyId", ip, replayed, ignored_fields as "ignoredFields", created_at as "createdAt"`;

function presentEntry({ id, code, apiKeyId, ip, createdAt, ...row }: EntryRow): RequestLogEntry {
  return {
    ...row,
    id: publicId('req', id),
    ...(code === null ? {} : { code }),
    ...(apiKeyId === null ? {} : { apiKeyId: publicId('key', apiKeyId) }),
    ...(ip === null ? {} : { ip }),
    createdAt: createdAt.toISOString(),
  };
}

export interface RequestFilter extends CreatedWindow {
  status?: number;
  method?: string;
  code?: string;
  apiKeyId?: string;
}

/** The partner's requests of this environment, newest first. */
export async function listRequests(
  sql: Queryable,
  tenant: Tenant,
  filter: RequestFilter,
  request: PageRequest,
): Promise<Page<RequestLogEntry>> {
  const { status, method, code } = filter;
  const apiKeyId = filter.apiKeyId === undefined ? undefined : (rowId('key', filter.apiKeyId) ?? null);
  const rows = await sql<EntryRow[]>`
    select ${columns(sql)} from request_log
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} ${createdWithin(sql, filter)}
      ${status === undefined ? sql`` : sql`and status = ${status}`}
      ${method === undefined ? sql`` : sql`and method = ${method}`}
      ${code === undefined ? sql`` : sql`and code = ${code}`}
      ${apiKeyId === undefined ? sql`` : sql`and api_key_id = ${apiKeyId}`}
      ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
    order by id desc limit ${request.limit + 1}`;
  return pageOf(request, rows, presentEntry);
}

/** One request with its body and what was wrong with it. Throws 404 `NOT_FOUND`. */
export async function getRequest(sql: Queryable, tenant: Tenant, requestId: string): Promise<RequestLogDetail> {
  const id = rowId('req', requestId);
  const [row] =
    id === undefined
      ? []
      : await sql<DetailRow[]>`
          select ${columns(sql)}, body_bytes as "bodyBytes", body, error from request_log
          where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = ${id}`;
  if (row === undefined) throw problem('NOT_FOUND', 'There is no request with this id in the last 14 days.');
  const { bodyBytes, body, error, ...entry } = row;
  return {
    ...presentEntry(entry),
    bodyBytes,
    ...(body === null ? {} : { body }),
    ...(error === null || error === undefined ? {} : { error }),
  };
}
