import type { Delivery, DeliveryDetail, Webhook } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import {
  type AttemptRow,
  type DeliveryRow,
  presentAttempt,
  presentDelivery,
  presentWebhook,
  type WebhookRow,
} from './present-webhook.ts';

const webhookColumns = (sql: Queryable) => sql`
  partner_id as "partnerId", id, environment, url, description, event_types as "eventTypes", receive_all_events as "receiveAllEvents",
  headers_encrypted as "headersEncrypted", status, created_at as "createdAt", updated_at as "updatedAt"`;

const deliveryColumns = (sql: Queryable, tenant: Tenant) => sql`
  d.id, d.endpoint_id as "endpointId", d.event_id as "eventId",
  (select v.type from events v where v.partner_id = ${tenant.partnerId} and v.id = d.event_id) as "eventType",
  d.sequence, d.status, d.attempts, d.next_attempt_at as "nextAttemptAt", d.created_at as "createdAt", d.updated_at as "updatedAt"`;

export const noSuchWebhook = () => problem('NOT_FOUND', 'There is no webhook with this id.');

/** The row id of a webhook's public id. Throws 404 `NOT_FOUND` for what is none. */
export function webhookRowId(id: string): string {
  const row = rowId('whk', id);
  if (row === undefined) throw noSuchWebhook();
  return row;
}

/** One webhook that is not deleted. Throws 404 `NOT_FOUND`. */
export async function getWebhook(sql: Queryable, box: SecretBox, tenant: Tenant, id: string): Promise<Webhook> {
  const [row] = await sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhook_endpoints
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = ${webhookRowId(id)}
      and deleted_at is null`;
  if (row === undefined) throw noSuchWebhook();
  return presentWebhook(box, row);
}

/** The webhooks of a tenant, newest first. */
export async function listWebhooks(
  sql: Queryable,
  box: SecretBox,
  tenant: Tenant,
  filter: CreatedWindow,
  request: PageRequest,
): Promise<Page<Webhook>> {
  const matching = sql`
    from webhook_endpoints
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and deleted_at is null
      ${createdWithin(sql, filter)}`;
  const [rows, counted] = await Promise.all([
    sql<WebhookRow[]>`
      select ${webhookColumns(sql)} ${matching}
      ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, (row) => presentWebhook(box, row), counted[0]?.total);
}

/** What a list of deliveries can be narrowed to. */
export interface DeliveryFilter extends CreatedWindow {
  status?: string;
  /** Those behind this number, ascending: what a receiver asks for that has seen a gap. */
  afterSequence?: number;
}

/**
 * The deliveries of a webhook, also of a deleted one: newest first, or with `afterSequence` in the endpoint's order. Throws 404
 * `NOT_FOUND`.
 */
export async function listDeliveries(
  sql: Queryable,
  tenant: Tenant,
  webhookId: string,
  filter: DeliveryFilter,
  request: PageRequest,
): Promise<Page<Delivery>> {
  const endpointId = webhookRowId(webhookId);
  const [endpoint] = await sql`
    select 1 from webhook_endpoints
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = ${endpointId}`;
  if (endpoint === undefined) throw noSuchWebhook();
  const { status, afterSequence } = filter;
  const matching = sql`
    from webhook_deliveries d
    where d.partner_id = ${tenant.partnerId} and d.environment = ${tenant.environment} and d.endpoint_id = ${endpointId}
      ${createdWithin(sql, filter)}
      ${status === undefined ? sql`` : sql`and d.status = ${status}`}
      ${afterSequence === undefined ? sql`` : sql`and d.sequence > ${afterSequence}`}`;
  const behindCursor = request.before === undefined ? sql`` : pastCursor(sql, tenant, request.before, afterSequence);
  const [rows, counted] = await Promise.all([
    sql<DeliveryRow[]>`
      select ${deliveryColumns(sql, tenant)} ${matching} ${behindCursor}
      order by ${afterSequence === undefined ? sql`d.id desc` : sql`d.sequence`}
      limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, presentDelivery, counted[0]?.total);
}

/** A cursor is the id of the last row before; in the endpoint's order it stands for that row's number. */
function pastCursor(sql: Queryable, tenant: Tenant, before: string, afterSequence: number | undefined) {
  if (afterSequence === undefined) return sql`and d.id < ${before}`;
  return sql`
    and d.sequence > (
      select l.sequence from webhook_deliveries l where l.partner_id = ${tenant.partnerId} and l.id = ${before}
    )`;
}

/** One delivery with its attempts, oldest first. Throws 404 `NOT_FOUND`. */
export async function getDelivery(sql: Queryable, tenant: Tenant, id: string): Promise<DeliveryDetail> {
  const deliveryId = rowId('dlv', id);
  const noSuchDelivery = () => problem('NOT_FOUND', 'There is no delivery with this id.');
  if (deliveryId === undefined) throw noSuchDelivery();
  const [[row], attempts] = await Promise.all([
    sql<DeliveryRow[]>`
      select ${deliveryColumns(sql, tenant)} from webhook_deliveries d
      where d.partner_id = ${tenant.partnerId} and d.environment = ${tenant.environment} and d.id = ${deliveryId}`,
    sql<AttemptRow[]>`
      select attempt, started_at as "startedAt", duration_milliseconds as "durationMilliseconds", outcome,
        response_status as "responseStatus", response_body as "responseBody", error
      from webhook_attempts
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and delivery_id = ${deliveryId}
      order by attempt`,
  ]);
  if (row === undefined) throw noSuchDelivery();
  return { ...presentDelivery(row), attemptLog: attempts.map(presentAttempt) };
}

/** The address of a tenant's oldest webhook that is not deleted. */
export async function findFirstWebhookUrl(sql: Queryable, tenant: Tenant): Promise<string | undefined> {
  const [row] = await sql<{ url: string }[]>`
    select url from webhook_endpoints
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and deleted_at is null
    order by id limit 1`;
  return row?.url;
}

/** When a receiver of a tenant answered 2xx for the first time, as far back as deliveries are kept. */
export async function findFirstAnsweredDelivery(sql: Queryable, tenant: Tenant): Promise<Date | undefined> {
  const [row] = await sql<{ updatedAt: Date }[]>`
    select updated_at as "updatedAt" from webhook_deliveries
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and status = 'SUCCEEDED'
    order by id limit 1`;
  return row?.updatedAt;
}
