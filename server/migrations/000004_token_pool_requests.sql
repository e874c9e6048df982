-- Token pools in full: requests and who approved them, balance alerts, auto-refill, and what is processed again once a pool is funded.

-- Every allocation that people decide on. In production two different people stand behind each one, and three behind a large one;
-- 100,000 is SECOND_APPROVAL_ABOVE_TOKENS of server/src/pools/pool-request.ts, and a test holds the two together.
create table token_pool_requests (
  partner_id uuid not null,
  id uuid not null,
  environment text not null check (environment in ('sandbox', 'production')),
  -- The pool to be funded. Null while it is not known: the default pool, or a new one where `pool_name` names it.
  pool_id uuid,
  pool_name text,
  tokens bigint not null check (tokens between 1 and 9007199254740991),
  reason text,
  status text not null check (status in ('PENDING', 'APPROVED', 'DENIED')),
  -- Who asked: a member's or an admin's account, who issued the API key (the key itself where an operator did), or the pool whose
  -- auto-refill it is.
  requested_by_kind text not null check (requested_by_kind in ('API_KEY', 'MEMBER', 'ADMIN', 'AUTO_REFILL')),
  requested_by uuid not null,
  -- What the approvals so far are for; it may differ from what was asked.
  approved_tokens bigint check (approved_tokens between 1 and 9007199254740991),
  first_approved_by uuid,
  first_approved_at timestamptz,
  second_approved_by uuid,
  second_approved_at timestamptz,
  denied_by uuid,
  denial_reason text,
  -- The ledger's ALLOCATION.
  transaction_id uuid,
  created_at timestamptz not null,
  decided_at timestamptz,
  primary key (partner_id, id),
  foreign key (partner_id, pool_id) references token_pools (partner_id, id),
  constraint decision_has_a_time check ((status = 'PENDING') = (decided_at is null)),
  constraint approval_is_whole check (
    status <> 'APPROVED' or (pool_id is not null and approved_tokens is not null and transaction_id is not null)
  ),
  constraint denial_has_a_reason check (status <> 'DENIED' or (denied_by is not null and denial_reason is not null)),
  constraint only_approvals_allocate check (status = 'APPROVED' or transaction_id is null),
  constraint approvals_come_in_order check (first_approved_by is not null or second_approved_by is null),
  constraint approvers_are_other_people check (
    first_approved_by <> requested_by and second_approved_by <> requested_by and second_approved_by <> first_approved_by
  ),
  constraint production_has_an_approver check (
    environment <> 'production' or status <> 'APPROVED' or first_approved_by is not null
  ),
  constraint much_has_two_approvers check (
    environment <> 'production' or status <> 'APPROVED' or approved_tokens <= 100000 or second_approved_by is not null
  )
);
create index token_pool_requests_pool on token_pool_requests (partner_id, pool_id, created_at);
-- Admins name a request by its id alone, and look through those of all partners.
create index token_pool_requests_id on token_pool_requests (id);
create index token_pool_requests_pending on token_pool_requests (environment, id) where status = 'PENDING';

-- ── Ledger ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The request that an ALLOCATION was made for; a request pays once.
alter table ledger_transactions add column request_id uuid;
alter table ledger_transactions add constraint production_allocation_has_a_request
  check (kind <> 'ALLOCATION' or environment <> 'production' or request_id is not null);
create unique index ledger_transactions_request on ledger_transactions (partner_id, request_id) where request_id is not null;
-- What was put in and taken out since some moment, without reading the rewards between (runway).
create index ledger_transactions_allocations on ledger_transactions (partner_id, pool_id, sequence)
  where kind in ('ALLOCATION', 'WITHDRAWAL');

-- ── Balance alerts (server/src/pools/low-balance.ts) ─────────────────────────────────────────────────────────────────────

-- The balance right after the last allocation: what thresholds in percent are of.
alter table token_pools add column last_allocation_balance bigint not null default 0;
-- Bit n: the n-th of low_balance_thresholds was crossed and told, and has not recovered since.
alter table token_pools add column alerted_thresholds integer not null default 0;
-- Null: not depleted. Else the lowest balance since depletion was told.
alter table token_pools add column depleted_at_balance bigint;

-- Whoever set nothing up is told at a fifth.
alter table token_pools alter column low_balance_thresholds set default '[{"percent": 20}]';
update token_pools set low_balance_thresholds = '[{"percent": 20}]' where low_balance_thresholds = '[]';

update token_pools p set last_allocation_balance = (
  select e.balance_after
  from ledger_transactions t
  join ledger_entries e on e.partner_id = t.partner_id and e.transaction_id = t.id and e.account_id = t.pool_id
  where t.partner_id = p.partner_id and t.pool_id = p.id and t.kind = 'ALLOCATION'
  order by t.sequence desc
  limit 1
)
where exists (select from ledger_transactions t where t.partner_id = p.partner_id and t.pool_id = p.id and t.kind = 'ALLOCATION');

-- ── Auto-refill and processing again ─────────────────────────────────────────────────────────────────────────────────────

-- {amount, floor, monthlyCeiling}
alter table token_pools add column auto_refill jsonb;
create index token_pools_auto_refill on token_pools (environment) where auto_refill is not null;

-- Since when fundings of the pool have failed actions processed again; null: they do not.
alter table token_pools add column reprocess_actions_since timestamptz;
create index token_pools_reprocess on token_pools (environment) where reprocess_actions_since is not null;

-- How far a pool's fundings have been followed up. While one is: up to which funding this run counts for, and which action it has
-- come to; so that a run goes on where the last worker left it.
create table reprocessing_cursors (
  partner_id uuid not null,
  pool_id uuid not null,
  environment text not null,
  -- The position of the last `token_pool.funded` that was followed up.
  position bigint not null,
  target_position bigint,
  after_action_id uuid,
  leased_until timestamptz,
  primary key (partner_id, pool_id)
);

create index events_funded on events (partner_id, environment, position) where type = 'token_pool.funded';
create index actions_short_of_tokens on actions (partner_id, environment, id)
  where status = 'FAILED' and failure_code in ('NO_ACTIVE_POOL', 'INSUFFICIENT_POOL');
