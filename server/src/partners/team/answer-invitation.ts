import type { Joined, ShownInvitation } from '@sirgiving/contract';
import { lockPerson } from '../../accounts/index.ts';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Queryable, Tx } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import { addMember } from './add-member.ts';
import {
  emailKeyOf,
  invitationColumns,
  invitationTokenHash,
  noSuchInvitation,
  type PendingInvitation,
} from './invitation.ts';

/** What the link of an invitation is about, for who has it. Throws 404 `NOT_FOUND`. */
export async function showInvitation(sql: Queryable, token: string, now: Date): Promise<ShownInvitation> {
  const { partnerId, role, email, expiresAt } = await findByToken(sql, token, now);
  return { partner: { name: await nameOf(sql, partnerId) }, role, email, expiresAt: expiresAt.toISOString() };
}

/**
 * Joins the team that a link invites to. The account's own address has to be the one that the mail went to: a link that is handed on
 * lets nobody in. Throws 404 `NOT_FOUND`, 403 `INVITATION_NOT_YOURS`, 409 `MEMBER_EXISTS`.
 */
export async function acceptInvitation(tx: Tx, token: string, accountId: string, now: Date): Promise<Joined> {
  const person = await lockPerson(tx, accountId);
  const { partnerId, id, emailKey, role } = await takeByToken(tx, token, now);
  if (person?.email == null || !person.isEmailVerified || emailKeyOf(person.email) !== emailKey) {
    throw problem('INVITATION_NOT_YOURS', 'The invitation was sent to another address than that of your account.');
  }
  await decide(tx, partnerId, id, 'ACCEPTED', now);
  await addMember(tx, { partnerId, accountId, role }, now);
  const name = await nameOf(tx, partnerId);
  await raiseCredentialChanges(tx);
  return { partner: { id: publicId('ptn', partnerId), name }, role };
}

/** Declines an invitation; the link is enough for that. Throws 404 `NOT_FOUND`. */
export async function declineInvitation(tx: Tx, token: string, now: Date): Promise<void> {
  const { partnerId, id } = await takeByToken(tx, token, now);
  await decide(tx, partnerId, id, 'DECLINED', now);
}

async function findByToken(sql: Queryable, token: string, now: Date): Promise<PendingInvitation> {
  const [found] = await sql<{ partnerId: string; invitationId: string }[]>`
    select partner_id as "partnerId", invitation_id as "invitationId" from partner_invitation_lookup
    where token_hash = ${invitationTokenHash(token)}`;
  if (found === undefined) throw noSuchInvitation();
  const [invitation] = await sql<PendingInvitation[]>`
    select ${invitationColumns(sql)} from partner_invitations
    where partner_id = ${found.partnerId} and id = ${found.invitationId} and status = 'PENDING' and expires_at > ${now}`;
  if (invitation === undefined) throw noSuchInvitation();
  return invitation;
}

/** The partner's row makes answers, revocations and changes of its team take turns. */
async function takeByToken(tx: Tx, token: string, now: Date): Promise<PendingInvitation> {
  const { partnerId } = await findByToken(tx, token, now);
  await tx`select from partners where id = ${partnerId} for no key update`;
  return findByToken(tx, token, now);
}

async function decide(tx: Tx, partnerId: string, id: string, status: string, now: Date): Promise<void> {
  await tx`
    update partner_invitations set status = ${status}, decided_at = ${now}, email = null, email_key = null
    where partner_id = ${partnerId} and id = ${id}`;
}

async function nameOf(sql: Queryable, partnerId: string): Promise<string> {
  const [partner] = await sql<{ name: string }[]>`select name from partners where id = ${partnerId}`;
  if (partner === undefined) throw new Error(`there is no partner ${partnerId}`);
  return partner.name;
}
