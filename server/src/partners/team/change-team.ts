import type { Member } from '@sirgiving/contract';
import { endSessionsOf } from '../../accounts/index.ts';
import type { Role } from '../../platform/caller.ts';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Tx } from '../../platform/db.ts';
import { rowId } from '../../platform/ids.ts';
import { type Problem, problem } from '../../platform/problem-json.ts';
import { listMembers } from './list-members.ts';

/**
 * Gives a member another role; their sessions end, so that they log in to what they may do now. Throws 404 `NOT_FOUND`, 409
 * `LAST_OWNER`.
 */
export async function changeRole(
  tx: Tx,
  partnerId: string,
  change: { memberId: string; role: Role; you: string },
  now: Date,
): Promise<Member> {
  const accountId = memberRowId(change.memberId);
  const before = await lockMember(tx, partnerId, accountId);
  if (before === 'owner' && change.role !== 'owner') await assertOtherOwner(tx, partnerId, accountId);
  await tx`
    update partner_members set role = ${change.role} where partner_id = ${partnerId} and account_id = ${accountId}`;
  const { data } = await listMembers(tx, partnerId, change.you);
  const member = data.find(({ id }) => id === change.memberId);
  if (member === undefined) throw noSuchMember();
  if (before !== change.role) {
    await endSessionsOf(tx, accountId, 'ROLE', now);
    await raiseCredentialChanges(tx);
  }
  return member;
}

/** Takes a member out of the team; their sessions end. Throws 404 `NOT_FOUND`, 409 `LAST_OWNER`. */
export async function removeMember(tx: Tx, partnerId: string, memberId: string, now: Date): Promise<void> {
  const accountId = memberRowId(memberId);
  await deleteMembership(tx, partnerId, accountId);
  await endSessionsOf(tx, accountId, 'ROLE', now);
  await raiseCredentialChanges(tx);
}

/** Leaves the team. Throws 409 `LAST_OWNER`. */
export async function leaveTeam(tx: Tx, partnerId: string, accountId: string): Promise<void> {
  await deleteMembership(tx, partnerId, accountId);
  await raiseCredentialChanges(tx);
}

async function deleteMembership(tx: Tx, partnerId: string, accountId: string): Promise<void> {
  const role = await lockMember(tx, partnerId, accountId);
  if (role === 'owner') await assertOtherOwner(tx, partnerId, accountId);
  await tx`delete from partner_members where partner_id = ${partnerId} and account_id = ${accountId}`;
  await tx`delete from partner_member_lookup where partner_id = ${partnerId} and account_id = ${accountId}`;
}

/** Who changes a team takes the partner's row, so that two owners who go at once do not both see the other one stay. */
async function lockMember(tx: Tx, partnerId: string, accountId: string): Promise<Role> {
  await tx`select from partners where id = ${partnerId} for no key update`;
  const [member] = await tx<{ role: Role }[]>`
    select role from partner_members where partner_id = ${partnerId} and account_id = ${accountId}`;
  if (member === undefined) throw noSuchMember();
  return member.role;
}

async function assertOtherOwner(tx: Tx, partnerId: string, accountId: string): Promise<void> {
  const others = await tx`
    select from partner_members
    where partner_id = ${partnerId} and role = 'owner' and account_id <> ${accountId} limit 1`;
  if (others.length === 0) throw problem('LAST_OWNER', 'This is the last owner: make somebody else an owner first.');
}

function memberRowId(id: string): string {
  const row = rowId('acc', id);
  if (row === undefined) throw noSuchMember();
  return row;
}

function noSuchMember(): Problem {
  return problem('NOT_FOUND', 'Nobody with this id belongs to the team.');
}
