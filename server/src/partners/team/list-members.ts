import type { Member } from '@sirgiving/contract';
import { findPeople, type Person } from '../../accounts/index.ts';
import type { Role } from '../../platform/caller.ts';
import type { Queryable } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';

interface MemberRow {
  accountId: string;
  role: Role;
  createdAt: Date;
}

/** A partner's team, oldest members first; `you`: the account that asks. */
export async function listMembers(sql: Queryable, partnerId: string, you: string): Promise<{ data: Member[] }> {
  const rows = await sql<MemberRow[]>`
    select account_id as "accountId", role, created_at as "createdAt" from partner_members
    where partner_id = ${partnerId}
    order by created_at, account_id`;
  const people = await findPeople(
    sql,
    rows.map(({ accountId }) => accountId),
  );
  return { data: rows.map((row) => presentMember(row, people.get(row.accountId), you)) };
}

/** The e-mail addresses of a partner's owners. */
export async function ownerAddresses(sql: Queryable, partnerId: string): Promise<string[]> {
  const owners = await sql<{ accountId: string }[]>`
    select account_id as "accountId" from partner_members where partner_id = ${partnerId} and role = 'owner'`;
  const people = await findPeople(
    sql,
    owners.map(({ accountId }) => accountId),
  );
  return [...people.values()].flatMap(({ email }) => (email === null ? [] : [email]));
}

/** Where alerts and notices of a partner go: its contact address, else its owners'. */
export async function contactAddresses(sql: Queryable, partnerId: string): Promise<string[]> {
  const [partner] = await sql<{ contactEmail: string | null }[]>`
    select contact_email as "contactEmail" from partners where id = ${partnerId}`;
  const contact = partner?.contactEmail ?? null;
  return contact === null ? ownerAddresses(sql, partnerId) : [contact];
}

function presentMember({ accountId, role, createdAt }: MemberRow, person: Person | undefined, you: string): Member {
  const { firstName = null, lastName = null, email = null } = person ?? {};
  return {
    id: publicId('acc', accountId),
    email,
    ...(firstName === null ? {} : { firstName }),
    ...(lastName === null ? {} : { lastName }),
    role,
    isYou: accountId === you,
    joinedAt: createdAt.toISOString(),
  };
}
