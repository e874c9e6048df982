import {
  AccountOverview,
  ChangePassword,
  DisableTotp,
  EnrolTotp,
  ForgotPassword,
  GivenOtp,
  LogIn,
  PasswordMailSent,
  RefreshedSession,
  RefreshSession,
  RegisterAccount,
  Registration,
  RenewedAccess,
  ResetPassword,
  SignedIn,
  TotpConfirmed,
  TotpEnrolment,
  VerifiedEmail,
  VerifyEmail,
} from '@sirgiving/contract';
import { endpoint } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AttemptKeys, createAttemptKeys } from './attempts.ts';
import { changePassword } from './change-password.ts';
import { logIn } from './log-in.ts';
import { logOut } from './log-out.ts';
import { confirmTotp, disableTotp, enrolTotp, proveOtp } from './manage-totp.ts';
import { presentAccess, presentOverview, presentSignedIn, presentTokens } from './present-session.ts';
import { findAccount } from './queries.ts';
import { clearRefreshCookie, readRefreshCookie, refuseOtherOrigins } from './refresh-cookie.ts';
import { refreshSession } from './refresh-session.ts';
import { registerAccount } from './register-account.ts';
import { forgotPassword, resetPassword } from './reset-password.ts';
import type { Audience } from './session.ts';
import { createSessionTokens, type SessionTokens } from './session-tokens.ts';
import { signedIn } from './signed-in.ts';
import { verifyEmail } from './verify-email.ts';

interface Parts {
  deps: AccountDependencies;
  keys: AttemptKeys;
  tokens: SessionTokens;
}

const partsOf = (deps: AccountDependencies): Parts => ({
  deps,
  keys: createAttemptKeys(deps.secretBox),
  tokens: createSessionTokens(deps.secretBox, deps.clock),
});

/** Endpoints of `/v1/partner/auth`: scope `anyone` for those of `byAnyone`, `account` for those of `bySignedIn`. */
export function accountEndpoints(deps: AccountDependencies) {
  const parts = partsOf(deps);
  return {
    byAnyone: { ...sessionEndpoints(parts, 'partner'), ...mailEndpoints(parts) },
    bySignedIn: signedInEndpoints(parts, 'partner'),
  };
}

/** The same for `/v1/admin/auth`: sessions of the audience `admin`, for accounts that are admins. */
export function adminAccountEndpoints(deps: AccountDependencies) {
  const parts = partsOf(deps);
  return { byAnyone: sessionEndpoints(parts, 'admin'), bySignedIn: signedInEndpoints(parts, 'admin') };
}

function signedInEndpoints(parts: Parts, audience: Audience) {
  return {
    me: meEndpoint(parts, audience),
    changePassword: changePasswordEndpoint(parts, audience),
    ...totpEndpoints(parts, audience),
  };
}

function sessionEndpoints({ deps, keys, tokens }: Parts, audience: Audience) {
  const logInEndpoint = endpoint(
    {
      summary: 'Log in',
      description:
        'Answers a pair of tokens, the partner and its active publishable key. The access token lives 10 minutes; `POST auth/refresh` gives the next one.',
      body: LogIn,
      status: 200,
      answer: SignedIn,
      errors: [
        'INVALID_CREDENTIALS',
        'OTP_REQUIRED',
        'INVALID_OTP',
        'INVALID_ACCESS_TOKEN',
        'ORIGIN_NOT_ALLOWED',
        'IDENTITY_IN_USE',
        'TOO_MANY_ATTEMPTS',
      ],
      ignoresUnknownFields: true,
    },
    async (call) => {
      if (call.body.session === 'cookie') refuseOtherOrigins(call);
      const opened = await logIn(deps, keys, audience, call.body, call);
      return presentSignedIn(deps, tokens, call, opened);
    },
  );
  const refresh = endpoint(
    {
      summary: 'Refresh a session',
      description:
        'Answers the next pair of tokens. A refresh token works once; for 10 seconds after its first use it gives the same next one again, for two tabs or a lost answer. Used later it was copied, and the whole session ends.',
      body: RefreshSession,
      status: 200,
      answer: RefreshedSession,
      errors: ['AUTHENTICATION_REQUIRED', 'INVALID_REFRESH_TOKEN', 'ORIGIN_NOT_ALLOWED'],
    },
    async (call) => {
      const cookie = call.body.refreshToken === undefined ? readRefreshCookie(call, audience) : undefined;
      if (cookie !== undefined) refuseOtherOrigins(call);
      const presented = call.body.refreshToken ?? cookie;
      if (presented === undefined) throw problem('AUTHENTICATION_REQUIRED', 'Send refreshToken, or its cookie.');
      const claims = await tokens.readRefresh(presented, audience);
      const session = claims === undefined ? undefined : await refreshSession(deps.sql, claims, call.now);
      if (session !== undefined) return presentTokens(tokens, call, session);
      if (cookie !== undefined) clearRefreshCookie(call, audience);
      throw problem(
        'INVALID_REFRESH_TOKEN',
        'The session has ended, or the refresh token was used before. Log in again.',
      );
    },
  );
  const logOutEndpoint = endpoint(
    {
      summary: 'Log out',
      description:
        'Ends the session of `refreshToken`, of the cookie, or of the access token. Its access tokens are refused within a second.',
      body: RefreshSession,
      status: 204,
      errors: ['AUTHENTICATION_REQUIRED', 'INVALID_ACCESS_TOKEN', 'ORIGIN_NOT_ALLOWED'],
    },
    async (call) => logOut(deps, tokens, audience, call, call.body.refreshToken),
  );
  return { logIn: logInEndpoint, refresh, logOut: logOutEndpoint };
}

function mailEndpoints({ deps, keys }: Parts) {
  const register = endpoint(
    {
      summary: 'Register',
      description: 'Mails a link that confirms the address. The answer is the same for an address that has an account.',
      body: RegisterAccount,
      status: 201,
      answer: Registration,
      errors: ['TOO_MANY_ATTEMPTS', 'OVERLOADED', 'MAIL_NOT_CONFIGURED'],
    },
    async (call) => {
      await registerAccount(deps, keys, call.body, call);
      return { email: call.body.email, status: 'VERIFICATION_SENT' };
    },
  );
  const verify = endpoint(
    {
      summary: 'Confirm an e-mail address',
      description: 'With the token of the mail’s link, which works once and for 30 minutes.',
      body: VerifyEmail,
      status: 200,
      answer: VerifiedEmail,
      errors: ['LINK_NOT_VALID'],
    },
    async ({ body, now }) => ({ email: await verifyEmail(deps, body.token, now), emailVerified: true }),
  );
  const forgot = endpoint(
    {
      summary: 'Ask for a new password',
      description: 'Mails a link to choose one. The answer is the same for an address that has no account.',
      body: ForgotPassword,
      status: 200,
      answer: PasswordMailSent,
      errors: ['TOO_MANY_ATTEMPTS', 'MAIL_NOT_CONFIGURED'],
    },
    async (call) => {
      await forgotPassword(deps, keys, call.body.email, call);
      return { email: call.body.email, status: 'SENT_IF_KNOWN' };
    },
  );
  const reset = endpoint(
    {
      summary: 'Choose a new password',
      description: 'With the token of the mail’s link. Every session of the account ends.',
      body: ResetPassword,
      status: 204,
      errors: ['LINK_NOT_VALID', 'OVERLOADED'],
    },
    async (call) => resetPassword(deps, keys, call.body, call),
  );
  return { register, verifyEmail: verify, forgotPassword: forgot, resetPassword: reset };
}

function meEndpoint({ deps }: Parts, audience: Audience) {
  return endpoint(
    {
      summary: 'Read your account',
      description: 'The person who is logged in, with their partners.',
      status: 200,
      answer: AccountOverview,
      errors: [],
    },
    async (call) => {
      const account = await findAccount(deps.sql, signedIn(call, audience).accountId);
      // Deleted a moment ago: linked to another one.
      if (account === undefined) throw problem('INVALID_ACCESS_TOKEN', 'This account is no more. Log in again.');
      return presentOverview(deps, account);
    },
  );
}

function changePasswordEndpoint({ deps, keys }: Parts, audience: Audience) {
  return endpoint(
    {
      summary: 'Change your password',
      description: 'Every session ends, this one too: log in with the new password.',
      body: ChangePassword,
      status: 204,
      errors: ['INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS', 'OVERLOADED'],
    },
    async (call) => changePassword(deps, keys, signedIn(call, audience), call.body, call.now),
  );
}

function totpEndpoints({ deps, keys, tokens }: Parts, audience: Audience) {
  const enrol = endpoint(
    {
      summary: 'Enrol an app for one-time passwords',
      description: 'They count once `POST auth/totp/confirm` has seen a first code.',
      body: EnrolTotp,
      status: 201,
      answer: TotpEnrolment,
      errors: ['INVALID_CREDENTIALS', 'TOTP_ALREADY_ENABLED', 'TOO_MANY_ATTEMPTS'],
    },
    async (call) => enrolTotp(deps, keys, signedIn(call, audience), call.body.password, call.now),
  );
  const confirm = endpoint(
    {
      summary: 'Turn one-time passwords on',
      body: GivenOtp,
      status: 200,
      answer: TotpConfirmed,
      errors: ['INVALID_OTP', 'TOTP_ALREADY_ENABLED', 'TOTP_NOT_ENABLED', 'TOO_MANY_ATTEMPTS'],
    },
    async (call) => ({
      recoveryCodes: await confirmTotp(deps, keys, signedIn(call, audience), call.body.otp, call.now),
    }),
  );
  const disable = endpoint(
    {
      summary: 'Turn one-time passwords off',
      body: DisableTotp,
      status: 204,
      errors: ['INVALID_CREDENTIALS', 'INVALID_OTP', 'TOTP_NOT_ENABLED', 'TOO_MANY_ATTEMPTS'],
    },
    async (call) => disableTotp(deps, keys, signedIn(call, audience), call.body, call.now),
  );
  const prove = endpoint(
    {
      summary: 'Give a one-time password anew',
      description: `Answers an access token of the same ${audience === 'admin' ? 'admin ' : ''}session that says so. What is dangerous asks for a code of the last 15 minutes.`,
      body: GivenOtp,
      status: 200,
      answer: RenewedAccess,
      errors: ['INVALID_OTP', 'TOTP_NOT_ENABLED', 'TOO_MANY_ATTEMPTS'],
    },
    async (call) => {
      const session = await proveOtp(deps, keys, signedIn(call, audience), call.body.otp, call.now);
      return presentAccess(tokens, session, call.now);
    },
  );
  return { enrolTotp: enrol, confirmTotp: confirm, disableTotp: disable, proveOtp: prove };
}
