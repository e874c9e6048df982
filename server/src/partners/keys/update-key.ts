import type { ApiKey, UpdateKey } from '@sirgiving/contract';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Tx } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { canonicalAllowList } from '../allow-list.ts';
import { canonicalOrigins } from './allowed-origins.ts';
import { assertFuture } from './key-expiry.ts';
import { getKey, keyRowId, noSuchKey } from './list-keys.ts';

/**
 * Renames a key, switches it off or on, sets its expiry and the addresses and origins that it may be used from; every process judges by
 * that within a second. Throws 404 `NOT_FOUND` and 400 `INVALID_REQUEST`.
 */
export async function updateKey(tx: Tx, tenant: Tenant, id: string, body: UpdateKey, now: Date): Promise<ApiKey> {
  const { partnerId, environment } = tenant;
  const { name, isActive, expiresAt, allowedIps, allowedOrigins } = body;
  const changes = {
    ...(name === undefined ? {} : { name }),
    ...(isActive === undefined ? {} : { is_active: isActive }),
    ...(allowedIps === undefined ? {} : { allowed_ips: canonicalAllowList(allowedIps) }),
    ...(allowedOrigins === undefined ? {} : { allowed_origins: canonicalOrigins(allowedOrigins, environment) }),
    ...(expiresAt === undefined ? {} : expiry(expiresAt === null ? null : assertFuture(expiresAt, now), now)),
  };
  if (Object.keys(changes).length > 0) {
    const { count } = await tx`
      update api_keys set ${tx(changes)}
      where partner_id = ${partnerId} and environment = ${environment} and id = ${keyRowId(id)}`;
    if (count === 0) throw noSuchKey();
  }
  const key = await getKey(tx, tenant, id, now);
  await raiseCredentialChanges(tx);
  return key;
}

/** Notices are given anew for a new expiry. */
function expiry(expiresAt: Date | null, now: Date) {
  return { expires_at: expiresAt, expiry_set_at: expiresAt === null ? null : now, expiry_notice_days: null };
}
