import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

/**
 * The chart of accounts as a table: which kind of transaction moves which kind of account in which direction (README.md). Vesting,
 * expiry and withdrawals are in it although nothing posts them yet; what a row of theirs may look like is settled.
 */
const chart = (tx: Tx) => tx`(values
  ('ALLOCATION', 'issuance', -1), ('ALLOCATION', 'pool', 1),
  ('WITHDRAWAL', 'pool', -1), ('WITHDRAWAL', 'issuance', 1),
  ('REWARD', 'pool', -1), ('REWARD', 'user.available', 1), ('REWARD', 'user.pending', 1),
  ('VESTING', 'user.pending', -1), ('VESTING', 'user.available', 1),
  ('REVERSAL', 'user.available', -1), ('REVERSAL', 'user.pending', -1), ('REVERSAL', 'pool', 1),
  ('EXPIRATION', 'user.available', -1), ('EXPIRATION', 'pool', 1),
  ('REDEMPTION', 'user.available', -1), ('REDEMPTION', 'redeemed', 1))`;

/** I1, and of I3 that `tokens` is what the entry of the user, or of the pool where there is none, says. */
function checkSums(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select f.invariant, s.partner_id as "partnerId", s.environment, format('transaction %s (%s) ', s.id, s.kind) || f.detail as detail
    from (
      select t.partner_id, t.environment, t.id, t.kind, t.tokens, count(e.account_id) as entries, coalesce(sum(e.amount), 0) as total,
        count(*) filter (where e.amount = 0) as zeros,
        coalesce(sum(e.amount) filter (where e.account_id = coalesce(t.user_id, t.pool_id)), 0) as own
      from ledger_transactions t
      left join ledger_entries e on e.partner_id = t.partner_id and e.transaction_id = t.id
      where ${within(tx, scope, 't')}
      group by t.partner_id, t.id
      having count(e.account_id) < 2 or sum(e.amount) <> 0 or count(*) filter (where e.amount = 0) > 0
        or coalesce(sum(e.amount) filter (where e.account_id = coalesce(t.user_id, t.pool_id)), 0) <> t.tokens
    ) s
    cross join lateral (values
      ('I1', s.entries < 2, format('has %s entries', s.entries)),
      ('I1', s.total <> 0, format('has entries that sum to %s', s.total)),
      ('I1', s.zeros > 0, 'has an entry of 0'),
      ('I3', s.own <> s.tokens, format('says %s tokens, its entry says %s', s.tokens, s.own))
    ) as f (invariant, broken, detail)
    where f.broken`,
  );
}

/**
 * I4 of each entry, and of I11 that an entry's transaction and account exist in its own environment. The conditions come first and
 * the sentences only for what breaks one: composed for every entry they would take seven times as long.
 */
function checkEachEntry(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select f.invariant, e.partner_id as "partnerId", e.environment,
      format('the entry of account %s in transaction %s ', e.account_id, e.transaction_id) || f.detail as detail
    from (
      select e.*, t.environment as transaction_environment, t.kind, t.pool_id, t.user_id, a.environment as account_environment,
        a.kind as account_kind, t.id is null as has_no_transaction, a.id is null as has_no_account,
        c.kind is null and t.id is not null and a.id is not null and e.amount <> 0 as is_off_chart,
        a.kind = 'pool' and a.id <> t.pool_id as is_of_other_pool,
        a.kind = 'user.available' and t.id is not null and a.id is distinct from t.user_id as is_of_other_user,
        e.amount < 0 and e.balance_after < 0 and a.kind <> 'issuance' and t.kind <> 'REVERSAL' as makes_debt
      from ledger_entries e
      left join ledger_transactions t on t.partner_id = e.partner_id and t.id = e.transaction_id
      left join ledger_accounts a on a.partner_id = e.partner_id and a.id = e.account_id
      left join ${chart(tx)} as c (kind, account_kind, direction)
        on c.kind = t.kind and c.account_kind = a.kind and c.direction = sign(e.amount)
      where ${within(tx, scope, 'e')}
    ) e
    cross join lateral (values
      ('I11', has_no_transaction, 'has no transaction'),
      ('I11', has_no_account, 'has no account'),
      ('I11', transaction_environment <> environment, format('is of %s, its transaction of %s', environment, transaction_environment)),
      ('I11', account_environment <> environment, format('is of %s, its account of %s', environment, account_environment)),
      ('I4', is_off_chart, format('moves an account of kind %s by %s in a %s', account_kind, amount, kind)),
      ('I4', is_of_other_pool, format('moves another pool than %s', pool_id)),
      ('I4', is_of_other_user, format('moves another user than %s', user_id)),
      ('I4', makes_debt, format('takes the balance to %s by a %s', balance_after, kind))
    ) as f (invariant, broken, detail)
    where (has_no_transaction or has_no_account or transaction_environment <> environment or account_environment <> environment
      or is_off_chart or is_of_other_pool or is_of_other_user or makes_debt) and f.broken`,
  );
}

/** Every entry by itself, and every transaction with its entries. */
export const checkEntries: LedgerCheck = {
  invariants: ['I1', 'I3', 'I4', 'I11'],
  run: async (tx, scope, found) => {
    await checkSums(tx, scope, found);
    await checkEachEntry(tx, scope, found);
  },
};
