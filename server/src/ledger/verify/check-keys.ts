import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

/**
 * I8 is also a unique index each, but an index can be damaged or missing, and a key that pays twice is what it is all about. A reversal
 * may come without a key (it then means all that remains), so only those with one are compared.
 */
async function checkUniqueKeys(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  await addAll(
    found,
    tx`
    select 'I8' as invariant, a.partner_id as "partnerId", a.environment,
      format('%s actions of source %s have one idempotency key: %s', count(*), a.source, array_agg(a.id)) as detail
    from actions a
    where ${within(tx, scope, 'a')}
    group by a.partner_id, a.environment, a.source, a.idempotency_key
    having count(*) > 1`,
  );
  await addAll(
    found,
    tx`
    select 'I8' as invariant, r.partner_id as "partnerId", min(r.environment) as environment,
      format('%s reversals of action %s have one idempotency key: %s', count(*), r.action_id, array_agg(r.id)) as detail
    from reversals r
    where r.idempotency_key is not null and ${within(tx, scope, 'r')}
    group by r.partner_id, r.action_id, r.idempotency_key
    having count(*) > 1`,
  );
  await addAll(
    found,
    tx`
    select 'I8' as invariant, r.partner_id as "partnerId", r.environment,
      format('%s redemptions have one idempotency key: %s', count(*), array_agg(r.id)) as detail
    from redemptions r
    where ${within(tx, scope, 'r')}
    group by r.partner_id, r.environment, r.idempotency_key
    having count(*) > 1`,
  );
}

/** Idempotency keys, each for one effect for ever. */
export const checkKeys: LedgerCheck = { invariants: ['I8'], run: checkUniqueKeys };
