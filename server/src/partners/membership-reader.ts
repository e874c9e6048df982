import type { Environment } from '@sirgiving/contract';
import type { Role } from '../platform/caller.ts';
import type { Clock } from '../platform/clock.ts';
import type { Queryable, Sql } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';
import { listMemberships } from './memberships.ts';
import type { PartnerStatus } from './partner.ts';

/** What a log-in tells about a membership. */
interface ShownMembership {
  membership: { partner: { id: string; name: string; slug: string; status: PartnerStatus }; role: Role };
  /** A `pk_…` of the environment that works; the oldest. */
  publishableKey: string | undefined;
}

/** What accounts need to know of partners: they hold no memberships themselves. */
export interface MembershipReader {
  readMemberships(accountId: string): Promise<readonly ShownMembership[]>;
  /** Whether an account belongs to a partner. */
  isInUse(sql: Queryable, accountId: string): Promise<boolean>;
}

/** Reads the memberships of accounts, the oldest first, with the publishable keys of one environment. */
export function membershipReader(sql: Sql, environment: Environment, clock: Clock): MembershipReader {
  return {
    readMemberships: async (accountId) => {
      const memberships = await listMemberships(sql, accountId);
      const partnerIds = memberships.map(({ partnerId }) => partnerId);
      const keys = await sql<{ partnerId: string; publicKey: string }[]>`
        select distinct on (partner_id) partner_id as "partnerId", public_key as "publicKey"
        from api_keys
        where partner_id = any (${partnerIds}::uuid[]) and environment = ${environment} and is_active and revoked_at is null
          and (expires_at is null or expires_at > ${clock.now()})
        order by partner_id, id`;
      return memberships.map(({ partnerId, role, partner: { name, slug, status } }) => ({
        membership: { partner: { id: publicId('ptn', partnerId), name, slug, status }, role },
        publishableKey: keys.find((key) => key.partnerId === partnerId)?.publicKey,
      }));
    },
    isInUse: async (queryable, accountId) => {
      const rows = await queryable`select from partner_member_lookup where account_id = ${accountId} limit 1`;
      return rows.length > 0;
    },
  };
}
