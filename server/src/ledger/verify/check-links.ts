import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

/** I11 of everything that a ledger transaction names. Entries are looked at in check-entries.ts. */
function checkTransactions(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I11' as invariant, t.partner_id as "partnerId", t.environment,
      format('transaction %s of %s names ', t.id, t.environment) || f.detail as detail
    from (
      select t.*, p.environment as pool_environment, u.environment as user_environment, x.environment as action_environment,
        v.environment as reversal_environment, r.environment as redemption_environment
      from ledger_transactions t
      left join token_pools p on p.partner_id = t.partner_id and p.id = t.pool_id
      left join partner_users u on u.partner_id = t.partner_id and u.id = t.user_id
      left join actions x on x.partner_id = t.partner_id and x.id = t.action_id
      left join reversals v on v.partner_id = t.partner_id and v.id = t.reversal_id
      left join redemptions r on r.partner_id = t.partner_id and r.id = t.redemption_id
      where ${within(tx, scope, 't')}
    ) t
    cross join lateral (values
      ('pool', t.pool_id, t.pool_environment), ('user', t.user_id, t.user_environment),
      ('action', t.action_id, t.action_environment), ('reversal', t.reversal_id, t.reversal_environment),
      ('redemption', t.redemption_id, t.redemption_environment)
    ) as n (name, id, environment)
    cross join lateral (
      select format('%s %s of %s', n.name, n.id, coalesce(n.environment, 'nowhere')) as detail
    ) f
    where (t.pool_environment is distinct from t.environment
        or (t.user_id is not null and t.user_environment is distinct from t.environment)
        or (t.action_id is not null and t.action_environment is distinct from t.environment)
        or (t.reversal_id is not null and t.reversal_environment is distinct from t.environment)
        or (t.redemption_id is not null and t.redemption_environment is distinct from t.environment))
      and n.id is not null and n.environment is distinct from t.environment`,
  );
}

/** I11 of accounts and whose they are: a pool's and a user's account have the owner's id, and every pool and user has one. */
function checkAccountOwners(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I11' as invariant, coalesce(o.partner_id, a.partner_id) as "partnerId", coalesce(o.environment, a.environment) as environment,
      case
        when a.id is null then format('%s %s has no account', o.name, o.id)
        when o.id is null then format('account %s (%s) belongs to nobody', a.id, a.kind)
        else format('account %s (%s) of %s belongs to %s %s of %s', a.id, a.kind, a.environment, o.name, o.id, o.environment)
      end as detail
    from (
      select 'pool' as name, 'pool' as kind, p.partner_id, p.environment, p.id from token_pools p where ${within(tx, scope, 'p')}
      union all
      select 'user', 'user.available', u.partner_id, u.environment, u.id from partner_users u where ${within(tx, scope, 'u')}
    ) o
    full join (
      select * from ledger_accounts a where a.kind in ('pool', 'user.available') and ${within(tx, scope, 'a')}
    ) a on a.partner_id = o.partner_id and a.id = o.id
    where a.id is null or o.id is null or a.environment <> o.environment or a.kind <> o.kind`,
  );
}

/** I11 of actions and the requests on them. */
function checkRequestOwners(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I11' as invariant, n.partner_id as "partnerId", n.environment,
      format('%s %s of %s names %s %s of %s', n.name, n.id, n.environment, n.owner_name, n.owner_id, coalesce(n.owner_environment, 'nowhere'))
        as detail
    from (
      select 'action' as name, a.partner_id, a.environment, a.id, 'pool' as owner_name, a.pool_id as owner_id,
        p.environment as owner_environment
      from actions a
      left join token_pools p on p.partner_id = a.partner_id and p.id = a.pool_id
      where a.pool_id is not null and ${within(tx, scope, 'a')}
      union all
      select 'reversal', r.partner_id, r.environment, r.id, 'action', r.action_id, x.environment
      from reversals r
      left join actions x on x.partner_id = r.partner_id and x.id = r.action_id
      where ${within(tx, scope, 'r')}
      union all
      select 'redemption', r.partner_id, r.environment, r.id, 'user', r.user_id, u.environment
      from redemptions r
      left join partner_users u on u.partner_id = r.partner_id and u.id = r.user_id
      where ${within(tx, scope, 'r')}
    ) n
    where n.owner_environment is distinct from n.environment`,
  );
}

/** Whatever one row names is there, of the same partner and environment. The schema has no foreign keys on the hot tables. */
export const checkLinks: LedgerCheck = {
  invariants: ['I11'],
  run: async (tx, scope, found) => {
    await checkTransactions(tx, scope, found);
    await checkAccountOwners(tx, scope, found);
    await checkRequestOwners(tx, scope, found);
  },
};
