-- What a partner's requests were and what became of them, for 14 days; and persons who were erased.

-- ── Erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The books go on knowing the row; nobody is found by it any more.
alter table partner_users add column erased_at timestamptz;

-- ── Request log ──────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Written in sets, about a second behind the requests. The id is the request's own (`req_…`). No secret and nothing personal comes in:
-- of bodies and queries only what is known to be neither, the rest as a marker.
create table request_log (
  partner_id uuid not null,
  id uuid not null,
  environment text not null check (environment in ('sandbox', 'production')),
  method text not null,
  route text not null,
  path text not null,
  status smallint not null,
  code text,
  duration_milliseconds integer not null,
  caller text not null check (caller in ('apiKey', 'member', 'widget')),
  api_key_id uuid,
  ip text,
  replayed boolean not null,
  ignored_fields json not null,
  body_bytes integer not null,
  body json,
  error json,
  created_at timestamptz not null,
  primary key (partner_id, id)
);
-- Rows come in the order of their time: a few bytes for each block tell which of them are old, and writing pays nothing for it.
create index request_log_age on request_log using brin (created_at);

-- ── Dashboard ────────────────────────────────────────────────────────────────────────────────────────────────────────────

create index partner_users_erased on partner_users (partner_id, environment) where erased_at is not null;

-- Up to which position the events of a partner have been counted.
create table dashboard_cursors (
  partner_id uuid not null,
  environment text not null,
  position bigint not null,
  -- When the last of them happened.
  counted_until timestamptz,
  primary key (partner_id, environment)
) with (fillfactor = 50);

-- What happened in each hour, counted from the events by the worker: an event once, since its position is. All of it can be counted
-- again from them.
create table dashboard_hours (
  partner_id uuid not null,
  environment text not null,
  hour timestamptz not null,
  figure text collate "C" not null,
  -- An action type, or the code of a failure; empty where there is none.
  dimension text collate "C" not null,
  amount bigint not null,
  primary key (partner_id, environment, hour, figure, dimension)
) with (fillfactor = 70);
