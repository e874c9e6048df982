import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import { canonicalAllowList } from './allow-list.ts';
import type { KeyReference } from './revoke-key.ts';

/** Switches a key off, or on again. */
export async function setKeyActive(tx: Tx, key: KeyReference, isActive: boolean): Promise<void> {
  const { count } = await tx`
    update api_keys set is_active = ${isActive} where partner_id = ${key.partnerId} and id = ${key.keyId}`;
  await changed(tx, count);
}

/** Sets when a key stops working; null: never. */
export async function setKeyExpiry(tx: Tx, key: KeyReference, expiresAt: Date | null): Promise<void> {
  const { count } = await tx`
    update api_keys set expires_at = ${expiresAt} where partner_id = ${key.partnerId} and id = ${key.keyId}`;
  await changed(tx, count);
}

/** Sets the addresses (CIDR, or single ones) that requests with a key may come from; an empty list: any. INVALID_REQUEST names a bad one. */
export async function setKeyAllowList(tx: Tx, key: KeyReference, allowedIps: readonly string[]): Promise<void> {
  const ranges = canonicalAllowList(allowedIps);
  const { count } = await tx`
    update api_keys set allowed_ips = ${ranges}::text[] where partner_id = ${key.partnerId} and id = ${key.keyId}`;
  await changed(tx, count);
}

async function changed(tx: Tx, count: number): Promise<void> {
  if (count === 0) throw problem('NOT_FOUND', 'There is no such key.');
  await raiseCredentialChanges(tx);
}
