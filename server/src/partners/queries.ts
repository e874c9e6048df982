import type { Environment } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import { rowId } from '../platform/ids.ts';
import { credentialHash } from './create-key.ts';
import type { Partner } from './partner.ts';

/** Finds a partner by its slug or its public id (`ptn_…`). */
export async function findPartner(sql: Queryable, slugOrId: string): Promise<Partner | undefined> {
  const id = rowId('ptn', slugOrId) ?? (await partnerIdOfSlug(sql, slugOrId));
  if (id === undefined) return undefined;
  const [partner] = await sql<Partner[]>`
    select id, name, slug, status, tier, created_at as "createdAt" from partners where id = ${id}`;
  return partner;
}

async function partnerIdOfSlug(sql: Queryable, slug: string): Promise<string | undefined> {
  const [row] = await sql<{ partnerId: string }[]>`
    select partner_id as "partnerId" from partner_slugs where slug = ${slug}`;
  return row?.partnerId;
}

export interface KeyRow {
  partnerId: string;
  keyId: string;
  environment: Environment;
}

/** Finds a key by its public id (`key_…`) or by its publishable key. */
export async function findKey(sql: Queryable, idOrPublicKey: string): Promise<KeyRow | undefined> {
  const id = rowId('key', idOrPublicKey);
  const [row] =
    id === undefined
      ? await sql<KeyRow[]>`
          select partner_id as "partnerId", api_key_id as "keyId", environment from api_key_lookup
          where credential_hash = ${credentialHash(idOrPublicKey)} and kind = 'publishable'`
      : await sql<KeyRow[]>`
          select partner_id as "partnerId", api_key_id as "keyId", environment from api_key_lookup
          where api_key_id = ${id} and kind = 'publishable'`;
  return row;
}

/** Whether a key pair of this partner works as things are: not revoked, deactivated or expired. */
export async function worksAsKey(sql: Queryable, partnerId: string, publicKey: string, now: Date): Promise<boolean> {
  const rows = await sql`
    select from api_keys
    where partner_id = ${partnerId} and public_key = ${publicKey} and is_active and revoked_at is null
      and (expires_at is null or expires_at > ${now})`;
  return rows.length > 0;
}
