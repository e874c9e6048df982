import { type CatalogEntry, entry } from './catalog-entry.ts';

/** Why somebody is not let in: 401 for who they are not proven to be, 403 for what they may not do. */
export const accessErrors = {
  AUTHENTICATION_REQUIRED: entry(
    401,
    'Authentication is missing',
    'Send `X-Partner-Key`, `X-Timestamp` and `X-Signature`, or, where a person calls, `Authorization: Bearer …`.',
  ),
  INVALID_ACCESS_TOKEN: entry(
    401,
    'The access token is not valid',
    'It is expired, malformed, for something else, or its session has ended. Refresh it, or log in again.',
  ),
  INVALID_REFRESH_TOKEN: entry(
    401,
    'The session cannot be continued',
    'The refresh token is expired, was used before, or its session has ended. Log in again.',
  ),
  INVALID_CREDENTIALS: entry(
    401,
    'E-mail address or password is wrong',
    'Or the address was not confirmed yet: the mail of the registration has a link for that.',
  ),
  OTP_REQUIRED: entry(401, 'A one-time password is needed', 'Send `otp`: the code of the app, or a recovery code.'),
  INVALID_OTP: entry(
    401,
    'The one-time password is wrong',
    'Send the code that the app shows now; each code works once. Check the clock of the phone.',
  ),
  INVALID_API_KEY: entry(
    401,
    'The API key is not valid',
    'Unknown, revoked, deactivated or expired. Check which key your server is configured with.',
  ),
  INVALID_SIGNATURE: entry(
    401,
    'The signature does not match',
    'Sign timestamp + METHOD + path with query + SHA-256 of the exact body bytes. In the sandbox `hint` says what was seen.',
  ),
  TIMESTAMP_OUT_OF_RANGE: entry(
    401,
    'The timestamp is too far from the server’s time',
    'Within 5 minutes either way. `serverTime` and `skewSeconds` tell by how much; sign again with the right time.',
    true,
  ),
  WRONG_ENVIRONMENT: entry(
    401,
    'The key belongs to the other environment',
    'Use test keys with the sandbox host and live keys with the production host.',
  ),
  SIGNATURE_REUSED: entry(
    401,
    'The signature was used before',
    'This signature came with another Idempotency-Key. Sign each request anew.',
  ),
  SECRET_KEY_REQUIRED: entry(
    403,
    'This needs the secret key',
    'A publishable key may read only. Sign this request with `sk_…` on your server.',
  ),
  SECRET_KEY_IN_BROWSER: entry(
    403,
    'A secret key was sent by a browser',
    'The request carries an `Origin`. Keep `sk_…` on your server, and replace a key that was in a page.',
  ),
  IP_NOT_ALLOWED: entry(
    403,
    'The address is not on the key’s allow-list',
    'The key accepts requests only from the addresses that it lists.',
  ),
  ORIGIN_NOT_ALLOWED: entry(
    403,
    'The page may not send this',
    'The request comes from a page of another origin than those that are allowed.',
  ),
  ROLE_REQUIRED: entry(
    403,
    'Your role does not cover this',
    'Owners may do everything, developers all but team and go-live, viewers read. An owner of the partner can change your role.',
  ),
  SANDBOX_ONLY: entry(
    403,
    'The account is for the sandbox only',
    'It was made for trying things out and never sees production data. Register an account of your own.',
  ),
  PASSWORD_CHANGE_REQUIRED: entry(
    403,
    'The first password has to be changed',
    'Somebody else has made it. `POST auth/change-password`, then log in with the new one; until then nothing else is answered.',
  ),
  INVITATION_NOT_YOURS: entry(
    403,
    'The invitation is for another e-mail address',
    'Log in with the address that the invitation was sent to, or ask for one to yours.',
  ),
  FEATURE_NOT_ENABLED: entry(
    403,
    'This is not enabled for the partner',
    '`enabledFeatures` of the partner says what is. Contact SIR Giving.',
  ),
  PARTNER_NOT_APPROVED: entry(
    403,
    'The partner is not approved for production',
    'Live keys can read. Apply to go live; until then use the sandbox.',
  ),
  SECOND_PERSON_REQUIRED: entry(
    403,
    'Somebody else has to approve this',
    'Who asked and those who approve are different people. Let another admin approve it.',
  ),
  PARTNER_SUSPENDED: entry(403, 'The partner is suspended', 'Reads go on, changes do not. Contact SIR Giving.'),
} as const satisfies Record<string, CatalogEntry>;
