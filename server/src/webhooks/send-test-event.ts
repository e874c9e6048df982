import type { WebhookTest } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { noSuchWebhook, webhookRowId } from './queries.ts';
import { recordEvents } from './record-events.ts';

/**
 * Sends `webhook.test` to one endpoint, whatever types it asked for, through the same queue as everything else. It stands outside the
 * endpoint's order, so it has no sequence. Throws 404 `NOT_FOUND`, 409 `WEBHOOK_PAUSED`.
 */
export async function sendTestEvent(
  tx: Tx,
  ids: Ids,
  { partnerId, environment }: Tenant,
  id: string,
  now: Date,
): Promise<WebhookTest> {
  const endpointId = webhookRowId(id);
  const [endpoint] = await tx<{ status: string }[]>`
    select status from webhook_endpoints
    where partner_id = ${partnerId} and environment = ${environment} and id = ${endpointId} and deleted_at is null
    for no key update`;
  if (endpoint === undefined) throw noSuchWebhook();
  if (endpoint.status !== 'ACTIVE') throw problem('WEBHOOK_PAUSED', 'A paused webhook is sent nothing.');
  const eventId = ids.uuid();
  const deliveryId = ids.uuid();
  await tx`
    insert into webhook_deliveries (
      partner_id, id, environment, endpoint_id, event_id, status, next_attempt_at, created_at, updated_at
    ) values (${partnerId}, ${deliveryId}, ${environment}, ${endpointId}, ${eventId}, 'PENDING', ${now}, ${now}, ${now})`;
  const data = { webhookId: publicId('whk', endpointId), message: 'Your endpoint receives webhooks.' };
  await recordEvents(tx, [{ partnerId, environment, id: eventId, type: 'webhook.test', data, createdAt: now }]);
  return { eventId: publicId('evt', eventId), deliveryId: publicId('dlv', deliveryId) };
}
