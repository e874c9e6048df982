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
