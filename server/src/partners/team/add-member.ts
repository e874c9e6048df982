import type { Role } from '../../platform/caller.ts';
import type { Tx } from '../../platform/db.ts';
import { problem } from '../../platform/problem-json.ts';

const MAX_MEMBERS = 200;

/**
 * Lets an account belong to a partner's team. The caller raises the counter of credential changes as the last write, since caches know
 * who belongs to nobody. Throws 409 `MEMBER_EXISTS` and `LIMIT_REACHED`.
 */
export async function addMember(
  tx: Tx,
  { partnerId, accountId, role }: { partnerId: string; accountId: string; role: Role },
  now: Date,
): Promise<void> {
  const [counted] = await tx<{ members: number }[]>`
    select count(*) as members from partner_members where partner_id = ${partnerId}`;
  if ((counted?.members ?? 0) >= MAX_MEMBERS) {
    throw problem('LIMIT_REACHED', `A team has at most ${MAX_MEMBERS} members.`);
  }
  const { count } = await tx`
    insert into partner_members (partner_id, account_id, role, created_at)
    values (${partnerId}, ${accountId}, ${role}, ${now})
    on conflict (partner_id, account_id) do nothing`;
  if (count === 0) throw problem('MEMBER_EXISTS', 'This person belongs to the team already.');
  await tx`insert into partner_member_lookup (account_id, partner_id) values (${accountId}, ${partnerId})`;
}
