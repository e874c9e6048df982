-- What a partner's requests were and what became of them, for 14 days; and persons who were erased.

-- ── Erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The books go on knowing the row; nobody is found by it any more.
alter table partner_users add column erased_at timestamptz;
