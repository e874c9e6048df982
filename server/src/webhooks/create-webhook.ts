import { randomBytes } from 'node:crypto';
import type { CreatedWebhook, CreateWebhook } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { assertAllowedDestination, type DestinationRefusal, DestinationRefused } from '../platform/guarded-fetch.ts';
import type { Ids } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { assertCustomHeaders } from './custom-headers.ts';
import { sealHeaders, sealSecret } from './endpoint-secrets.ts';
import { startWithNewEvents } from './fan-out.ts';
import { presentWebhook } from './present-webhook.ts';

const MAX_WEBHOOKS = 20;
const SECRET_BYTES = 32;

/**
 * What can be said about a new webhook without the database, the look-up of its host name included; so outside of any transaction.
 * Throws 400 `INVALID_REQUEST` and 422 `DESTINATION_NOT_ALLOWED`.
 */
export async function judgeNewWebhook(body: CreateWebhook, allowInsecureLoopback: boolean): Promise<void> {
  if (body.receiveAllEvents !== true && (body.eventTypes ?? []).length === 0) {
    throw problem('INVALID_REQUEST', 'Name `eventTypes`, or set `receiveAllEvents`.', {
      errors: [{ path: '/eventTypes', message: 'must name at least one type unless receiveAllEvents is true' }],
    });
  }
  assertCustomHeaders(body.headers ?? {});
  try {
    await assertAllowedDestination(body.url, { allowInsecureLoopback });
  } catch (error) {
    if (!(error instanceof DestinationRefused)) throw error;
    const reason: DestinationRefusal = error.reason;
    throw problem('DESTINATION_NOT_ALLOWED', `Webhooks cannot be sent to this address: ${error.message}.`, {
      errors: [{ path: '/url', message: error.message }],
      extensions: { reason },
    });
  }
}

/** Registers a webhook; the answer shows its secret, for the only time. Throws 409 `LIMIT_REACHED`. */
export async function createWebhook(
  tx: Tx,
  deps: { ids: Ids; secretBox: SecretBox },
  tenant: Tenant,
  body: CreateWebhook,
  now: Date,
): Promise<CreatedWebhook> {
  await assertRoomForOne(tx, tenant);
  await startWithNewEvents(tx, tenant);
  const place = { ...tenant, endpointId: deps.ids.uuid() };
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString('hex')}`;
  const row = {
    partnerId: tenant.partnerId,
    id: place.endpointId,
    environment: tenant.environment,
    url: body.url,
    description: body.description ?? null,
    eventTypes: body.eventTypes ?? [],
    receiveAllEvents: body.receiveAllEvents ?? false,
    headersEncrypted: sealHeaders(deps.secretBox, place, body.headers ?? {}),
    status: 'ACTIVE' as const,
    createdAt: now,
    updatedAt: now,
  };
  await tx`
    insert into webhook_endpoints (
      partner_id, id, environment, url, description, event_types, receive_all_events, headers_encrypted, secret_encrypted, created_at,
      updated_at
    ) values (
      ${row.partnerId}, ${row.id}, ${row.environment}, ${row.url}, ${row.description}, ${row.eventTypes}::text[], ${row.receiveAllEvents},
      ${row.headersEncrypted}, ${sealSecret(deps.secretBox, place, secret)}, ${now}, ${now}
    )`;
  return { ...presentWebhook(deps.secretBox, row), secret };
}

/** The rows there are serve as the lock: where the limit could be passed by two at once, there are some. */
async function assertRoomForOne(tx: Tx, tenant: Tenant): Promise<void> {
  const [, [counted]] = await Promise.all([
    tx`
      select id from webhook_endpoints
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and deleted_at is null
      order by id
      for no key update`,
    tx<{ count: number }[]>`
      select count(*) as count from webhook_endpoints
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and deleted_at is null`,
  ]);
  if (counted !== undefined && counted.count < MAX_WEBHOOKS) return;
  throw problem('LIMIT_REACHED', `A partner has at most ${MAX_WEBHOOKS} webhooks per environment.`);
}
