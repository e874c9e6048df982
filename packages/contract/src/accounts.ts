import Type, { type Static } from 'typebox';
import { Email, Id, ShortText, Timestamp } from './common.ts';
import { closed } from './schema-parts.ts';

/** Long rather than complicated (NIST SP 800-63B): what is typed counts as it is, spaces included. */
const NewPassword = Type.String({
  minLength: 10,
  maxLength: 200,
  description: 'At least 10 characters, not your e-mail address, not all the same few characters.',
});
const GivenPassword = Type.String({ minLength: 1, maxLength: 200, description: 'The account’s password.' });
const MailedToken = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'From the link of the mail.' });
const Otp = Type.String({
  pattern: '^(\\d{6}|[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3})$',
  description: 'The six digits that the app shows, or a recovery code.',
});

const name = {
  firstName: Type.Optional(ShortText(100, 'Given name.')),
  lastName: Type.Optional(ShortText(100, 'Family name.')),
};

export const RegisterAccount = Type.Object({ email: Email, password: NewPassword, ...name }, closed);

export const Registration = Type.Object({
  email: Email,
  status: Type.Literal('VERIFICATION_SENT', { description: 'The same for an address that has an account.' }),
});

export const VerifyEmail = Type.Object({ token: MailedToken }, closed);
export const VerifiedEmail = Type.Object({ email: Email, emailVerified: Type.Literal(true) });

export const LogIn = Type.Object({
  email: Email,
  password: GivenPassword,
  otp: Type.Optional(Otp),
  session: Type.Optional(
    Type.Enum(['token', 'cookie'], {
      default: 'token',
      description:
        'cookie: the refresh token is set as an HttpOnly cookie and not in the answer; for pages of this host.',
    }),
  ),
  identityToken: Type.Optional(
    Type.String({
      maxLength: 8_000,
      description: 'A token of the SIR Giving app: from now on it stands for the account that is logged in to here.',
    }),
  ),
});

export const Account = Type.Object({
  id: Id('acc'),
  email: Type.Union([Email, Type.Null()]),
  emailVerified: Type.Boolean(),
  ...name,
  totpEnabled: Type.Boolean(),
  mustChangePassword: Type.Boolean({
    description: 'The password is a first one that somebody else has made: it only opens `POST auth/change-password`.',
  }),
  createdAt: Timestamp,
});
export type Account = Static<typeof Account>;

export const AccountPartner = Type.Object({
  id: Id('ptn'),
  name: Type.String(),
  slug: Type.String(),
  status: Type.Enum(['PENDING_APPROVAL', 'ACTIVE', 'SUSPENDED']),
});

export const Membership = Type.Object({
  partner: AccountPartner,
  role: Type.Enum(['owner', 'developer', 'viewer']),
});

/** What an account works with; `partner` and `publishableKey` are those of its first membership, in this host's environment. */
const workplace = {
  account: Account,
  partner: Type.Union([AccountPartner, Type.Null()]),
  publishableKey: Type.Union([Type.String(), Type.Null()], { description: 'The active `pk_…` of the partner.' }),
  memberships: Type.Array(Membership),
};

export const AccountOverview = Type.Object(workplace);
export type AccountOverview = Static<typeof AccountOverview>;

const accessToken = {
  accessToken: Type.String({ description: 'A JWT for `Authorization: Bearer …`.' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds until the access token expires.' }),
};

const tokenPair = {
  ...accessToken,
  refreshToken: Type.Optional(Type.String({ description: 'Works once: each refresh answers the next one.' })),
  refreshExpiresAt: Timestamp,
};

export const SignedIn = Type.Object({ ...tokenPair, ...workplace });
export type SignedIn = Static<typeof SignedIn>;

export const RefreshSession = Type.Object(
  { refreshToken: Type.Optional(Type.String({ maxLength: 2_000, description: 'Left out: the cookie counts.' })) },
  closed,
);
export const RefreshedSession = Type.Object(tokenPair);
export type RefreshedSession = Static<typeof RefreshedSession>;

export const ForgotPassword = Type.Object({ email: Email }, closed);
export const PasswordMailSent = Type.Object({
  email: Email,
  status: Type.Literal('SENT_IF_KNOWN', { description: 'The same for an address that has no account.' }),
});
export const ResetPassword = Type.Object({ token: MailedToken, password: NewPassword }, closed);
export const ChangePassword = Type.Object({ currentPassword: GivenPassword, newPassword: NewPassword }, closed);

export const EnrolTotp = Type.Object({ password: GivenPassword }, closed);
export const TotpEnrolment = Type.Object({
  secret: Type.String({ description: 'Base 32, to type in by hand. Shown once.' }),
  otpauthUrl: Type.String({ description: 'To show as a QR code to the app. Shown once.' }),
});
export const GivenOtp = Type.Object({ otp: Otp }, closed);
export const TotpConfirmed = Type.Object({
  recoveryCodes: Type.Array(Type.String(), { description: 'Each works once instead of a code. Shown once.' }),
});
export const DisableTotp = Type.Object({ password: GivenPassword, otp: Otp }, closed);
export const RenewedAccess = Type.Object(accessToken);
export type RenewedAccess = Static<typeof RenewedAccess>;
