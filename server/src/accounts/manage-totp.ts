import type { Tx } from '../platform/db.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, requireAttempt, returnAttempt } from './attempts.ts';
import { type Session, type SessionRow, sessionColumns, sessionOf } from './session.ts';
import { confirmPassword, type SignedIn } from './signed-in.ts';
import { newTotpSeed, replaceRecoveryCodes, spendOtp, type TotpSeed, totpPlace } from './totp.ts';

/**
 * Gives the person a seed for their app; it counts once it is confirmed. Throws 401 INVALID_CREDENTIALS for a wrong password, 409
 * TOTP_ALREADY_ENABLED.
 */
export async function enrolTotp(
  deps: AccountDependencies,
  keys: AttemptKeys,
  who: SignedIn,
  password: string,
  now: Date,
): Promise<TotpSeed> {
  const { id, email } = await confirmPassword(deps, keys, who, password, now);
  const seed = newTotpSeed(email);
  const sealed = deps.secretBox.seal(totpPlace(id), seed.secret);
  const { count } = await deps.sql`
    update accounts set totp_seed_encrypted = ${sealed}, totp_last_step = 0
    where id = ${id} and totp_confirmed_at is null`;
  if (count !== 1) throw problem('TOTP_ALREADY_ENABLED', 'Turn one-time passwords off before you enrol another app.');
  return seed;
}

/** Turns one-time passwords on: the first code proves that the app has the seed. Answers the recovery codes, shown once. */
export async function confirmTotp(
  deps: AccountDependencies,
  keys: AttemptKeys,
  who: SignedIn,
  otp: string,
  now: Date,
): Promise<string[]> {
  return withOtp(deps, keys, who, { otp, now, isConfirmed: false }, async (tx) => {
    await tx`update accounts set totp_confirmed_at = ${now} where id = ${who.accountId}`;
    await noteOtp(tx, who, now);
    return replaceRecoveryCodes(tx, who.accountId);
  });
}

/** Turns one-time passwords off. Needs the password and a code. */
export async function disableTotp(
  deps: AccountDependencies,
  keys: AttemptKeys,
  who: SignedIn,
  wish: { password: string; otp: string },
  now: Date,
): Promise<void> {
  await confirmPassword(deps, keys, who, wish.password, now);
  await withOtp(deps, keys, who, { otp: wish.otp, now, isConfirmed: true }, async (tx) => {
    await tx`
      update accounts set totp_seed_encrypted = null, totp_confirmed_at = null, totp_last_step = 0
      where id = ${who.accountId}`;
    await tx`delete from account_recovery_codes where account_id = ${who.accountId}`;
  });
}

/** Proves presence anew within a session: what is dangerous asks for a code that is not older than 15 minutes (contract §3). */
export async function proveOtp(
  deps: AccountDependencies,
  keys: AttemptKeys,
  who: SignedIn,
  otp: string,
  now: Date,
): Promise<Session> {
  return withOtp(deps, keys, who, { otp, now, isConfirmed: true }, async (tx) => {
    const session = await noteOtp(tx, who, now);
    if (session === undefined) throw problem('INVALID_ACCESS_TOKEN', 'The session has ended. Log in again.');
    return session;
  });
}

/** Runs a change that a right one-time password allows, in the transaction that uses the password up. */
async function withOtp<T>(
  { sql, secretBox }: AccountDependencies,
  keys: AttemptKeys,
  { accountId, sessionId }: SignedIn,
  given: { otp: string; now: Date; isConfirmed: boolean },
  change: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { otp, now, isConfirmed } = given;
  const key = keys('session', sessionId ?? accountId);
  await requireAttempt(sql, key, now);
  const result = await inTransaction(sql, async (tx) => {
    const [row] = await tx<{ seed: Buffer | null; confirmedAt: Date | null }[]>`
      select totp_seed_encrypted as seed, totp_confirmed_at as "confirmedAt"
      from accounts where id = ${accountId} for no key update`;
    if (!isConfirmed && row?.confirmedAt) throw problem('TOTP_ALREADY_ENABLED', 'One-time passwords are on already.');
    if (row === undefined || row.seed === null || (isConfirmed && row.confirmedAt === null)) {
      throw problem('TOTP_NOT_ENABLED', 'One-time passwords are off for this account: enrol first.');
    }
    if (!(await spendOtp(tx, secretBox, { accountId, totpSeedEncrypted: row.seed }, otp, now))) {
      throw problem('INVALID_OTP', 'The one-time password is wrong, or was used before.');
    }
    return change(tx);
  });
  await returnAttempt(sql, key);
  return result;
}

/** Notes in the session that a one-time password was given. Undefined where there is no session of ours, or it has ended. */
async function noteOtp(tx: Tx, { sessionId }: SignedIn, now: Date): Promise<Session | undefined> {
  if (sessionId === undefined) return undefined;
  const [row] = await tx<SessionRow[]>`
    update account_sessions s set otp_at = ${now}, amr = array['pwd', 'otp']
    where s.id = ${sessionId} and s.ended_at is null
    returning ${sessionColumns(tx)}`;
  return row === undefined ? undefined : sessionOf(row);
}
