import type { AdminKey, AdminPartner, AdminPartnerListQuery, Environment, PartnerFeature } from '@sirgiving/contract';
import { type PartnerStatus, type RateTerms, rateLimitsOf, rateTermColumns } from '../partners/index.ts';
import { createdWithin } from '../platform/created-window.ts';
import type { Queryable, Tx } from '../platform/db.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';

export interface PartnerRow extends RateTerms {
  id: string;
  name: string;
  slug: string;
  status: PartnerStatus;
  features: PartnerFeature[];
  sandboxOnly: boolean;
  createdAt: Date;
}

const partnerColumns = (sql: Queryable) => sql`
  p.id, p.name, p.slug, p.status, p.features, p.sandbox_only as "sandboxOnly", p.created_at as "createdAt", ${rateTermColumns(sql)}`;

export function presentPartner(row: PartnerRow): AdminPartner {
  return {
    id: publicId('ptn', row.id),
    name: row.name,
    slug: row.slug,
    status: row.status,
    tier: row.tier,
    enabledFeatures: row.features,
    rateLimits: rateLimitsOf(row),
    rateLimitOverrides: row.rateLimitOverrides,
    sandboxOnly: row.sandboxOnly,
    createdAt: row.createdAt.toISOString(),
  };
}

/** A partner by its public id. Throws 404 NOT_FOUND. */
export async function readPartner(sql: Queryable, partnerId: string): Promise<PartnerRow> {
  const [row] = await sql<PartnerRow[]>`
    select ${partnerColumns(sql)} from partners p where p.id = ${rowId('ptn', partnerId) ?? null}`;
  return row ?? noPartner();
}

/** The same under its row lock, to change it. */
export async function lockPartner(tx: Tx, partnerId: string): Promise<PartnerRow> {
  const [row] = await tx<PartnerRow[]>`
    select ${partnerColumns(tx)} from partners p where p.id = ${rowId('ptn', partnerId) ?? null} for no key update`;
  return row ?? noPartner();
}

function noPartner(): never {
  throw problem('NOT_FOUND', 'There is no partner with this id.');
}

/** All partners, newest first. */
export async function listPartners(
  sql: Queryable,
  filter: AdminPartnerListQuery,
  request: PageRequest,
): Promise<Page<AdminPartner>> {
  const matching = sql`
    from partners p where true ${createdWithin(sql, filter)}
      ${filter.status === undefined ? sql`` : sql`and status = ${filter.status}`}`;
  const [rows, counted] = await Promise.all([
    sql<PartnerRow[]>`
      select ${partnerColumns(sql)} ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, presentPartner, counted[0]?.total);
}

interface KeyRow {
  id: string;
  name: string;
  publicKey: string;
  isActive: boolean;
  rotatedFrom: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
}

const time = (at: Date | null) => at?.toISOString() ?? null;

function presentKey({ id, name, publicKey, isActive, rotatedFrom, ...times }: KeyRow): AdminKey {
  return {
    id: publicId('key', id),
    name,
    publicKey,
    isActive,
    rotatedFrom: rotatedFrom === null ? null : publicId('key', rotatedFrom),
    createdAt: times.createdAt.toISOString(),
    expiresAt: time(times.expiresAt),
    revokedAt: time(times.revokedAt),
    lastUsedAt: time(times.lastUsedAt),
  };
}

/** The keys of a partner in an environment, newest first, without anything secret. */
export async function listPartnerKeys(
  sql: Queryable,
  { partnerId, environment }: { partnerId: string; environment: Environment },
  request: PageRequest,
): Promise<Page<AdminKey>> {
  const matching = sql`from api_keys where partner_id = ${partnerId} and environment = ${environment}`;
  const [rows, counted] = await Promise.all([
    sql<KeyRow[]>`
      select id, name, public_key as "publicKey", is_active as "isActive", rotated_from as "rotatedFrom", created_at as "createdAt",
        expires_at as "expiresAt", revoked_at as "revokedAt", last_used_at as "lastUsedAt"
      ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, presentKey, counted[0]?.total);
}
