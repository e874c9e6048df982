import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { noSuchWebhook, webhookRowId } from './queries.ts';

/**
 * Deletes a webhook: nothing is sent to it any more, what was waiting is CANCELED, and its deliveries stay readable. Its custom headers
 * are erased. Throws 404 `NOT_FOUND`.
 */
export async function deleteWebhook(tx: Tx, tenant: Tenant, id: string, now: Date): Promise<void> {
  const endpointId = webhookRowId(id);
  const deleted = await tx`
    update webhook_endpoints set deleted_at = ${now}, updated_at = ${now}, headers_encrypted = null
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = ${endpointId} and deleted_at is null`;
  if (deleted.count === 0) throw noSuchWebhook();
  // Locked in order of ids first, as whoever records attempts does: an UPDATE alone has no order.
  await tx`
    update webhook_deliveries d set status = 'CANCELED', next_attempt_at = null, updated_at = ${now}
    from (
      select id from webhook_deliveries
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and endpoint_id = ${endpointId}
        and status = 'PENDING'
      order by id
      for no key update
    ) waiting
    where d.partner_id = ${tenant.partnerId} and d.id = waiting.id`;
}
