import type { ApiKey, CreatedKey, KeyStatus } from '@sirgiving/contract';
import type { Queryable } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { publicId } from '../../platform/ids.ts';
import type { IssuedKey } from '../create-key.ts';

/** A key as its table holds it, without its secrets. */
export interface ApiKeyRow extends Tenant {
  id: string;
  name: string;
  publicKey: string;
  isActive: boolean;
  allowedIps: string[];
  allowedOrigins: string[];
  rotatedFrom: string | null;
  rotatedTo: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  lastUsedIp: string | null;
}

/** The columns of `api_keys k`. */
export const keyColumns = (sql: Queryable) => sql`
  k.partner_id as "partnerId", k.id, k.environment, k.name, k.public_key as "publicKey", k.is_active as "isActive",
  k.allowed_ips as "allowedIps", k.allowed_origins as "allowedOrigins", k.rotated_from as "rotatedFrom",
  (select s.id from api_keys s where s.partner_id = k.partner_id and s.rotated_from = k.id) as "rotatedTo",
  k.created_at as "createdAt", k.expires_at as "expiresAt", k.revoked_at as "revokedAt", k.last_used_at as "lastUsedAt",
  k.last_used_ip as "lastUsedIp"`;

/** The same as `statusOf`, in SQL. */
export const statusInSql = (sql: Queryable, now: Date) => sql`
  case when k.revoked_at is not null then 'REVOKED' when not k.is_active then 'INACTIVE'
    when k.expires_at <= ${now} then 'EXPIRED' else 'ACTIVE' end`;

function statusOf({ revokedAt, isActive, expiresAt }: ApiKeyRow, now: Date): KeyStatus {
  if (revokedAt !== null) return 'REVOKED';
  if (!isActive) return 'INACTIVE';
  return expiresAt !== null && expiresAt <= now ? 'EXPIRED' : 'ACTIVE';
}

const time = (at: Date | null) => at?.toISOString() ?? null;
const keyId = (id: string | null) => (id === null ? null : publicId('key', id));

/** A key as its partner sees it; never its secrets. */
export function presentKey(row: ApiKeyRow, now: Date): ApiKey {
  return {
    id: publicId('key', row.id),
    partnerId: publicId('ptn', row.partnerId),
    name: row.name,
    environment: row.environment,
    publicKey: row.publicKey,
    status: statusOf(row, now),
    isActive: row.isActive,
    allowedIps: row.allowedIps,
    allowedOrigins: row.allowedOrigins,
    rotatedFrom: keyId(row.rotatedFrom),
    rotatedTo: keyId(row.rotatedTo),
    createdAt: row.createdAt.toISOString(),
    expiresAt: time(row.expiresAt),
    revokedAt: time(row.revokedAt),
    lastUsedAt: time(row.lastUsedAt),
    lastUsedIp: row.lastUsedIp,
  };
}

/** A key that was just issued, with the secrets that are shown this once. */
export function presentIssued(
  { partnerId, environment }: Tenant,
  { id, publicKey, secretKey, hmacSecret }: IssuedKey,
  { name, createdAt, expiresAt }: { name: string; createdAt: Date; expiresAt: Date | undefined },
): CreatedKey {
  return {
    id: publicId('key', id),
    partnerId: publicId('ptn', partnerId),
    name,
    environment,
    publicKey,
    secretKey,
    hmacSecret,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
  };
}
