import { inTransaction } from '../platform/in-transaction.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, forgetAttempts, networkOf, requireAttempt, takeAttempt } from './attempts.ts';
import { endSessionsOf } from './end-sessions.ts';
import { accountLinks, passwordChangedMail, passwordResetMail } from './mail-texts.ts';
import { linkEnd, mailedTokenHash, newMailedToken } from './mailed-token.ts';
import { assertGoodPassword, hashPassword } from './passwords.ts';
import { emailKeyOf, findAccountByEmail } from './queries.ts';

/**
 * Mails a link that sets a new password. For an unknown address the same rows are written, for nobody and for no mail, so that neither
 * words nor time tell. Throws 429 TOO_MANY_ATTEMPTS, 503 MAIL_NOT_CONFIGURED.
 */
export async function forgotPassword(
  deps: AccountDependencies,
  keys: AttemptKeys,
  email: string,
  { ip, now }: { ip: string; now: Date },
): Promise<void> {
  const { sql, ids, mailOutbox } = deps;
  mailOutbox.assertConfigured();
  await requireAttempt(sql, keys('mailsFromNetwork', networkOf(ip)), now);
  const mayMail = await takeAttempt(sql, keys('mailsTo', emailKeyOf(email)), now);
  const { token, hash } = newMailedToken();
  const links = accountLinks(deps.publicUrl);
  await inTransaction(sql, async (tx) => {
    const account = await findAccountByEmail(tx, email);
    const isReachable = account !== undefined && account.disabledAt === null && mayMail.admitted;
    const expiresAt = linkEnd(now);
    await tx`
      insert into password_resets (token_hash, account_id, created_at, expires_at)
      values (${hash}, ${isReachable ? account.id : ids.uuid()}, ${now}, ${expiresAt})`;
    // To the address as the person wrote it. A mail that expires as it is written is never sent.
    const to = account?.email ?? email;
    await mailOutbox.queue(tx, passwordResetMail(to, links, token), { now, expiresAt: isReachable ? expiresAt : now });
  });
}

/**
 * Sets the password that a mailed link is for. Every session of the account ends, every other link too; whoever was slowed down by
 * wrong passwords can log in at once. Throws 400 for a weak password, 422 LINK_NOT_VALID.
 */
export async function resetPassword(
  deps: AccountDependencies,
  keys: AttemptKeys,
  { token, password }: { token: string; password: string },
  { ip, now }: { ip: string; now: Date },
): Promise<void> {
  const { sql } = deps;
  const hash = mailedTokenHash(token);
  // Looked up first, so that made-up tokens cost no hashing.
  const [target] = await sql<{ email: string }[]>`
    select a.email
    from password_resets r
    join accounts a on a.id = r.account_id
    where r.token_hash = ${hash} and r.expires_at > ${now} and a.disabled_at is null`;
  if (target === undefined) throw linkNotValid();
  const { email } = target;
  assertGoodPassword(password, email, '/password');
  const passwordHash = await hashPassword(password);
  await inTransaction(sql, async (tx) => {
    const [used] = await tx<{ accountId: string }[]>`
      delete from password_resets
      where token_hash = ${hash} and expires_at > ${now}
      returning account_id as "accountId"`;
    if (used === undefined) throw linkNotValid();
    const { accountId } = used;
    await tx`
      update accounts
      set password_hash = ${passwordHash}, must_change_password = false,
        email_verified_at = coalesce(email_verified_at, ${now})
      where id = ${accountId}`;
    await tx`delete from password_resets where account_id = ${accountId}`;
    await forgetAttempts(tx, keys('accountFromNetwork', emailKeyOf(email), networkOf(ip)), now);
    await forgetAttempts(tx, keys('otp', accountId), now);
    if (deps.mailOutbox.isConfigured) {
      await deps.mailOutbox.queue(tx, passwordChangedMail(email, accountLinks(deps.publicUrl)), { now });
    }
    await endSessionsOf(tx, accountId, 'PASSWORD', now);
  });
}

function linkNotValid(): Problem {
  return problem('LINK_NOT_VALID', 'This link was used before or is too old. Ask for a new one.');
}
