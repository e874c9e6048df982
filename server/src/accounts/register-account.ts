import { inTransaction } from '../platform/in-transaction.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, networkOf, requireAttempt, takeAttempt } from './attempts.ts';
import { hasAccount } from './create-account.ts';
import { accountLinks, alreadyRegisteredMail, verificationMail } from './mail-texts.ts';
import { linkEnd, newMailedToken } from './mailed-token.ts';
import { assertGoodPassword, hashPassword } from './passwords.ts';
import { emailKeyOf } from './queries.ts';

export interface RegistrationWish {
  email: string;
  password: string;
  firstName?: string;
  lastName?: string;
}

/**
 * Takes a registration and mails a link that confirms the address; only then there is an account. For an address that has one the same
 * is done and answered, in the same time, but the mail says so and the link's token goes nowhere. Throws 400 for a weak password, 429
 * TOO_MANY_ATTEMPTS, 503 MAIL_NOT_CONFIGURED.
 */
export async function registerAccount(
  deps: AccountDependencies,
  keys: AttemptKeys,
  wish: RegistrationWish,
  { ip, now }: { ip: string; now: Date },
): Promise<void> {
  const { sql, mailOutbox } = deps;
  const { email, password, firstName = null, lastName = null } = wish;
  mailOutbox.assertConfigured();
  assertGoodPassword(password, email, '/password');
  await requireAttempt(sql, keys('mailsFromNetwork', networkOf(ip)), now);
  const mayMail = await takeAttempt(sql, keys('mailsTo', emailKeyOf(email)), now);
  const passwordHash = await hashPassword(password);
  const { token, hash } = newMailedToken();
  const expiresAt = linkEnd(now);
  const links = accountLinks(deps.publicUrl);
  await inTransaction(sql, async (tx) => {
    const isKnown = await hasAccount(tx, email);
    await tx`
      insert into account_registrations
        (token_hash, email, email_key, password_hash, first_name, last_name, created_at, expires_at)
      values (${hash}, ${email}, ${emailKeyOf(email)}, ${passwordHash}, ${firstName}, ${lastName}, ${now}, ${expiresAt})`;
    // The mails before this one still work.
    if (!mayMail.admitted) return;
    const mail = isKnown ? alreadyRegisteredMail(email, links) : verificationMail(email, links, token);
    await mailOutbox.queue(tx, mail, { now, expiresAt });
  });
}
