import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

function checkBooks(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I2' as invariant, s.partner_id as "partnerId", s.environment,
      format('the balances of the book sum to %s, its entries to %s', s.balances, s.entries) as detail
    from (
      select partner_id, environment, sum(balance) as balances, sum(moved) as entries
      from (
        select a.partner_id, a.environment, a.balance, 0 as moved from ledger_accounts a where ${within(tx, scope, 'a')}
        union all
        select e.partner_id, e.environment, 0, e.amount from ledger_entries e where ${within(tx, scope, 'e')}
      ) both_sides
      group by partner_id, environment
    ) s
    where s.balances <> 0 or s.entries <> 0`,
  );
}

/** I3 of every account: its balance, its sequence and its totals by kind are what its entries sum to. */
function checkBalances(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I3' as invariant, a.partner_id as "partnerId", a.environment,
      format('account %s (%s) stores balance %s, sequence %s, allocated %s, rewarded %s, reversed %s, redeemed %s; its entries say '
        '%s, %s, %s, %s, %s, %s', a.id, a.kind, a.balance, a.sequence, a.allocated, a.rewarded, a.reversed, a.redeemed,
        coalesce(s.balance, 0), coalesce(s.entries, 0), coalesce(s.allocated, 0), coalesce(s.rewarded, 0), coalesce(s.reversed, 0),
        coalesce(s.redeemed, 0)) as detail
    from ledger_accounts a
    left join (
      select e.partner_id, e.account_id, sum(e.amount) as balance, count(*) as entries,
        sum(e.amount) filter (where t.kind in ('ALLOCATION', 'WITHDRAWAL')) as allocated,
        sum(abs(e.amount)) filter (where t.kind = 'REWARD') as rewarded,
        sum(abs(e.amount)) filter (where t.kind = 'REVERSAL') as reversed,
        sum(abs(e.amount)) filter (where t.kind = 'REDEMPTION') as redeemed
      from ledger_entries e
      left join ledger_transactions t on t.partner_id = e.partner_id and t.id = e.transaction_id
      where ${within(tx, scope, 'e')}
      group by e.partner_id, e.account_id
    ) s on s.partner_id = a.partner_id and s.account_id = a.id
    where ${within(tx, scope, 'a')}
      and (a.balance <> coalesce(s.balance, 0) or a.sequence <> coalesce(s.entries, 0)
        or (a.kind in ('pool', 'user.available') and (a.allocated, a.rewarded, a.reversed, a.redeemed) is distinct from
          (coalesce(s.allocated, 0), coalesce(s.rewarded, 0), coalesce(s.reversed, 0), coalesce(s.redeemed, 0))))`,
  );
}

/** I3 of every entry: sequences 1, 2, 3 … and each `balance_after` is the one before plus the amount. */
function checkRunningBalances(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I3' as invariant, e.partner_id as "partnerId", e.environment,
      format('entry %s of account %s says %s after %s, and before it stood entry %s with %s', e.account_sequence, e.account_id,
        e.balance_after, e.amount, e.sequence_before, e.balance_before) as detail
    from (
      select e.partner_id, e.environment, e.account_id, e.account_sequence, e.amount, e.balance_after,
        lag(e.account_sequence, 1, 0::bigint) over in_order as sequence_before,
        lag(e.balance_after, 1, 0::bigint) over in_order as balance_before
      from ledger_entries e
      where ${within(tx, scope, 'e')}
      window in_order as (partition by e.partner_id, e.account_id order by e.account_sequence)
    ) e
    where e.account_sequence <> e.sequence_before + 1 or e.balance_after <> e.balance_before + e.amount`,
  );
}

/** I4 of every account. The table's own CHECKs say less: they allow a debt allowance that no debt needs. */
function checkRules(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I4' as invariant, a.partner_id as "partnerId", a.environment,
      format('account %s (%s) has balance %s and debt_allowed %s', a.id, a.kind, a.balance, a.debt_allowed) as detail
    from ledger_accounts a
    where ${within(tx, scope, 'a')}
      and (a.debt_allowed <> (case when a.kind = 'user.available' then greatest(0, -a.balance) else 0 end)
        or (a.kind not in ('issuance', 'user.available') and a.balance < 0))`,
  );
}

/** Every account against its entries and its rule, and every book against zero. */
export const checkAccounts: LedgerCheck = {
  invariants: ['I2', 'I3', 'I4'],
  run: async (tx, scope, found) => {
    await checkBooks(tx, scope, found);
    await checkBalances(tx, scope, found);
    await checkRunningBalances(tx, scope, found);
    await checkRules(tx, scope, found);
  },
};
