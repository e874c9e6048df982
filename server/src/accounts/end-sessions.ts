import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import type { EndReason } from './session.ts';

/**
 * Ends one session: its access tokens are refused by every process within a second of COMMIT, its refresh tokens at once. Call it as
 * the last write of a transaction.
 */
export async function endSession(tx: Tx, sessionId: string, reason: EndReason, now: Date): Promise<void> {
  const { count } = await tx`
    update account_sessions set ended_at = ${now}, end_reason = ${reason}
    where id = ${sessionId} and ended_at is null`;
  if (count > 0) await raiseCredentialChanges(tx);
}

/**
 * Ends every session of an account, also those that an outside issuer keeps: tokens that it issued until now are refused. For a changed
 * password or role and for disabling. Call it as the last write of a transaction.
 */
export async function endSessionsOf(tx: Tx, accountId: string, reason: EndReason, now: Date): Promise<void> {
  const [sessions, identities] = await Promise.all([
    tx`
      update account_sessions set ended_at = ${now}, end_reason = ${reason}
      where account_id = ${accountId} and ended_at is null and expires_at > ${now}`,
    tx`update account_identities set not_before = ${now} where account_id = ${accountId}`,
  ]);
  if (sessions.count + identities.count > 0) await raiseCredentialChanges(tx);
}

/** Ends what one identity of an outside issuer began. Call it as the last write of a transaction. */
export async function endIdentitySessions(
  tx: Tx,
  identity: { issuer: string; subject: string },
  now: Date,
): Promise<void> {
  const { count } = await tx`
    update account_identities set not_before = ${now}
    where issuer = ${identity.issuer} and subject = ${identity.subject}`;
  if (count > 0) await raiseCredentialChanges(tx);
}
