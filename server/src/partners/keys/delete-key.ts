import type { Tx } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { revokeKey } from '../revoke-key.ts';
import { getKey, keyRowId } from './list-keys.ts';

/** Revokes a key for ever; once more is no mistake. Throws 404 `NOT_FOUND`. */
export async function deleteKey(tx: Tx, tenant: Tenant, id: string, now: Date): Promise<void> {
  await getKey(tx, tenant, id, now);
  await revokeKey(tx, { partnerId: tenant.partnerId, keyId: keyRowId(id) }, now);
}
