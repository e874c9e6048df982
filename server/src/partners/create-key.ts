import { createHash, randomBytes } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { hmacSecretPlace } from './hmac-secret-place.ts';

export interface NewKey {
  partnerId: string;
  environment: Environment;
  name: string;
  createdAt: Date;
  expiresAt?: Date | undefined;
  /** Canonical (allow-list.ts, allowed-origins.ts); empty: any. */
  allowedIps?: readonly string[];
  allowedOrigins?: readonly string[];
  /** The account that made it; left out: an operator. */
  createdBy?: string;
  /** The row id of the key that it takes the place of. */
  rotatedFrom?: string;
}

/** A new key pair. `secretKey` and `hmacSecret` are nowhere else in the clear: whoever gets this shows them once. */
export interface IssuedKey {
  /** The row's id. */
  id: string;
  publicKey: string;
  secretKey: string;
  hmacSecret: string;
}

const SECRET_BYTES = 32;
const PREFIXES: Record<Environment, string> = { sandbox: 'test', production: 'live' };

/**
 * Issues a publishable key, a secret key and an HMAC signing secret (contract §2: documented shapes). The secret key is kept as its
 * SHA-256, which is enough for 256 random bits; the HMAC secret is needed to verify and therefore sealed.
 */
export async function createKey(tx: Tx, ids: Ids, secretBox: SecretBox, wanted: NewKey): Promise<IssuedKey> {
  const { partnerId, environment, name, createdAt, expiresAt = null, createdBy = null, rotatedFrom = null } = wanted;
  const { allowedIps = [], allowedOrigins = [] } = wanted;
  const id = ids.uuid();
  const publicKey = `pk_${PREFIXES[environment]}_${randomHex()}`;
  const secretKey = `sk_${PREFIXES[environment]}_${randomHex()}`;
  const hmacSecret = randomHex();
  const sealed = secretBox.seal(hmacSecretPlace({ partnerId, environment, id }), hmacSecret);
  const inserted = await tx`
    insert into api_keys (partner_id, id, environment, name, public_key, secret_key_hash, hmac_secret_encrypted, allowed_ips,
      allowed_origins, created_at, expires_at, expiry_set_at, created_by, rotated_from, of_sandbox_only)
    select p.id, ${id}::uuid, ${environment}::text, ${name}::text, ${publicKey}::text, ${credentialHash(secretKey)}::bytea,
      ${sealed}::bytea, ${[...allowedIps]}::text[], ${[...allowedOrigins]}::text[], ${createdAt}::timestamptz, ${expiresAt}::timestamptz,
      ${expiresAt === null ? null : createdAt}::timestamptz, ${createdBy}::uuid, ${rotatedFrom}::uuid, p.sandbox_only
    from partners p where p.id = ${partnerId}`;
  if (inserted.count !== 1) throw new Error(`there is no partner ${partnerId}`);
  await tx`
    insert into api_key_lookup (credential_hash, kind, environment, partner_id, api_key_id)
    values
      (${credentialHash(publicKey)}, 'publishable', ${environment}, ${partnerId}, ${id}),
      (${credentialHash(secretKey)}, 'secret', ${environment}, ${partnerId}, ${id})`;
  return { id, publicKey, secretKey, hmacSecret };
}

/** What a key is looked up by. */
export function credentialHash(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function randomHex(): string {
  return randomBytes(SECRET_BYTES).toString('hex');
}
