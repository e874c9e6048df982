import { accessErrors } from './access-errors.ts';
import { type CatalogEntry, entry } from './catalog-entry.ts';

/** Every code that the API answers with. The documentation lists exactly this. */
export const errorCatalog = {
  INVALID_JSON: entry(
    400,
    'The body is not acceptable JSON',
    'Not UTF-8 JSON, a key twice in one object, nested deeper than 32 levels, or text behind the value.',
  ),
  INVALID_REQUEST: entry(
    400,
    'The request does not fit the schema',
    '`errors` names each place (a JSON Pointer into the body, or the parameter) and what is expected there.',
  ),
  INVALID_CURSOR: entry(
    400,
    'The cursor is not valid',
    'Pass `pagination.nextCursor` of the page before, unchanged, with the same filters.',
  ),
  PARTNER_REQUIRED: entry(
    400,
    'Whose data this is about is not said',
    'You belong to several partners: name one in `X-Partner-Id`. You belong to none: your first key makes one.',
  ),
  ...accessErrors,
  NO_ACTIVE_POOL: entry(
    402,
    'There is no active token pool',
    'The partner has no active token pool in this environment. Once there is one, the same idempotency key succeeds.',
  ),
  INSUFFICIENT_POOL: entry(
    402,
    'The token pool is too low',
    'The pool has fewer tokens than this action is worth. Once it is funded, the same idempotency key succeeds.',
  ),
  INSUFFICIENT_BALANCE: entry(
    402,
    'The user has too few tokens',
    'The user’s available balance does not cover this. Nothing was written.',
  ),
  NOT_FOUND: entry(404, 'There is no such thing', 'No resource at this path, or it belongs to someone else.'),
  METHOD_NOT_ALLOWED: entry(405, 'The method is not allowed here', '`Allow` lists the methods of this path.'),
  TOTP_ALREADY_ENABLED: entry(
    409,
    'One-time passwords are on already',
    'Turn them off first if the app is to be replaced.',
  ),
  IDENTITY_IN_USE: entry(
    409,
    'The outside identity has an account that is in use',
    'It belongs to a partner already. Leave the partner with it, or go on using it as it is.',
  ),
  USER_EXISTS: entry(409, 'The user exists already', 'A user with this `externalUserId` exists. Read or patch it.'),
  REQUEST_IN_PROGRESS: entry(
    409,
    'The same request is still running',
    'A request with the same key has not ended yet. Try again after `Retry-After`.',
    true,
  ),
  LIMIT_REACHED: entry(409, 'A limit is reached', '`detail` names the limit. Delete what is no longer used.'),
  WRONG_HOST: entry(
    409,
    'This host has no production data',
    'A server on an embedded database serves the sandbox only. Use the production host.',
  ),
  KEY_NOT_ROTATABLE: entry(
    409,
    'The key cannot be rotated',
    'It has a successor already, or works no more. Rotate the newest key of its line, or create a key.',
  ),
  MEMBER_EXISTS: entry(409, 'The person belongs to the team already', 'Change the role of the member instead.'),
  LAST_OWNER: entry(
    409,
    'The last owner cannot go',
    'A partner has at least one owner. Make somebody else an owner first.',
  ),
  GO_LIVE_DECIDED: entry(
    409,
    'There is an application already',
    'One that waits for its decision, or one that was approved. `GET /v1/partner/go-live` shows it.',
  ),
  WEBHOOK_PAUSED: entry(
    409,
    'The webhook is paused',
    'Its receiver answered 410 Gone. Events wait in its queue; delete it and register the address anew.',
  ),
  POOL_CLOSED: entry(
    409,
    'The token pool is closed',
    'Nothing goes into it any more. Use another pool, or ask for a new one.',
  ),
  REQUEST_DECIDED: entry(
    409,
    'The request is decided already',
    'It was approved or denied before. Read it, and file another one where that is needed.',
  ),
  BODY_TOO_LARGE: entry(413, 'The body is too large', 'At most 64 kB, a batch 1 MiB.'),
  UNSUPPORTED_MEDIA_TYPE: entry(
    415,
    'The content type is not supported',
    'Send `Content-Type: application/json` (UTF-8).',
  ),
  IDEMPOTENCY_KEY_REUSED: entry(
    422,
    'The idempotency key came with another body',
    '`errors` names the places that differ from the first request with this key.',
  ),
  LINK_NOT_VALID: entry(
    422,
    'The link is used or too old',
    'A link of a mail works once and for 30 minutes. Ask for a new one.',
  ),
  TOTP_NOT_ENABLED: entry(422, 'One-time passwords are off', 'Turn them on first: enrol and confirm.'),
  UNSUPPORTED_CURRENCY: entry(
    422,
    'There is no rate for this currency',
    'The token pool has no rate for the currency. Nothing was written.',
  ),
  ACTION_TYPE_NOT_ALLOWED: entry(
    422,
    'The pool does not reward this type of action',
    'The token pool is restricted to other action types. Nothing was written.',
  ),
  NO_VALUE_RULE: entry(
    422,
    'Nothing says what this action is worth',
    'Send `amount` and `currency`, or set up a campaign that gives this action type a value.',
  ),
  USER_NOT_FOUND: entry(
    422,
    'The user does not exist',
    '`autoCreateUsers` is false and a stakeholder is unknown. Create the user first.',
  ),
  CAMPAIGN_NOT_APPLICABLE: entry(
    422,
    'The campaign does not apply',
    'The campaign does not exist, is not active, or does not match this action.',
  ),
  ACTION_NOT_REVERSIBLE: entry(
    422,
    'The action cannot be reversed',
    'Only an action that was completed can be reversed.',
  ),
  REVERSAL_EXCEEDS_REMAINING: entry(
    422,
    'More than what remains',
    'A reversal may take back at most what is left of the action’s tokens.',
  ),
  BATCH_REJECTED: entry(
    422,
    'The atomic batch was rejected',
    'One item failed, so nothing of the batch was written. `results` tells which and why.',
  ),
  DESTINATION_NOT_ALLOWED: entry(
    422,
    'The address cannot receive webhooks',
    'https on port 443 or 8443 at a public host name, without user info.',
  ),
  TOO_MANY_ATTEMPTS: entry(
    429,
    'Too many attempts',
    'From your address, with this e-mail address. Wait as long as `Retry-After` says; others are not affected.',
    true,
  ),
  RATE_LIMITED: entry(429, 'Too many requests', 'Slow down; `Retry-After` says for how many seconds.', true),
  INTERNAL_ERROR: entry(
    500,
    'Something broke on our side',
    'Nothing was kept of this request. Quote `requestId` when you contact us.',
    true,
  ),
  UNAVAILABLE: entry(
    503,
    'Not available right now',
    'Nothing was written. Try again after `Retry-After` with the same idempotency key.',
    true,
  ),
  MAIL_NOT_CONFIGURED: entry(
    503,
    'This server cannot send mail',
    'Whoever runs it sets `SMTP_URL`; `npm start` on a laptop shows mails at `/dev/mail`.',
  ),
  OVERLOADED: entry(
    503,
    'Too much work is waiting',
    'Nothing was written. Try again after `Retry-After` with the same idempotency key.',
    true,
  ),
  OUTCOME_UNKNOWN: entry(
    503,
    'The outcome is not known',
    'The connection to the database was lost while the action was being committed. Repeat it with the same idempotency key: it is rewarded once.',
    true,
  ),
} as const satisfies Record<string, CatalogEntry>;

export type ErrorCode = keyof typeof errorCatalog;
export const errorCodes = Object.keys(errorCatalog) as ErrorCode[];
