import { errorCatalog } from '@sirgiving/contract';
import type { Header, OpenApiDocument, Parameter } from './document.ts';
import { headerComponent } from './error-responses.ts';

/** Where the two environments are (contract §1). */
export const documentedServers: OpenApiDocument['servers'] = [
  { url: 'https://devapi.sirgiving.org', description: 'Sandbox: keys `pk_test_…` and `sk_test_…`' },
  { url: 'https://api.sirgiving.org', description: 'Production: keys `pk_live_…` and `sk_live_…`' },
];

export const info: OpenApiDocument['info'] = {
  title: 'SIR Giving Partner API',
  version: '1.0.0',
  summary: 'Reward people for doing good.',
  description: [
    'Use the SIR Giving Partner API to add SIR rewards to your product: reward users for actions in your own system, track',
    'balances, and receive webhook events when rewards are issued or reversed. Every request is signed; see the security schemes.',
    'Success answers the resource itself. Errors are problem details (RFC 9457) with a `code` of `x-error-catalog`.',
  ].join(' '),
};

const key = 'The key identifies you; the signature proves it. ';

export const securitySchemes: OpenApiDocument['components']['securitySchemes'] = {
  partnerKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Partner-Key',
    description: `${key}A publishable (\`pk_…\`) or a secret key (\`sk_…\`).`,
  },
  secretKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Partner-Key',
    description: `${key}The secret key (\`sk_…\`): a publishable one may read only. It stays on your server.`,
  },
  publishableKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Partner-Key',
    description:
      'The publishable key (`pk_…`) alone, from a page or an app: everybody may see it, so it proves nothing.',
  },
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      'A person, logged in; `x-roles` of each operation says which roles of a partner’s team it is for; `account` is everybody who is logged in, `newcomer` who belongs to no partner yet. `X-Partner-Environment` (`sandbox` or `production`) chooses whose data it is about, else the environment of the host counts; who belongs to several partners names one in `X-Partner-Id`.',
  },
  adminAccessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      'Somebody of SIR Giving, logged in by `POST /v1/admin/auth/login`. `X-Partner-Environment` chooses the environment, else that of the host counts. On production data a one-time password has to be proved too, but where `x-roles` names `adminWithoutOtp`.',
  },
  timestamp: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Timestamp',
    description: 'Unix seconds, digits only, within 5 minutes of the server’s time either way.',
  },
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Signature',
    description:
      'Lowercase hex HMAC-SHA256, keyed with the HMAC secret as UTF-8, over `X-Timestamp + METHOD + pathWithQueryString + bodyHash` without separators. `bodyHash` is the lowercase hex SHA-256 of the exact bytes of the body, of the empty string when there is none.',
  },
};

const header = (name: string, description: string, type = 'string'): [string, Header] => [
  headerComponent(name),
  { description, schema: { type } },
];

export const headers: Record<string, Header> = Object.fromEntries([
  header('X-Request-Id', 'Names this request. Quote it when you contact us.'),
  header('X-RateLimit-Limit', 'How many requests a minute you have.', 'integer'),
  header('X-RateLimit-Remaining', 'How many of them are left.', 'integer'),
  header('X-RateLimit-Reset', 'When the count starts again, in Unix seconds.', 'integer'),
  header('Retry-After', 'How many seconds to wait before the next attempt.', 'integer'),
  header('Idempotent-Replayed', '`true` when this is the kept answer of an earlier request with the same key.'),
  header(
    'X-SIR-Ignored-Fields',
    'JSON Pointers, percent-encoded and separated by commas, of the fields that were sent and are unknown here.',
  ),
]);

export const parameters: Record<string, Parameter> = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Yours, new for each piece of work. A retry with the same key and body is given the first answer again; it is kept for 30 days.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
  PartnerEnvironment: {
    name: 'X-Partner-Environment',
    in: 'header',
    required: false,
    description: 'With an access token: whose data it is about. Left out: the environment of this host.',
    schema: { type: 'string', enum: ['sandbox', 'production'] },
  },
  PartnerId: {
    name: 'X-Partner-Id',
    in: 'header',
    required: false,
    description: 'With an access token: the partner, needed by who belongs to several.',
    schema: { type: 'string' },
  },
};

/** What each group of operations is about. */
export const tagDescriptions: Record<string, string> = {
  Users:
    'People of your system, known by your own stable `externalUserId`. They hold SIR tokens, which actions give them and redemptions spend.',
  Actions:
    'What you send when someone did something good: a purchase, a volunteer shift, a donation, a referral. An action becomes tokens, exactly once for each `idempotencyKey`.',
  Transactions:
    'The ledger as you see it: every row that moved tokens. Rows are never changed; a reversal is a row of its own.',
  'Token pools': 'Funded buckets of SIR tokens. Rewards are drawn from the default pool of your environment.',
  Webhooks: 'Addresses on your servers that hear of events, and what became of each delivery.',
  Events: 'What happened, in order.',
  Keys: 'Pairs of a publishable and a secret key, with the secret that signs the requests of both.',
  Accounts: 'Accounts of people: registering, logging in, passwords and one-time passwords.',
  Team: 'Who belongs to a partner: owners, developers and viewers. Others join by the link of a mail.',
  Settings: 'What a partner sets for itself, and what its pages and apps may know of it.',
  'Going live': 'The way to production: an application, and a checklist that the API fills in.',
  'Request log':
    'What was sent with your keys and by your team in the last 14 days, without secrets and personal data.',
  Dashboard: 'Figures for charts and tiles, counted from the events.',
  'Admin sessions': 'Log-in of people of SIR Giving. Their access tokens open nothing of a partner’s own API.',
  Administration:
    'For people of SIR Giving: partners, applications, tokens and the audit log. In production nobody approves what they have asked for.',
  Service: 'About the service itself. No keys are needed.',
};

/** The order in which groups are shown; others follow by name. */
export const tagOrder: readonly string[] = [
  'Actions',
  'Users',
  'Token pools',
  'Transactions',
  'Webhooks',
  'Events',
  'Accounts',
  'Keys',
  'Team',
  'Settings',
  'Going live',
  'Request log',
  'Dashboard',
  'Service',
  'Admin sessions',
  'Administration',
];

export function errorCatalogExtension(): OpenApiDocument['x-error-catalog'] {
  return Object.fromEntries(Object.entries(errorCatalog).map(([code, entry]) => [code, { ...entry }]));
}
