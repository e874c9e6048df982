import type { RotatedKey } from '@sirgiving/contract';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Tx } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { type Ids, publicId } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import { createKey } from '../create-key.ts';
import { keyRowId, noSuchKey } from './list-keys.ts';
import { type ApiKeyRow, keyColumns, presentIssued } from './present-key.ts';

export interface Rotation {
  id: string;
  /** How long the old key works on. 0: it stops at once, for ever. */
  overlapHours: number;
  /** The account that asks for it. */
  createdBy: string;
}

const HOUR_MILLISECONDS = 3_600_000;

/**
 * Makes the successor of a key, with its name and lists and, where it had one, the same length of life. A key has one successor, so a
 * line of keys never forks. Throws 404 `NOT_FOUND`, 409 `KEY_NOT_ROTATABLE`.
 */
export async function rotateKey(
  tx: Tx,
  deps: { ids: Ids; secretBox: SecretBox },
  tenant: Tenant,
  rotation: Rotation,
  now: Date,
): Promise<RotatedKey> {
  const old = await lockRotatable(tx, tenant, rotation.id, now);
  const { partnerId, environment } = tenant;
  const { name, allowedIps, allowedOrigins } = old;
  const expiresAt = old.expiresAt === null ? undefined : sameLife(old.expiresAt, old.createdAt, now);
  const lineage = { createdBy: rotation.createdBy, rotatedFrom: old.id };
  const wanted = { partnerId, environment, name, allowedIps, allowedOrigins, createdAt: now, expiresAt, ...lineage };
  const issued = await createKey(tx, deps.ids, deps.secretBox, wanted);
  const previousExpiresAt = endOf(old, rotation.overlapHours, now);
  await tx`
    update api_keys
    set expires_at = ${previousExpiresAt}, expiry_set_at = ${now}, revoked_at = ${rotation.overlapHours === 0 ? now : null}
    where partner_id = ${partnerId} and id = ${old.id}`;
  await raiseCredentialChanges(tx);
  return {
    ...presentIssued(tenant, issued, { name, createdAt: now, expiresAt }),
    rotatedFrom: publicId('key', old.id),
    previousExpiresAt: previousExpiresAt.toISOString(),
  };
}

async function lockRotatable(tx: Tx, { partnerId, environment }: Tenant, id: string, now: Date): Promise<ApiKeyRow> {
  const keyId = keyRowId(id);
  // Its own statement: who has waited for the lock then sees the successor that was made meanwhile.
  await tx`select from api_keys where partner_id = ${partnerId} and id = ${keyId} for no key update`;
  const [row] = await tx<ApiKeyRow[]>`
    select ${keyColumns(tx)} from api_keys k
    where k.partner_id = ${partnerId} and k.environment = ${environment} and k.id = ${keyId}`;
  if (row === undefined) throw noSuchKey();
  const { rotatedTo, revokedAt, isActive, expiresAt } = row;
  if (rotatedTo !== null) {
    throw problem('KEY_NOT_ROTATABLE', `The key has a successor already: ${publicId('key', rotatedTo)}.`);
  }
  if (revokedAt !== null || !isActive || (expiresAt !== null && expiresAt <= now)) {
    throw problem('KEY_NOT_ROTATABLE', 'The key is revoked, switched off or expired. Create a new one instead.');
  }
  return row;
}

function sameLife(expiresAt: Date, createdAt: Date, now: Date): Date {
  return new Date(now.getTime() + expiresAt.getTime() - createdAt.getTime());
}

/** An overlap never lengthens a key's life. */
function endOf({ expiresAt }: ApiKeyRow, overlapHours: number, now: Date): Date {
  const end = now.getTime() + overlapHours * HOUR_MILLISECONDS;
  return new Date(expiresAt === null ? end : Math.min(end, expiresAt.getTime()));
}
