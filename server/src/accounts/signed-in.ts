import type { AccountCaller } from '../platform/caller.ts';
import type { Call } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, requireAttempt, returnAttempt } from './attempts.ts';
import { isPassword } from './passwords.ts';
import { type AccountRow, findAccount } from './queries.ts';
import type { Audience } from './session.ts';
import { invalidToken } from './verify-access-token.ts';

/** The person who calls, on routes that ask for an access token. */
export type SignedIn = AccountCaller;

/**
 * Who has called. Throws 401 INVALID_ACCESS_TOKEN for a token of the other audience, and Error on a route that does not ask for an
 * access token: that is a mistake in the table of routes.
 */
export function signedIn({ caller }: Pick<Call, 'caller'>, audience: Audience): SignedIn {
  if (caller?.kind !== 'account') throw new Error('this endpoint needs a scope that asks for an access token');
  if (caller.audience !== audience) throw invalidToken();
  return caller;
}

/** An account that logs in by password. */
export type PasswordAccount = AccountRow & { email: string; passwordHash: string };

/**
 * Lets the caller say the password once more, for what a stolen access token must not be enough for. Throws 401 INVALID_CREDENTIALS,
 * 429 TOO_MANY_ATTEMPTS.
 */
export async function confirmPassword(
  { sql }: AccountDependencies,
  keys: AttemptKeys,
  { accountId, sessionId }: SignedIn,
  password: string,
  now: Date,
): Promise<PasswordAccount> {
  const key = keys('session', sessionId ?? accountId);
  await requireAttempt(sql, key, now);
  const account = await findAccount(sql, accountId);
  const fits = await isPassword(password, account?.passwordHash ?? undefined);
  if (!fits || account === undefined || account.passwordHash === null || account.email === null) {
    throw problem('INVALID_CREDENTIALS', 'The password is wrong.');
  }
  await returnAttempt(sql, key);
  return { ...account, email: account.email, passwordHash: account.passwordHash };
}
