import type { Tx } from '../platform/db.ts';
import { endSessionsOf } from './end-sessions.ts';

/** Shuts an account: its sessions end within a second, and nobody logs in to it. Call it as the last write of a transaction. */
export async function disableAccount(tx: Tx, accountId: string, now: Date): Promise<void> {
  await tx`update accounts set disabled_at = ${now} where id = ${accountId} and disabled_at is null`;
  await endSessionsOf(tx, accountId, 'DISABLED', now);
}

/** Opens a shut account again. Its sessions stay ended. */
export async function enableAccount(tx: Tx, accountId: string): Promise<void> {
  await tx`update accounts set disabled_at = null where id = ${accountId}`;
}

/**
 * Makes a person one of SIR Giving's admins, or takes that away, which ends their sessions within a second. Answers false where it is
 * so already.
 */
export async function setAdmin(tx: Tx, accountId: string, isAdmin: boolean, now: Date): Promise<boolean> {
  const { count } = await tx`
    update accounts set is_admin = ${isAdmin} where id = ${accountId} and is_admin <> ${isAdmin}`;
  if (count === 0) return false;
  await endSessionsOf(tx, accountId, 'ROLE', now);
  return true;
}
