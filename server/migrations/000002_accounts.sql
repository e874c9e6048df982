-- Accounts of people: who they are, their sessions, and the mails that go to them.
--
-- All of them are reference tables: they are found without knowing a partner, and a person may belong to several. Nothing of a tenant
-- refers to them by a foreign key. Accounts and sessions are the same in both environments (contract §1); mails carry the environment
-- of the process that wrote them, whose worker sends them. Nothing here opens anything by itself: passwords are argon2id, tokens of
-- mails and recovery codes SHA-256 of random bits, seeds and waiting mails sealed, refresh tokens are not stored at all.

create table accounts (
  id uuid primary key,
  -- As it was typed: where mails go. Null for who came by an outside issuer only.
  email text,
  -- Lower case: what it is found by.
  email_key text collate "C" unique,
  email_verified_at timestamptz,
  -- Null: no log-in by password.
  password_hash text,
  first_name text,
  last_name text,
  is_admin boolean not null default false,
  -- Made by a seed: never for production data. The pair (id, sandbox_only) is for tables that must refuse such an account.
  sandbox_only boolean not null default false,
  disabled_at timestamptz,
  totp_seed_encrypted bytea,
  -- Null while the enrolment is not confirmed.
  totp_confirmed_at timestamptz,
  -- The time step of the last code that was accepted: each code works once.
  totp_last_step bigint not null default 0,
  created_at timestamptz not null,
  unique (id, sandbox_only),
  check ((email is null) = (email_key is null)),
  check (password_hash is null or email is not null),
  check (totp_confirmed_at is null or totp_seed_encrypted is not null)
);

-- Who has given an address and not confirmed it yet. Each registration keeps its own password, so that confirming an address never
-- brings somebody else's password into force.
create table account_registrations (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  email text not null,
  email_key text collate "C" not null,
  password_hash text not null,
  first_name text,
  last_name text,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index account_registrations_email on account_registrations (email_key);
create index account_registrations_age on account_registrations (expires_at);

-- Mailed links that set a new password. For an unknown address a row of nobody is written, so that its absence cannot be timed: hence
-- no foreign key.
create table password_resets (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  account_id uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index password_resets_account on password_resets (account_id);
create index password_resets_age on password_resets (expires_at);

-- A session is one family of refresh tokens. The token of a generation is made of this row and a key, so that the one that is current
-- can be given again and none needs to be stored; `rotated_at` holds when the last generations were first used, the newest last.
create table account_sessions (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  audience text not null check (audience in ('partner', 'admin')),
  by_cookie boolean not null,
  amr text[] not null,
  otp_at timestamptz,
  generation integer not null default 0,
  rotated_at timestamptz[] not null default '{}',
  created_at timestamptz not null,
  refreshed_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check (end_reason in ('LOG_OUT', 'REUSE', 'PASSWORD', 'ROLE', 'DISABLED')),
  check ((ended_at is null) = (end_reason is null))
);
create index account_sessions_account on account_sessions (account_id);
create index account_sessions_age on account_sessions (expires_at);

-- Whom an outside issuer's subject stands for. Found by issuer and subject only, never by an e-mail address that the issuer tells.
create table account_identities (
  issuer text collate "C" not null,
  subject text collate "C" not null,
  account_id uuid not null references accounts (id),
  -- Tokens that were issued before are refused: how an account's outside sessions end.
  not_before timestamptz,
  created_at timestamptz not null,
  primary key (issuer, subject)
);
create index account_identities_account on account_identities (account_id);

create table account_recovery_codes (
  account_id uuid not null references accounts (id),
  code_hash bytea not null check (octet_length(code_hash) = 32),
  primary key (account_id, code_hash)
);

-- What slows down guessing. The key is an HMAC of what is counted (an address of mail, one of the network, both): it names nobody.
create table attempt_counters (
  key_hash bytea primary key check (octet_length(key_hash) = 32),
  attempts integer not null,
  last_attempt_at timestamptz not null,
  -- '-infinity': not at all. A time that has just passed would still lie ahead of a process whose clock is behind.
  blocked_until timestamptz not null,
  -- When an attempt from here succeeded last.
  succeeded_at timestamptz
);
create index attempt_counters_age on attempt_counters (last_attempt_at);

-- Mails that wait for the worker; a row is deleted once its mail was sent.
create table mail_outbox (
  id uuid primary key,
  environment text not null check (environment in ('sandbox', 'production')),
  sealed_mail bytea not null,
  attempts integer not null default 0,
  due_at timestamptz not null,
  created_at timestamptz not null,
  expires_at timestamptz
);
create index mail_outbox_due on mail_outbox (environment, due_at);
