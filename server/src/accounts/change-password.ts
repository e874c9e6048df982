import { inTransaction } from '../platform/in-transaction.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import type { AttemptKeys } from './attempts.ts';
import { endSessionsOf } from './end-sessions.ts';
import { accountLinks, passwordChangedMail } from './mail-texts.ts';
import { assertGoodPassword, hashPassword } from './passwords.ts';
import { confirmPassword, type SignedIn } from './signed-in.ts';

/**
 * Sets a new password. Every session ends, the one that asks too. Throws 400 for a weak password and for the present one, 401 INVALID_CREDENTIALS for a wrong
 * present one, 429 TOO_MANY_ATTEMPTS.
 */
export async function changePassword(
  deps: AccountDependencies,
  keys: AttemptKeys,
  who: SignedIn,
  wish: { currentPassword: string; newPassword: string },
  now: Date,
): Promise<void> {
  const { sql, mailOutbox } = deps;
  const account = await confirmPassword(deps, keys, who, wish.currentPassword, now);
  assertGoodPassword(wish.newPassword, account.email, '/newPassword', wish.currentPassword);
  const passwordHash = await hashPassword(wish.newPassword);
  await inTransaction(sql, async (tx) => {
    const { count } = await tx`
      update accounts set password_hash = ${passwordHash}, must_change_password = false
      where id = ${account.id} and password_hash = ${account.passwordHash}`;
    if (count !== 1) throw problem('INVALID_CREDENTIALS', 'The password has been changed in the meantime.');
    await tx`delete from password_resets where account_id = ${account.id}`;
    if (mailOutbox.isConfigured) {
      await mailOutbox.queue(tx, passwordChangedMail(account.email, accountLinks(deps.publicUrl)), { now });
    }
    await endSessionsOf(tx, account.id, 'PASSWORD', now);
  });
}
