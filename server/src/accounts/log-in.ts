import type { Tx } from '../platform/db.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, networkOf, requireAttempt, returnAttempt } from './attempts.ts';
import { guardLogIn } from './guard-log-in.ts';
import { linkIdentity } from './link-identity.ts';
import type { OutsideClaims } from './outside-tokens.ts';
import { isPassword } from './passwords.ts';
import { type AccountRow, emailKeyOf, findAccountByEmail } from './queries.ts';
import { type Audience, openSession, type Session } from './session.ts';
import { spendOtp } from './totp.ts';

export interface LogInWish {
  email: string;
  password: string;
  otp?: string;
  session?: 'token' | 'cookie';
  /** A token of the outside issuer, whose subject stands for this account from now on. */
  identityToken?: string;
}

/**
 * Begins a session. Throws 401 INVALID_CREDENTIALS in the same words and time for unknown addresses, wrong passwords, disabled accounts
 * and people who are no admins where that is asked; 401 OTP_REQUIRED and INVALID_OTP only after the right password; 429
 * TOO_MANY_ATTEMPTS; 401 INVALID_ACCESS_TOKEN and 409 IDENTITY_IN_USE about `identityToken`.
 */
export async function logIn(
  deps: AccountDependencies,
  keys: AttemptKeys,
  audience: Audience,
  wish: LogInWish,
  { ip, now }: { ip: string; now: Date },
): Promise<{ session: Session; account: AccountRow }> {
  const { sql } = deps;
  const guarded = await guardLogIn(sql, keys, { emailKey: emailKeyOf(wish.email), ip, now });
  const account = await findAccountByEmail(sql, wish.email);
  const fits = await isPassword(wish.password, account?.passwordHash ?? undefined);
  if (!fits || account === undefined || !mayLogIn(deps, account, audience)) throw wrongCredentials();
  await guarded.passwordFits();
  const identity = await readIdentity(deps, audience, wish.identityToken);
  const otpKey = guarded.isKnown ? keys('otp', account.id, networkOf(ip)) : keys('otp', account.id);
  if (account.totpConfirmedAt !== null) {
    if (wish.otp === undefined) throw problem('OTP_REQUIRED', 'Send the one-time password that your app shows.');
    await requireAttempt(sql, otpKey, now);
  }
  const session = await inTransaction(sql, async (tx) => {
    await lockUnchanged(tx, account);
    const hasOtp = await judgeOtp(tx, deps, account, wish.otp, now);
    const wanted = {
      id: deps.ids.uuid(),
      accountId: account.id,
      audience,
      byCookie: wish.session === 'cookie',
      amr: hasOtp ? ['pwd', 'otp'] : ['pwd'],
      otpAt: hasOtp ? now : undefined,
    };
    const opened = await openSession(tx, wanted, now);
    if (identity !== undefined) await linkIdentity(tx, identity, account.id, { isInUse: deps.isInUse, now });
    return opened;
  });
  if (session.otpAt !== undefined) await returnAttempt(sql, otpKey);
  await guarded.succeeded(now);
  return { session, account };
}

function wrongCredentials(): Problem {
  return problem(
    'INVALID_CREDENTIALS',
    'The e-mail address or the password is wrong, or the address has not been confirmed yet.',
  );
}

function mayLogIn({ environment }: AccountDependencies, account: AccountRow, audience: Audience): boolean {
  if (account.disabledAt !== null || (audience === 'admin' && !account.isAdmin)) return false;
  // What a seed made has a password that stands in a file.
  return !(account.sandboxOnly && environment === 'production');
}

/**
 * Makes sure that the password which was judged still counts, and keeps it so until COMMIT: whoever changes it then waits, and ends the
 * session that is begun here.
 */
async function lockUnchanged(tx: Tx, { id, passwordHash }: AccountRow): Promise<void> {
  const rows = await tx`
    select from accounts
    where id = ${id} and password_hash = ${passwordHash} and disabled_at is null
    for no key update`;
  if (rows.length === 0) throw wrongCredentials();
}

async function judgeOtp(
  tx: Tx,
  { secretBox }: AccountDependencies,
  { id, totpConfirmedAt, totpSeedEncrypted }: AccountRow,
  otp: string | undefined,
  now: Date,
): Promise<boolean> {
  if (totpConfirmedAt === null || totpSeedEncrypted === null || otp === undefined) return false;
  if (await spendOtp(tx, secretBox, { accountId: id, totpSeedEncrypted }, otp, now)) return true;
  throw problem('INVALID_OTP', 'The one-time password is wrong, or was used before.');
}

async function readIdentity(
  { access }: AccountDependencies,
  audience: Audience,
  token: string | undefined,
): Promise<OutsideClaims | undefined> {
  if (token === undefined) return undefined;
  const claims = audience === 'partner' ? await access.readOutsideToken(token) : undefined;
  if (claims === undefined) {
    throw problem('INVALID_ACCESS_TOKEN', 'The identity token is expired or not one of the SIR Giving app.', {
      errors: [{ path: '/identityToken', message: 'is not a valid token of the outside issuer' }],
    });
  }
  return claims;
}
