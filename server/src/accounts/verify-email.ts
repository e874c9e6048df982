import { inTransaction } from '../platform/in-transaction.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { createAccount } from './create-account.ts';
import { mailedTokenHash } from './mailed-token.ts';

interface RegistrationRow {
  email: string;
  emailKey: string;
  passwordHash: string;
  firstName: string | null;
  lastName: string | null;
}

/**
 * Makes an account of a registration whose mail has arrived. Other registrations of the same address are over then. Answers the
 * address. Throws 422 LINK_NOT_VALID.
 */
export async function verifyEmail({ sql, ids }: AccountDependencies, token: string, now: Date): Promise<string> {
  return inTransaction(sql, async (tx) => {
    const [registration] = await tx<RegistrationRow[]>`
      delete from account_registrations
      where token_hash = ${mailedTokenHash(token)} and expires_at > ${now}
      returning email, email_key as "emailKey", password_hash as "passwordHash", first_name as "firstName",
        last_name as "lastName"`;
    const accountId =
      registration === undefined ? undefined : await createAccount(tx, ids, { ...registration, createdAt: now });
    if (registration === undefined || accountId === undefined) {
      throw problem('LINK_NOT_VALID', 'This link was used before or is too old. Register again to get a new one.');
    }
    await tx`delete from account_registrations where email_key = ${registration.emailKey}`;
    return registration.email;
  });
}
