import type { Environment } from '@sirgiving/contract';
import type { Role } from '../platform/caller.ts';
import type { Queryable, Sql } from '../platform/db.ts';
import type { Found } from '../platform/watched-cache.ts';
import { type PartnerStanding, type RateTerms, rateLimitsOf, rateTermColumns } from './partner.ts';

/** That an account belongs to a partner's team. */
export interface Membership {
  partnerId: string;
  role: Role;
  partner: PartnerStanding & { name: string; slug: string };
  /** Of the partner. */
  requestsPerMinute: Readonly<Record<Environment, number>>;
}

interface MembershipRow extends RateTerms {
  accountId: string;
  partnerId: string;
  role: Role;
  name: string;
  slug: string;
  status: PartnerStanding['status'];
  features: PartnerStanding['features'];
}

/**
 * The memberships of accounts, all in one statement together with the counter of changes. An account that belongs to nobody is not
 * found, and so not kept in memory: its first partner is there at once.
 */
export async function findMemberships(sql: Sql, accountIds: readonly string[]): Promise<Found<readonly Membership[]>> {
  const rows = await sql<({ change: number } & (MembershipRow | { accountId: null }))[]>`
    select c.value as change, f.*
    from credential_changes c
    left join (${membershipsOf(sql, accountIds)}) f on true`;
  const [first] = rows;
  if (first === undefined) throw new Error('credential_changes is empty, and it must hold one row');
  const byKey = new Map<string, Membership[]>();
  for (const row of rows) {
    if (row.accountId !== null) byKey.set(row.accountId, [...(byKey.get(row.accountId) ?? []), readMembership(row)]);
  }
  return { change: first.change, byKey };
}

/** The memberships of one account, oldest first. */
export async function listMemberships(sql: Queryable, accountId: string): Promise<readonly Membership[]> {
  const rows = await sql<MembershipRow[]>`${membershipsOf(sql, [accountId])}`;
  return rows.map(readMembership);
}

function membershipsOf(sql: Queryable, accountIds: readonly string[]) {
  return sql`
    select m.account_id as "accountId", m.partner_id as "partnerId", m.role, p.name, p.slug, p.status, p.features,
      ${rateTermColumns(sql)}
    from partner_member_lookup l
    join partner_members m on m.partner_id = l.partner_id and m.account_id = l.account_id
    join partners p on p.id = l.partner_id
    where l.account_id = any (${[...accountIds]}::uuid[])
    order by m.created_at, m.partner_id`;
}

function readMembership(row: MembershipRow): Membership {
  const { partnerId, role, name, slug, status, features } = row;
  return { partnerId, role, partner: { name, slug, status, features }, requestsPerMinute: rateLimitsOf(row) };
}
