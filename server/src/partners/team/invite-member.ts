import type { Invitation, Invite } from '@sirgiving/contract';
import { findPeople } from '../../accounts/index.ts';
import type { Queryable, Tx } from '../../platform/db.ts';
import { type Ids, rowId } from '../../platform/ids.ts';
import type { MailOutbox } from '../../platform/mail-outbox.ts';
import { problem } from '../../platform/problem-json.ts';
import { invitationMail } from '../mail-texts.ts';
import {
  emailKeyOf,
  invitationColumns,
  newInvitationToken,
  noSuchInvitation,
  type PendingInvitation,
  presentInvitation,
} from './invitation.ts';

export interface InvitingDependencies {
  ids: Ids;
  mailOutbox: MailOutbox;
  /** Where the public reaches this host, without a slash at the end. */
  publicUrl: string;
}

const MAX_PENDING = 50;
const DAY_MILLISECONDS = 86_400_000;
const LIFE_DAYS = 7;

/**
 * Invites somebody to the team by mail. An invitation that the address had already is replaced. Throws 409 `MEMBER_EXISTS` and
 * `LIMIT_REACHED`, 503 `MAIL_NOT_CONFIGURED`.
 */
export async function inviteMember(
  tx: Tx,
  deps: InvitingDependencies,
  partnerId: string,
  { email, role, invitedBy }: Invite & { invitedBy: string },
  now: Date,
): Promise<Invitation> {
  const [partner] = await tx<{ name: string }[]>`
    select name from partners where id = ${partnerId} for no key update`;
  if (partner === undefined) throw new Error(`there is no partner ${partnerId}`);
  const emailKey = emailKeyOf(email);
  await assertNoMember(tx, partnerId, emailKey);
  await tx`
    update partner_invitations
    set status = 'REVOKED', decided_at = ${now}, email = null, email_key = null
    where partner_id = ${partnerId} and status = 'PENDING' and (email_key = ${emailKey} or expires_at <= ${now})`;
  await assertRoomForOne(tx, partnerId);
  const { token, hash } = newInvitationToken();
  const expiresAt = new Date(now.getTime() + LIFE_DAYS * DAY_MILLISECONDS);
  const id = deps.ids.uuid();
  const invitation: PendingInvitation = { partnerId, id, email, emailKey, role, invitedBy, createdAt: now, expiresAt };
  await tx`
    insert into partner_invitations (partner_id, id, email, email_key, role, invited_by, created_at, expires_at)
    values (${partnerId}, ${id}, ${email}, ${emailKey}, ${role}, ${invitedBy}, ${now}, ${expiresAt})`;
  await tx`
    insert into partner_invitation_lookup (token_hash, partner_id, invitation_id) values (${hash}, ${partnerId}, ${id})`;
  const link = `${deps.publicUrl}/account/invitation#${token}`;
  await deps.mailOutbox.queue(tx, invitationMail(email, { partnerName: partner.name, role, link }), { now, expiresAt });
  return presentInvitation(invitation);
}

/** The invitations that wait for an answer, newest first. */
export async function listInvitations(sql: Queryable, partnerId: string, now: Date): Promise<{ data: Invitation[] }> {
  const rows = await sql<PendingInvitation[]>`
    select ${invitationColumns(sql)} from partner_invitations
    where partner_id = ${partnerId} and status = 'PENDING' and expires_at > ${now}
    order by id desc`;
  return { data: rows.map(presentInvitation) };
}

/** Takes an invitation back: its link does not work any more. Throws 404 `NOT_FOUND`. */
export async function revokeInvitation(tx: Tx, partnerId: string, id: string, now: Date): Promise<void> {
  const { count } = await tx`
    update partner_invitations
    set status = 'REVOKED', decided_at = ${now}, email = null, email_key = null
    where partner_id = ${partnerId} and id = ${rowId('inv', id) ?? null} and status = 'PENDING'`;
  if (count === 0) throw noSuchInvitation();
}

async function assertNoMember(tx: Tx, partnerId: string, emailKey: string): Promise<void> {
  const members = await tx<{ accountId: string }[]>`
    select account_id as "accountId" from partner_members where partner_id = ${partnerId}`;
  const people = await findPeople(
    tx,
    members.map(({ accountId }) => accountId),
  );
  const isMember = [...people.values()].some(({ email }) => email !== null && emailKeyOf(email) === emailKey);
  if (isMember) throw problem('MEMBER_EXISTS', 'This person belongs to the team already.');
}

async function assertRoomForOne(tx: Tx, partnerId: string): Promise<void> {
  const [counted] = await tx<{ pending: number }[]>`
    select count(*) as pending from partner_invitations where partner_id = ${partnerId} and status = 'PENDING'`;
  if ((counted?.pending ?? 0) >= MAX_PENDING) {
    throw problem('LIMIT_REACHED', `${MAX_PENDING} invitations wait for an answer already.`);
  }
}
