interface CatalogEntry {
  status: number;
  title: string;
  /** Whether the same request may succeed when it is simply sent again. */
  retryable: boolean;
  /** What it means and what to do: shown in the documentation. */
  description: string;
}

const entry = (status: number, title: string, description: string, retryable = false): CatalogEntry => ({
  status,
  title,
  retryable,
  description,
});

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
  AUTHENTICATION_REQUIRED: entry(
    401,
    'Authentication is missing',
    'Send `X-Partner-Key`, `X-Timestamp` and `X-Signature`.',
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
  PARTNER_NOT_APPROVED: entry(
    403,
    'The partner is not approved for production',
    'Live keys can read. Apply to go live; until then use the sandbox.',
  ),
  PARTNER_SUSPENDED: entry(403, 'The partner is suspended', 'Reads go on, changes do not. Contact SIR Giving.'),
  NOT_FOUND: entry(404, 'There is no such thing', 'No resource at this path, or it belongs to someone else.'),
  METHOD_NOT_ALLOWED: entry(405, 'The method is not allowed here', '`Allow` lists the methods of this path.'),
  USER_EXISTS: entry(409, 'The user exists already', 'A user with this `externalUserId` exists. Read or patch it.'),
  REQUEST_IN_PROGRESS: entry(
    409,
    'The same request is still running',
    'A request with the same key has not ended yet. Try again after `Retry-After`.',
    true,
  ),
  LIMIT_REACHED: entry(409, 'A limit is reached', '`detail` names the limit. Delete what is no longer used.'),
  WEBHOOK_PAUSED: entry(
    409,
    'The webhook is paused',
    'Its receiver answered 410 Gone. Events wait in its queue; delete it and register the address anew.',
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
  UNSUPPORTED_CURRENCY: entry(
    422,
    'There is no rate for this currency',
    'The token pool has no rate for the currency. Nothing was written.',
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
