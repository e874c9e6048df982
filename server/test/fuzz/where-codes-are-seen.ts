import type { ErrorCode } from '@sirgiving/contract';

/** The codes that every fuzz run of 10,000 calls meets; fuzz.test.ts holds the run to it. */
export const CODES_OF_THE_FUZZ_RUN: readonly ErrorCode[] = [
  'INVALID_JSON',
  'INVALID_REQUEST',
  'INVALID_CURSOR',
  'AUTHENTICATION_REQUIRED',
  'INVALID_API_KEY',
  'INVALID_SIGNATURE',
  'TIMESTAMP_OUT_OF_RANGE',
  'WRONG_ENVIRONMENT',
  'SIGNATURE_REUSED',
  'SECRET_KEY_REQUIRED',
  'SECRET_KEY_IN_BROWSER',
  'IP_NOT_ALLOWED',
  'PARTNER_SUSPENDED',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'USER_EXISTS',
  'UNSUPPORTED_MEDIA_TYPE',
  'IDEMPOTENCY_KEY_REUSED',
  'UNSUPPORTED_CURRENCY',
  'REVERSAL_EXCEEDS_REMAINING',
  'BATCH_REJECTED',
  'DESTINATION_NOT_ALLOWED',
];

/** A test, or a group of them, that brings a code about on purpose. */
export interface DirectedTest {
  /** From the root of the repository. */
  file: string;
  /** The title as it is written there. */
  title: string;
}

/**
 * The codes that random calls do not meet, or not every time: by their test. A code of 503 stands here with the fault that brings it
 * about.
 */
export const DIRECTED_TESTS: Partial<Record<ErrorCode, DirectedTest>> = {
  NO_ACTIVE_POOL: {
    file: 'server/src/actions/routes.test.ts',
    title: 'refuses what has no value, no rate or no campaign, in that order behind the pool',
  },
  INSUFFICIENT_POOL: {
    file: 'server/src/actions/routes.test.ts',
    title: 'a failed action is kept, listed and explained',
  },
  INSUFFICIENT_BALANCE: {
    file: 'server/src/users/redeem-tokens.test.ts',
    title: 'a refused request writes nothing and uses no key up',
  },
  PARTNER_NOT_APPROVED: {
    file: 'server/src/server.test.ts',
    title: 'lets partners that wait for approval submit in production, and change nothing else',
  },
  PARTNER_REQUIRED: {
    file: 'server/test/flows/access-matrix.test.ts',
    title: 'members who have left, and members of other partners, see nothing of a partner',
  },
  INVALID_ACCESS_TOKEN: {
    file: 'server/test/flows/access-matrix.test.ts',
    title: 'access tokens that are expired, ended, forged or of another kind are refused on every route for people',
  },
  ROLE_REQUIRED: {
    file: 'server/src/partners/team/routes.test.ts',
    title: 'in several partners is told apart by X-Partner-Id',
  },
  SANDBOX_ONLY: {
    file: 'server/test/flows/access-matrix.test.ts',
    title: 'seeded accounts never come near production data, and laptop mode has none',
  },
  WRONG_HOST: {
    file: 'server/test/flows/access-matrix.test.ts',
    title: 'seeded accounts never come near production data, and laptop mode has none',
  },
  ORIGIN_NOT_ALLOWED: {
    file: 'server/src/widget-cors.test.ts',
    title: 'of %s, which is not on the list, is told so and can read it',
  },
  FEATURE_NOT_ENABLED: {
    file: 'server/src/partners/set-partner-terms.test.ts',
    title: 'what is not enabled is refused within a second, and what is enabled again works',
  },
  PASSWORD_CHANGE_REQUIRED: {
    file: 'server/src/accounts/first-password.test.ts',
    title: 'a first password opens nothing but its own change and the log-out: %s',
  },
  INVITATION_NOT_YOURS: {
    file: 'server/src/partners/team/routes.test.ts',
    title: 'lets in nobody else who has the link, and nobody twice',
  },
  MEMBER_EXISTS: {
    file: 'server/src/partners/team/routes.test.ts',
    title: 'is not for who belongs to the team, and at most 50 wait',
  },
  LAST_OWNER: {
    file: 'server/src/partners/team/routes.test.ts',
    title: 'of the last owner cannot be given up, also when two go at once',
  },
  KEY_NOT_ROTATABLE: {
    file: 'server/src/partners/keys/routes.test.ts',
    title: 'makes a successor; both work during the overlap, then only the new one',
  },
  GO_LIVE_DECIDED: {
    file: 'server/src/partners/go-live/go-live.test.ts',
    title: 'has the documented items, proposes tier and pool, and waits',
  },
  INVALID_CREDENTIALS: {
    file: 'server/src/accounts/passwords.test.ts',
    title: 'a password is changed by who knows the present one; every session ends and a mail tells',
  },
  INVALID_REFRESH_TOKEN: {
    file: 'server/src/accounts/sessions.test.ts',
    title: 'used again after ten seconds was copied: the whole family ends, the newest token too',
  },
  INVALID_OTP: {
    file: 'server/src/accounts/totp.test.ts',
    title: 'takes each recovery code once',
  },
  TOTP_ALREADY_ENABLED: {
    file: 'server/src/accounts/totp.test.ts',
    title: 'gives a seed that every app takes, and counts once a first code was seen',
  },
  TOTP_NOT_ENABLED: {
    file: 'server/src/accounts/totp.test.ts',
    title: 'and turning off need the password, turning off a code too',
  },
  IDENTITY_IN_USE: {
    file: 'server/src/accounts/outside-issuer.test.ts',
    title: 'that belongs to a partner, or to another person, is not given up',
  },
  LINK_NOT_VALID: {
    file: 'server/src/accounts/passwords.test.ts',
    title: 'a link that was mailed before a change of the password is no key to the account any more',
  },
  TOO_MANY_ATTEMPTS: {
    file: 'server/src/accounts/log-in.test.ts',
    title: 'slows down more and more for an account from one network, and says for how long',
  },
  MAIL_NOT_CONFIGURED: {
    file: 'server/src/accounts/mailed-links.test.ts',
    title: 'without mail, what needs it answers 503 MAIL_NOT_CONFIGURED, and the rest works',
  },
  OTP_REQUIRED: {
    file: 'server/src/admin/admin.test.ts',
    title: 'approving, funding and withdrawing in production need a one-time password of the last 15 minutes',
  },
  REQUEST_IN_PROGRESS: {
    file: 'server/src/platform/idempotent-request.test.ts',
    title: 'is 409 with Retry-After when the first has not ended after 2 s',
  },
  LIMIT_REACHED: {
    file: 'server/src/webhooks/routes.test.ts',
    title: 'twenty are enough, also when many come at once; deleting one makes room',
  },
  POOL_CLOSED: {
    file: 'server/src/pools/update-pool.test.ts',
    title: 'a pool of somebody else is not found, a closed one does not change',
  },
  REQUEST_DECIDED: {
    file: 'server/src/pools/pool-requests.test.ts',
    title: 'a decision is made once, also by two admins at once',
  },
  SECOND_PERSON_REQUIRED: {
    file: 'server/src/pools/pool-requests.test.ts',
    title: 'whoever asked does not approve, whether once or as the second',
  },
  ACTION_TYPE_NOT_ALLOWED: {
    file: 'server/src/pools/routes.test.ts',
    title: 'an action type that the pool does not reward is 422 on submit and on preview',
  },
  WEBHOOK_PAUSED: { file: 'server/src/webhooks/routes.test.ts', title: 'a paused webhook refuses a test' },
  BODY_TOO_LARGE: {
    file: 'server/test/flows/bad-input.test.ts',
    title: 'over the limit is refused: a byte too many as well as 2 MiB',
  },
  NO_VALUE_RULE: {
    file: 'server/src/actions/routes.test.ts',
    title: 'refuses what has no value, no rate or no campaign, in that order behind the pool',
  },
  USER_NOT_FOUND: {
    file: 'server/src/actions/submit-actions.test.ts',
    title: 'of an unknown user is refused when users are not to be created, and leaves nothing',
  },
  CAMPAIGN_NOT_APPLICABLE: {
    file: 'server/src/actions/routes.test.ts',
    title: 'refuses what has no value, no rate or no campaign, in that order behind the pool',
  },
  ACTION_NOT_REVERSIBLE: {
    file: 'server/src/actions/routes.test.ts',
    title: 'a failed action has nothing to reverse',
  },
  RATE_LIMITED: {
    file: 'server/src/server.test.ts',
    title: 'are of the partner: past them 429 with Retry-After for it, and nothing for another one',
  },
  INTERNAL_ERROR: {
    file: 'server/src/server.test.ts',
    title: 'anything else is 500, is logged with the request’s id and shows nothing of itself: %s',
  },
  UNAVAILABLE: { file: 'server/test/faults/database-faults.test.ts', title: 'PostgreSQL hung by SIGSTOP' },
  OVERLOADED: {
    file: 'server/test/faults/database-faults.test.ts',
    title: 'a full queue: 503 OVERLOADED, also for other partners, and good again afterwards',
  },
  OUTCOME_UNKNOWN: {
    file: 'server/test/faults/database-faults.test.ts',
    title: 'a connection that is cut around COMMIT',
  },
};
