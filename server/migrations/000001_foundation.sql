-- The foundation: partners and their keys, users, token pools, the ledger, actions, events, webhooks.
--
-- Rules of every tenant table (docs/decisions/0009-schema-that-distributes.md): partner_id stands first in every primary key,
-- unique constraint and foreign key; ids are made by the caller (UUIDv7); order numbers come from a row under its lock; no
-- triggers, no identity columns. Text keys are COLLATE "C" so that PostgreSQL and its indexes sort them alike everywhere.
-- The tables that a rewarded action writes carry no foreign keys: the posting function writes both sides in one transaction,
-- and `sir-server ledger verify` checks them (I11).

create table partners (
  id uuid primary key,
  name text not null,
  slug text collate "C" not null,
  status text not null check (status in ('PENDING_APPROVAL', 'ACTIVE', 'SUSPENDED')),
  tier text not null default 'STANDARD' check (tier in ('STANDARD', 'PROFESSIONAL', 'ENTERPRISE')),
  created_at timestamptz not null
);

-- Reference table: found without knowing the partner.
create table partner_slugs (
  slug text collate "C" primary key,
  partner_id uuid not null
);

-- ── Credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────────

create table api_keys (
  partner_id uuid not null references partners (id),
  id uuid not null,
  environment text not null check (environment in ('sandbox', 'production')),
  name text not null,
  public_key text collate "C" not null,
  secret_key_hash bytea not null check (octet_length(secret_key_hash) = 32),
  hmac_secret_encrypted bytea not null,
  is_active boolean not null default true,
  allowed_ips text[] not null default '{}',
  allowed_origins text[] not null default '{}',
  rotated_from uuid,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (partner_id, id)
);

-- Reference table: SHA-256 of a publishable or secret key → its row.
create table api_key_lookup (
  credential_hash bytea primary key,
  kind text not null check (kind in ('publishable', 'secret')),
  environment text not null,
  partner_id uuid not null,
  api_key_id uuid not null
);

-- Raised in the transaction of every change that takes an access right away; caches compare it (contract §2).
create table credential_changes (
  singleton boolean primary key default true check (singleton),
  value bigint not null
);
insert into credential_changes (value) values (1);

-- Tells a wrong SIR_MASTER_KEY at start, before anything is written with it.
create table master_key_checks (
  singleton boolean primary key default true check (singleton),
  check_value bytea not null
);

-- Answers kept for retries: by the Idempotency-Key header, and by the request's own signature (contract §3, §4).
create table idempotent_requests (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  route text collate "C" not null,
  idempotency_key text collate "C",
  signature_hash bytea not null,
  body_hash bytea not null,
  status smallint not null,
  answer json,
  -- Members of the answer that are shown once; blanked after 24 h.
  secrets_encrypted bytea,
  -- The row whose answer was given again: such a row only remembers the signature that the retry came with.
  replays_id uuid,
  created_at timestamptz not null,
  primary key (partner_id, id)
);
create unique index idempotent_requests_key on idempotent_requests (partner_id, environment, route, idempotency_key) where idempotency_key is not null;
create unique index idempotent_requests_signature on idempotent_requests (partner_id, environment, signature_hash);
create index idempotent_requests_age on idempotent_requests (created_at);
create index idempotent_requests_secrets on idempotent_requests (created_at) where secrets_encrypted is not null;

-- ── Users ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

create table partner_users (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  external_user_id text collate "C" not null,
  email text,
  first_name text,
  last_name text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, environment, external_user_id)
);

-- ── Ledger (server/src/ledger/README.md: chart of accounts and invariants) ───────────────────────────────────────────────

create table token_pools (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  name text not null,
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'CLOSED')),
  is_default boolean not null default false,
  rates jsonb not null default '{"USD": 1}',
  restrictions jsonb not null default '{}',
  low_balance_thresholds jsonb not null default '[]',
  head_sequence bigint not null default 0,
  head_hash bytea not null default decode(repeat('00', 32), 'hex'),
  created_at timestamptz not null,
  primary key (partner_id, id)
) with (fillfactor = 50);
create unique index token_pools_default on token_pools (partner_id, environment) where is_default;

-- A pool's account has the pool's id, a user's available account the user's id; issuance and redeemed stand once per environment.
create table ledger_accounts (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  kind text not null check (kind in ('issuance', 'pool', 'user.pending', 'user.available', 'redeemed')),
  balance bigint not null default 0,
  debt_allowed bigint not null default 0,
  sequence bigint not null default 0,
  allocated bigint not null default 0,
  rewarded bigint not null default 0,
  reversed bigint not null default 0,
  redeemed bigint not null default 0,
  created_at timestamptz not null,
  primary key (partner_id, id),
  constraint balance_within_rule check (kind = 'issuance' or balance >= -debt_allowed),
  constraint debt_only_of_users check (debt_allowed >= 0 and (kind = 'user.available' or debt_allowed = 0)),
  -- Every amount stays an exact integer in JSON and JavaScript.
  constraint balance_is_exact check (balance between -9007199254740991 and 9007199254740991)
) with (fillfactor = 80);
create unique index ledger_accounts_singletons on ledger_accounts (partner_id, environment, kind) where kind in ('issuance', 'redeemed');

create table ledger_transactions (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  pool_id uuid not null,
  sequence bigint not null,
  kind text not null check (kind in ('ALLOCATION', 'WITHDRAWAL', 'REWARD', 'VESTING', 'REVERSAL', 'EXPIRATION', 'REDEMPTION')),
  -- Signed as the user sees it; for ALLOCATION and WITHDRAWAL as the pool sees it.
  tokens bigint not null,
  user_id uuid,
  action_id uuid,
  -- Which distribution of the action this row pays or takes back.
  distribution_index smallint,
  reverses_id uuid,
  reversal_id uuid,
  redemption_id uuid,
  hash bytea not null,
  created_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, pool_id, sequence)
);
create index ledger_transactions_user on ledger_transactions (partner_id, user_id, id) where user_id is not null;

create table ledger_entries (
  partner_id uuid not null,
  transaction_id uuid not null,
  account_id uuid not null,
  environment text not null,
  account_sequence bigint not null,
  amount bigint not null,
  balance_after bigint not null,
  primary key (partner_id, transaction_id, account_id),
  unique (partner_id, account_id, account_sequence)
);

-- ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

create table actions (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  source text collate "C" not null check (source in ('api', 'donation')),
  idempotency_key text collate "C" not null,
  -- SHA-256 over the canonical body, and hashes per leaf, salted with the id, that name the paths in which a retry differs.
  fingerprint_version smallint not null,
  fingerprint bytea not null,
  fingerprint_leaves json not null,
  status text not null check (status in ('COMPLETED', 'FAILED', 'PARTIALLY_REVERSED', 'REVERSED')),
  failure_code text,
  action_type text not null,
  amount numeric(14, 4),
  currency text,
  quantity numeric(14, 4),
  unit text,
  occurred_at timestamptz,
  campaign_id uuid,
  metadata json not null,
  -- [{stakeholderTypeCode, userId}] in the order of the request.
  stakeholders json not null,
  pool_id uuid,
  tokens bigint not null default 0,
  reversed_tokens bigint not null default 0,
  -- [{stakeholderTypeCode, userId, campaignId, tokens, availableAt, transactionId}]
  distributions json not null,
  -- The inputs of the evaluation; evaluator_version names the code that reads them (contract §6, I15).
  evaluator_version smallint not null,
  trace json not null,
  attempts integer not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, environment, source, idempotency_key)
);

create table reversals (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  action_id uuid not null,
  idempotency_key text collate "C",
  fingerprint bytea not null,
  reason text not null,
  mode text not null check (mode in ('negative', 'partial', 'refuse')),
  tokens bigint not null,
  debt bigint not null,
  transaction_ids uuid[] not null,
  -- The first answer, given again to a retry.
  answer json not null,
  created_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, action_id, idempotency_key)
);

create table redemptions (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  user_id uuid not null,
  idempotency_key text collate "C" not null,
  fingerprint bytea not null,
  tokens bigint not null check (tokens > 0),
  reference text,
  transaction_ids uuid[] not null,
  created_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, environment, idempotency_key)
);

-- ── Events and webhooks ──────────────────────────────────────────────────────────────────────────────────────────────────

-- The counter row is locked as the last thing before COMMIT, so that positions are gap-free and never commit out of order.
create table event_counters (
  partner_id uuid not null,
  environment text not null,
  position bigint not null,
  primary key (partner_id, environment)
) with (fillfactor = 50);

create table events (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  position bigint not null,
  type text collate "C" not null,
  data json not null,
  created_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, environment, position)
);

create table webhook_endpoints (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  url text not null,
  description text,
  event_types text[] not null,
  receive_all_events boolean not null,
  headers_encrypted bytea,
  secret_encrypted bytea not null,
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'PAUSED')),
  -- The last sequence number given to a delivery of this endpoint; gap-free under this row's lock.
  sequence bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  primary key (partner_id, id)
) with (fillfactor = 70);

-- Up to which position the events of a partner have been given to its endpoints.
create table fan_out_cursors (
  partner_id uuid not null,
  environment text not null,
  position bigint not null,
  primary key (partner_id, environment)
) with (fillfactor = 50);

create table webhook_deliveries (
  partner_id uuid not null,
  id uuid not null,
  environment text not null,
  endpoint_id uuid not null,
  event_id uuid not null,
  -- None for webhook.test.
  sequence bigint,
  status text not null check (status in ('PENDING', 'SUCCEEDED', 'EXHAUSTED', 'CANCELED')),
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  -- While a worker sends: until when it may, after that the delivery is anyone's again.
  leased_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (partner_id, id),
  unique (partner_id, endpoint_id, sequence),
  -- An event has one delivery per endpoint, however often the fan-out runs; retries and replays use the same row.
  unique (partner_id, event_id, endpoint_id),
  foreign key (partner_id, endpoint_id) references webhook_endpoints (partner_id, id)
) with (fillfactor = 70);
-- Each endpoint's queue in the order it is worked off: the due ones of one endpoint are found without passing those of another,
-- however long its queue is.
create index webhook_deliveries_queue on webhook_deliveries (partner_id, endpoint_id, next_attempt_at, sequence) where status = 'PENDING';

create table webhook_attempts (
  partner_id uuid not null,
  delivery_id uuid not null,
  attempt integer not null,
  environment text not null,
  started_at timestamptz not null,
  duration_milliseconds integer not null,
  outcome text not null,
  response_status smallint,
  response_body text,
  error text,
  primary key (partner_id, delivery_id, attempt),
  foreign key (partner_id, delivery_id) references webhook_deliveries (partner_id, id)
);
