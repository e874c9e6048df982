import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';

/** Names a key of a partner by its row. */
export interface KeyReference {
  partnerId: string;
  keyId: string;
}

/**
 * Revokes a key for ever: within a second of the COMMIT no process accepts it. Answers false where it was revoked already or does
 * not exist.
 */
export async function revokeKey(tx: Tx, { partnerId, keyId }: KeyReference, now: Date): Promise<boolean> {
  const { count } = await tx`
    update api_keys set revoked_at = ${now} where partner_id = ${partnerId} and id = ${keyId} and revoked_at is null`;
  if (count === 0) return false;
  await raiseCredentialChanges(tx);
  return true;
}
