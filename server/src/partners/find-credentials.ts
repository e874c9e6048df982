import type { Environment, PartnerFeature } from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { type SecretBox, SecretNotOpened } from '../platform/secret-box.ts';
import type { Found } from '../platform/watched-cache.ts';
import { readAllowList } from './allow-list.ts';
import { credentialHash } from './create-key.ts';
import type { Credential, CredentialKind } from './credential.ts';
import { hmacSecretPlace } from './hmac-secret-place.ts';
import { type PartnerStatus, type RateTerms, rateLimitsOf, rateTermColumns } from './partner.ts';

interface CredentialRow extends RateTerms {
  hash: string;
  kind: CredentialKind;
  partnerId: string;
  apiKeyId: string;
  isActive: boolean;
  expiresAt: Date | null;
  allowedIps: string[];
  allowedOrigins: string[];
  hmacSecretEncrypted: Buffer;
  partnerStatus: PartnerStatus;
  features: PartnerFeature[];
}

/** A row that has only the counter when no key was found. */
type SnapshotRow = { change: number } & ({ hash: null } | CredentialRow);

/**
 * Looks up presented keys of one environment, all in one statement: so the rows and the counter of changes are of one snapshot, and a
 * change that is not in the rows is not in the counter either.
 */
export async function findCredentials(
  sql: Sql,
  secretBox: SecretBox,
  environment: Environment,
  keys: readonly string[],
): Promise<Found<Credential>> {
  const keyOfHash = new Map(keys.map((key) => [credentialHash(key).toString('hex'), key]));
  const rows = await sql<SnapshotRow[]>`
    select c.value as change, f.*
    from credential_changes c
    left join (
      select
        encode(l.credential_hash, 'hex') as hash, l.kind, k.partner_id as "partnerId", k.id as "apiKeyId",
        k.is_active and k.revoked_at is null as "isActive", k.expires_at as "expiresAt", k.allowed_ips as "allowedIps",
        k.allowed_origins as "allowedOrigins", k.hmac_secret_encrypted as "hmacSecretEncrypted", p.status as "partnerStatus",
        p.features, ${rateTermColumns(sql)}
      from api_key_lookup l
      join api_keys k on k.partner_id = l.partner_id and k.id = l.api_key_id and k.environment = l.environment
      join partners p on p.id = l.partner_id
      where l.environment = ${environment}
        and l.credential_hash = any (array(select decode(h, 'hex') from unnest(${[...keyOfHash.keys()]}::text[]) as h))
    ) f on true`;
  const [first] = rows;
  if (first === undefined) throw new Error('credential_changes is empty, and it must hold one row');
  const byKey: Found<Credential>['byKey'] = new Map();
  for (const row of rows) {
    const key = row.hash === null ? undefined : keyOfHash.get(row.hash);
    if (row.hash !== null && key !== undefined) byKey.set(key, readCredential(secretBox, environment, row));
  }
  return { change: first.change, byKey };
}

function readCredential(
  secretBox: SecretBox,
  environment: Environment,
  row: CredentialRow,
): Credential | SecretNotOpened {
  const { partnerId, apiKeyId, partnerStatus: status, features } = row;
  try {
    return {
      kind: row.kind,
      tenant: Object.freeze({ partnerId, environment }),
      apiKeyId,
      requestsPerMinute: rateLimitsOf(row)[environment],
      partner: { status, features },
      isActive: row.isActive,
      expiresAt: row.expiresAt?.getTime(),
      allowList: readAllowList(row.allowedIps),
      allowedOrigins: row.allowedOrigins.length === 0 ? undefined : new Set(row.allowedOrigins),
      hmacSecret: secretBox.open(hmacSecretPlace({ partnerId, environment, id: apiKeyId }), row.hmacSecretEncrypted),
    };
  } catch (error) {
    // One damaged row must not hurt the keys that were asked for with it.
    if (error instanceof SecretNotOpened) return error;
    throw error;
  }
}
