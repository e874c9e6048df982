import { createHash, randomBytes } from 'node:crypto';
import type { Invitation } from '@sirgiving/contract';
import type { Role } from '../../platform/caller.ts';
import type { Queryable } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';
import { type Problem, problem } from '../../platform/problem-json.ts';

/** An invitation that waits for its answer. */
export interface PendingInvitation {
  partnerId: string;
  id: string;
  email: string;
  emailKey: string;
  role: Role;
  invitedBy: string;
  createdAt: Date;
  expiresAt: Date;
}

const TOKEN_BYTES = 32;

/** A new token for the link of the mail: 256 random bits, of which only the hash is kept. */
export function newInvitationToken(): { token: string; hash: Buffer } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, hash: invitationTokenHash(token) };
}

/** What an invitation is found by. A fast hash is enough for random bits. */
export function invitationTokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** What an address of mail is compared by. */
export function emailKeyOf(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

export const invitationColumns = (sql: Queryable) => sql`
  partner_id as "partnerId", id, email, email_key as "emailKey", role, invited_by as "invitedBy", created_at as "createdAt",
  expires_at as "expiresAt"`;

export function noSuchInvitation(): Problem {
  return problem('NOT_FOUND', 'There is no such invitation: it was answered, revoked or has become too old.');
}

/** An invitation as the team sees it; never its token. */
export function presentInvitation({ id, email, role, invitedBy, createdAt, expiresAt }: PendingInvitation): Invitation {
  return {
    id: publicId('inv', id),
    email,
    role,
    invitedBy: publicId('acc', invitedBy),
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}
