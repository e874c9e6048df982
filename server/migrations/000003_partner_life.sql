-- The life of a partner: its team, its keys while they are used, its way to production.

-- ── Partners ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- What SIR Giving has enabled.
alter table partners add column features text[] not null default '{DONATIONS,ACTIONS}';
alter table partners add constraint features_are_known check (features <@ array['DONATIONS', 'ACTIONS']);
alter table partners add column legal_name text;
-- Where alerts and notices go; null: to the owners.
alter table partners add column contact_email text;
alter table partners add column tips_enabled boolean not null default true;
alter table partners add column default_tip_percent smallint not null default 10 check (default_tip_percent between 0 and 100);
-- What a new live key starts with, asked for when the partner applied.
alter table partners add column production_allowed_ips text[] not null default '{}';
-- Made by a seed or by a seeded account: never for production data. The pair is for rows that must refuse such a partner.
alter table partners add column sandbox_only boolean not null default false;
alter table partners add constraint sandbox_only_partners_are_not_approved check (not sandbox_only or status <> 'ACTIVE');
alter table partners add constraint partners_sandbox_only unique (id, sandbox_only);
-- Admins look through all of them.
create index partners_by_status on partners (status, id);

-- ── Team ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

create table partner_members (
  partner_id uuid not null references partners (id),
  account_id uuid not null,
  role text not null check (role in ('owner', 'developer', 'viewer')),
  created_at timestamptz not null,
  primary key (partner_id, account_id)
);

-- Reference table: account → its partners.
create table partner_member_lookup (
  account_id uuid not null,
  partner_id uuid not null,
  primary key (account_id, partner_id)
);

create table partner_invitations (
  partner_id uuid not null references partners (id),
  id uuid not null,
  -- As it was typed: where the mail goes. Blanked once the invitation is decided.
  email text,
  email_key text collate "C",
  role text not null check (role in ('owner', 'developer', 'viewer')),
  status text not null default 'PENDING' check (status in ('PENDING', 'ACCEPTED', 'DECLINED', 'REVOKED')),
  invited_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  decided_at timestamptz,
  primary key (partner_id, id),
  check ((status = 'PENDING') = (decided_at is null)),
  check ((status = 'PENDING') = (email is not null))
);
create unique index partner_invitations_pending on partner_invitations (partner_id, email_key) where status = 'PENDING';
create index partner_invitations_age on partner_invitations (expires_at) where status = 'PENDING';

-- Reference table: SHA-256 of the token in the mail → its invitation.
create table partner_invitation_lookup (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  partner_id uuid not null,
  invitation_id uuid not null
);

-- ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

alter table api_keys add column of_sandbox_only boolean not null default false;
alter table api_keys add constraint api_keys_of_sandbox_only
  foreign key (partner_id, of_sandbox_only) references partners (id, sandbox_only);
alter table api_keys add constraint sandbox_only_partners_have_no_live_keys
  check (environment = 'sandbox' or not of_sandbox_only);
-- Written in batches, some seconds behind the requests.
alter table api_keys add column last_used_at timestamptz;
alter table api_keys add column last_used_ip text;
-- Null: by an operator.
alter table api_keys add column created_by uuid;
-- When the expiry was set, and the shortest notice of it that was given: 30, 7 or 1 days.
alter table api_keys add column expiry_set_at timestamptz;
alter table api_keys add column expiry_notice_days smallint;
create unique index api_keys_successor on api_keys (partner_id, rotated_from) where rotated_from is not null;
create index api_keys_expiring on api_keys (environment, expires_at) where expires_at is not null and revoked_at is null;

-- People have no signature: their retries are recognised by the Idempotency-Key alone.
alter table idempotent_requests alter column signature_hash drop not null;

-- ── Going live ───────────────────────────────────────────────────────────────────────────────────────────────────────────

create table go_live_applications (
  partner_id uuid not null references partners (id),
  id uuid not null,
  status text not null default 'PENDING' check (status in ('PENDING', 'APPROVED', 'DENIED')),
  partner_name text not null,
  legal_entity text not null,
  contact_email text not null,
  use_case text not null,
  integration_model text not null check (integration_model in ('SERVER', 'WIDGET', 'BOTH')),
  expected_monthly_actions bigint not null,
  expected_monthly_tokens bigint not null,
  action_types text[] not null,
  stakeholder_model text not null,
  webhook_url text,
  allowed_ips text[] not null,
  acceptable_use_version text not null,
  submitted_by uuid not null,
  created_at timestamptz not null,
  decided_by uuid,
  decided_at timestamptz,
  decision_reason text,
  -- Whether SIR Giving has checked who the business is.
  identity_checked boolean not null default false,
  tier text check (tier in ('STANDARD', 'PROFESSIONAL', 'ENTERPRISE')),
  pool_tokens bigint,
  pool_id uuid,
  primary key (partner_id, id),
  check ((status = 'PENDING') = (decided_at is null)),
  check ((decided_by is null) = (decided_at is null)),
  -- Two people: who applies does not approve.
  check (status <> 'APPROVED' or decided_by <> submitted_by),
  check (status <> 'APPROVED' or (identity_checked and tier is not null and pool_tokens is not null and pool_id is not null)),
  check (status <> 'DENIED' or decision_reason is not null)
);
create unique index go_live_applications_open on go_live_applications (partner_id) where status in ('PENDING', 'APPROVED');

-- Admins name an application by its id alone, and look through those of all partners.
create index go_live_applications_id on go_live_applications (id);
create index go_live_applications_pending on go_live_applications (id) where status = 'PENDING';

-- What a partner's integration has shown, once and for ever: the evidence itself is kept for some weeks only.
create table integration_milestones (
  partner_id uuid not null references partners (id),
  environment text not null check (environment in ('sandbox', 'production')),
  milestone text collate "C" not null,
  reached_at timestamptz not null,
  primary key (partner_id, environment, milestone)
);
