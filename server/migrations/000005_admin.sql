-- What people of SIR Giving and operators changed. A reference table: an entry may be about no partner, and a chain holds all of them.
-- Each entry carries the hash of the one before it, so that none can be changed, taken out or slipped in without `ledger verify` seeing
-- it (I14). No personal data: people are named by their accounts' ids, so that a person can be erased and the chain still verifies.

create table audit_log (
  sequence bigint primary key check (sequence > 0),
  id uuid not null unique,
  actor_kind text not null check (actor_kind in ('ADMIN', 'OPERATOR')),
  -- Null: an operator at the console of a sandbox, who needs no name there, or one who makes an admin, which may be the first.
  actor_account_id uuid,
  action text collate "C" not null check (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
  environment text not null check (environment in ('sandbox', 'production')),
  partner_id uuid,
  -- The public id of what was changed.
  target text collate "C" not null,
  reason text,
  -- json and not jsonb: the hash is over the text as it was written.
  before_change json,
  after_change json,
  request_id text collate "C",
  created_at timestamptz not null,
  previous_hash bytea not null check (octet_length(previous_hash) = 32),
  hash bytea not null check (octet_length(hash) = 32),
  check (actor_kind <> 'ADMIN' or actor_account_id is not null),
  check (environment = 'sandbox' or actor_account_id is not null or action = 'admin.create')
);
create index audit_log_partner on audit_log (partner_id, id);
create index audit_log_target on audit_log (target);
create index audit_log_actor on audit_log (actor_account_id, id);

-- The newest entry; its row lock makes writers take turns.
create table audit_head (
  only_row boolean primary key default true check (only_row),
  sequence bigint not null,
  hash bytea not null check (octet_length(hash) = 32)
);
insert into audit_head (sequence, hash) values (0, decode(repeat('00', 32), 'hex'));
