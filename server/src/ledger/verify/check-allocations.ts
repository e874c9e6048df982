import { addAll, type LedgerCheck, within } from './findings.ts';

/**
 * Of I14 that two people stand behind every allocation in production, and three behind a large one: each is the one that its request
 * was approved for, in pool and amount, and the request names them. The database's own constraints say most of this; what they cannot
 * say is that the two rows are about the same.
 */
export const checkAllocations: LedgerCheck = {
  invariants: ['I14'],
  run: (tx, scope, found) =>
    addAll(
      found,
      tx`
      select 'I14' as invariant, coalesce(t.partner_id, r.partner_id) as "partnerId", coalesce(t.environment, r.environment) as environment,
        case
          when t.id is null then format('request %s is approved, and nothing was allocated for it', r.id)
          when r.id is null then format('allocation %s in production has no approved request', t.id)
          when r.environment <> t.environment or r.pool_id <> t.pool_id or r.approved_tokens <> t.tokens or r.transaction_id <> t.id
            then format('allocation %s is not what request %s was approved for', t.id, r.id)
          else format('allocation %s of request %s has too few people behind it', t.id, r.id)
        end as detail
      from (
        select * from ledger_transactions t
        where t.kind = 'ALLOCATION' and (t.environment = 'production' or t.request_id is not null) and ${within(tx, scope, 't')}
      ) t
      full join (
        select * from token_pool_requests r where r.status = 'APPROVED' and ${within(tx, scope, 'r')}
      ) r on r.partner_id = t.partner_id and r.id = t.request_id
      where t.id is null or r.id is null or r.environment <> t.environment or r.pool_id is distinct from t.pool_id
        or r.approved_tokens is distinct from t.tokens or r.transaction_id is distinct from t.id
        or (t.environment = 'production' and (
          r.first_approved_by is null or r.first_approved_by = r.requested_by
          or (t.tokens > 100000 and (
            r.second_approved_by is null or r.second_approved_by = r.requested_by or r.second_approved_by = r.first_approved_by
          ))
        ))`,
    ),
};
