import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

/** I5: every distribution with tokens has its REWARD, and every REWARD its distribution. */
function checkRewards(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I5' as invariant, coalesce(d.partner_id, t.partner_id) as "partnerId", coalesce(d.environment, t.environment) as environment,
      case
        when t.id is null then format('distribution %s of action %s has no REWARD of %s tokens', d.index, d.action_id, d.tokens)
        when d.action_id is null then format('REWARD %s belongs to no distribution of a completed action', t.id)
        else format('REWARD %s pays %s tokens to %s from %s for distribution %s of %s; the action says %s to %s from %s for %s of %s',
          t.id, t.tokens, t.user_id, t.pool_id, t.distribution_index, t.action_id, d.tokens, d.user_id, d.pool_id, d.index, d.action_id)
      end as detail
    from (
      select a.partner_id, a.environment, a.id as action_id, a.pool_id, (x.position - 1)::smallint as index, x.tokens,
        x.user_id, x.transaction_id
      from actions a
      cross join lateral rows from (
        json_to_recordset(a.distributions) as (tokens bigint, "userId" uuid, "transactionId" uuid)
      ) with ordinality as x (tokens, user_id, transaction_id, position)
      where a.status <> 'FAILED' and x.tokens > 0 and ${within(tx, scope, 'a')}
    ) d
    full join (
      select t.* from ledger_transactions t where t.kind = 'REWARD' and ${within(tx, scope, 't')}
    ) t on t.partner_id = d.partner_id and t.id = d.transaction_id
    where t.id is null or d.action_id is null
      or (t.action_id, t.distribution_index, t.tokens, t.user_id, t.pool_id)
        is distinct from (d.action_id, d.index, d.tokens, d.user_id, d.pool_id)`,
  );
}

/** I5 of the action's own figures, and of I6 that the status says how much was taken back. */
function checkTotals(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select f.invariant, a.partner_id as "partnerId", a.environment, format('action %s (%s) ', a.id, a.status) || f.detail as detail
    from (
      select a.partner_id, a.environment, a.id, a.status, a.tokens, a.reversed_tokens, coalesce(s.given, 0) as given,
        coalesce(s.taken, 0) as taken,
        a.tokens <> coalesce(s.given, 0) as misstates_tokens,
        a.reversed_tokens <> coalesce(s.taken, 0) as misstates_reversed,
        a.status <> (case
          when a.status = 'FAILED' and a.reversed_tokens = 0 then 'FAILED'
          when a.reversed_tokens > 0 and a.reversed_tokens < a.tokens then 'PARTIALLY_REVERSED'
          when a.reversed_tokens = a.tokens and (a.tokens > 0 or a.status = 'REVERSED') then 'REVERSED'
          else 'COMPLETED' end) as misstates_status
      from actions a
      left join (
        select t.partner_id, t.action_id, sum(t.tokens) filter (where t.kind = 'REWARD') as given,
          -sum(t.tokens) filter (where t.kind = 'REVERSAL') as taken
        from ledger_transactions t
        where t.action_id is not null and ${within(tx, scope, 't')}
        group by t.partner_id, t.action_id
      ) s on s.partner_id = a.partner_id and s.action_id = a.id
      where ${within(tx, scope, 'a')}
    ) a
    cross join lateral (values
      ('I5', misstates_tokens, format('says %s tokens were given, its REWARDs %s', tokens, given)),
      ('I6', misstates_reversed, format('says %s tokens were taken back, its REVERSALs %s', reversed_tokens, taken)),
      ('I6', misstates_status, format('has %s of %s tokens taken back', reversed_tokens, tokens))
    ) as f (invariant, broken, detail)
    where (misstates_tokens or misstates_reversed or misstates_status) and f.broken`,
  );
}

/** I6 of every REWARD that something was taken back of, and of every REVERSAL. */
function checkReversedRewards(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I6' as invariant, r.partner_id as "partnerId", r.environment,
      case
        when t.id is null then format('REVERSAL %s takes back a REWARD that is not there (%s)', r.example_id, r.reverses_id)
        when r.taken > t.tokens then format('%s of the %s tokens of REWARD %s were taken back', r.taken, t.tokens, t.id)
        else format('REVERSAL %s differs from REWARD %s in its action, distribution, user or pool', r.example_id, t.id)
      end as detail
    from (
      select t.partner_id, t.environment, t.reverses_id, t.action_id, t.distribution_index, t.user_id, t.pool_id,
        sum(-sum(t.tokens)) over (partition by t.partner_id, t.reverses_id) as taken, (array_agg(t.id))[1] as example_id
      from ledger_transactions t
      where t.kind = 'REVERSAL' and ${within(tx, scope, 't')}
      group by t.partner_id, t.environment, t.reverses_id, t.action_id, t.distribution_index, t.user_id, t.pool_id
    ) r
    left join ledger_transactions t on t.partner_id = r.partner_id and t.id = r.reverses_id and t.kind = 'REWARD'
    where t.id is null or r.taken > t.tokens
      or (t.action_id, t.distribution_index, t.user_id, t.pool_id) is distinct from (r.action_id, r.distribution_index, r.user_id, r.pool_id)`,
  );
}

/** I6 of the rows that keep a request: a reversal and a redemption are what their ledger transactions sum to. */
function checkRequests(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I6' as invariant, r.partner_id as "partnerId", r.environment,
      format('%s %s says %s tokens in %s ledger transactions, and there are %s in %s', r.name, r.id, r.tokens, r.transactions,
        coalesce(t.taken, 0), coalesce(t.transactions, 0)) as detail
    from (
      select 'reversal' as name, r.partner_id, r.environment, r.id, r.tokens, cardinality(r.transaction_ids) as transactions
      from reversals r where ${within(tx, scope, 'r')}
      union all
      select 'redemption', r.partner_id, r.environment, r.id, r.tokens, cardinality(r.transaction_ids)
      from redemptions r where ${within(tx, scope, 'r')}
    ) r
    left join (
      select t.partner_id, coalesce(t.reversal_id, t.redemption_id) as request_id, -sum(t.tokens) as taken, count(*) as transactions
      from ledger_transactions t
      where (t.reversal_id is not null or t.redemption_id is not null) and ${within(tx, scope, 't')}
      group by t.partner_id, coalesce(t.reversal_id, t.redemption_id)
    ) t on t.partner_id = r.partner_id and t.request_id = r.id
    where r.tokens <> coalesce(t.taken, 0) or r.transactions <> coalesce(t.transactions, 0)`,
  );
}

/** Every action against its ledger transactions, and what was taken back against what was given. */
export const checkActions: LedgerCheck = {
  invariants: ['I5', 'I6'],
  run: async (tx, scope, found) => {
    await checkRewards(tx, scope, found);
    await checkTotals(tx, scope, found);
    await checkReversedRewards(tx, scope, found);
    await checkRequests(tx, scope, found);
  },
};
