import type { Tx } from '../../platform/db.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

/** I9: an endpoint's sequences are 1, 2, 3 … up to its own, and follow the order of events. */
async function checkSequences(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  await addAll(
    found,
    tx`
    select 'I9' as invariant, d.partner_id as "partnerId", d.environment,
      format('delivery %s of endpoint %s has sequence %s after %s, and event position %s after %s', d.id, d.endpoint_id, d.sequence,
        d.sequence_before, d.position, d.position_before) as detail
    from (
      select d.partner_id, d.environment, d.id, d.endpoint_id, d.sequence, v.position,
        lag(d.sequence, 1, 0::bigint) over in_order as sequence_before,
        lag(v.position, 1, 0::bigint) over in_order as position_before
      from webhook_deliveries d
      left join events v on v.partner_id = d.partner_id and v.id = d.event_id
      where d.sequence is not null and ${within(tx, scope, 'd')}
      window in_order as (partition by d.partner_id, d.endpoint_id order by d.sequence)
    ) d
    where d.sequence <> d.sequence_before + 1 or d.position <= d.position_before`,
  );
  await addAll(
    found,
    tx`
    select 'I9' as invariant, e.partner_id as "partnerId", e.environment,
      format('endpoint %s stands at sequence %s, and its last delivery has %s', e.id, e.sequence, coalesce(d.sequence, 0)) as detail
    from webhook_endpoints e
    left join (
      select d.partner_id, d.endpoint_id, max(d.sequence) as sequence from webhook_deliveries d
      where ${within(tx, scope, 'd')}
      group by d.partner_id, d.endpoint_id
    ) d on d.partner_id = e.partner_id and d.endpoint_id = e.id
    where e.sequence <> coalesce(d.sequence, 0) and ${within(tx, scope, 'e')}`,
  );
}

/**
 * I9: of the events that were fanned out, none is lost for an endpoint. Which endpoints an event goes to is decided at fan-out, so what
 * an endpoint asked for is only held against it from its first delivery on, and for a deleted one up to its last.
 */
async function checkCompleteness(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  await addAll(
    found,
    tx`
    select 'I9' as invariant, e.partner_id as "partnerId", e.environment,
      format('event %s (%s, position %s) has no delivery for endpoint %s', v.id, v.type, v.position, e.id) as detail
    from (
      select e.partner_id, e.environment, e.id, e.event_types, e.receive_all_events, e.deleted_at,
        min(v.position) as first_position, max(v.position) as last_position
      from webhook_endpoints e
      join webhook_deliveries d on d.partner_id = e.partner_id and d.endpoint_id = e.id and d.sequence is not null
      join events v on v.partner_id = d.partner_id and v.id = d.event_id
      where ${within(tx, scope, 'e')}
      group by e.partner_id, e.id
    ) e
    join fan_out_cursors c on c.partner_id = e.partner_id and c.environment = e.environment
    join events v on v.partner_id = e.partner_id and v.environment = e.environment and v.position > e.first_position
      and v.position <= (case when e.deleted_at is null then c.position else e.last_position end)
      and v.type <> 'webhook.test' and (e.receive_all_events or v.type = any(e.event_types))
    left join webhook_deliveries d on d.partner_id = v.partner_id and d.event_id = v.id and d.endpoint_id = e.id
    where d.id is null`,
  );
  await addAll(
    found,
    tx`
    select 'I9' as invariant, v.partner_id as "partnerId", v.environment, format('the test event %s has no delivery', v.id) as detail
    from events v
    left join webhook_deliveries d on d.partner_id = v.partner_id and d.event_id = v.id
    where v.type = 'webhook.test' and d.id is null and ${within(tx, scope, 'v')}`,
  );
  await addAll(
    found,
    tx`
    select 'I9' as invariant, f.partner_id as "partnerId", f.environment,
      format('the fan-out stands at %s, and the last event is %s', f.position, coalesce(c.position, 0)) as detail
    from fan_out_cursors f
    left join event_counters c on c.partner_id = f.partner_id and c.environment = f.environment
    where f.position > coalesce(c.position, 0) and ${within(tx, scope, 'f')}`,
  );
}

/**
 * I9 of each delivery, and of I11 that its event and endpoint are of its environment. Stuck is what nobody will ever send: without a
 * time for the next attempt, or due with its lease ended an hour before a worker was last seen at work; so a server that stands still
 * is no fault.
 */
async function checkEachDelivery(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  await addAll(
    found,
    tx`
    select f.invariant, d.partner_id as "partnerId", d.environment, format('delivery %s of endpoint %s ', d.id, d.endpoint_id) || f.detail as detail
    from (
      select d.*, v.environment as event_environment, e.environment as endpoint_environment, v.position, v.type, c.fanned_out,
        v.id is null as has_no_event, e.id is null as has_no_endpoint,
        count(*) over (partition by d.partner_id, d.event_id, d.endpoint_id) > 1 as is_double,
        d.sequence is not null and v.position > coalesce(c.fanned_out, 0) as is_early,
        (d.sequence is null) <> (v.type = 'webhook.test') as is_misnumbered,
        d.status = 'PENDING' and d.next_attempt_at is null as has_no_time,
        d.status = 'PENDING' and e.status = 'ACTIVE' and e.deleted_at is null and d.next_attempt_at <= w.seen_at
          and d.leased_until < w.seen_at - interval '1 hour' as was_left
      from webhook_deliveries d
      left join events v on v.partner_id = d.partner_id and v.id = d.event_id
      left join webhook_endpoints e on e.partner_id = d.partner_id and e.id = d.endpoint_id
      left join (select partner_id, environment, position as fanned_out from fan_out_cursors) c
        on c.partner_id = d.partner_id and c.environment = d.environment
      left join (select environment, max(updated_at) as seen_at from webhook_deliveries group by environment) w
        on w.environment = d.environment
      where ${within(tx, scope, 'd')}
    ) d
    cross join lateral (values
      ('I9', has_no_event, 'has no event'),
      ('I9', has_no_endpoint, 'has no endpoint'),
      ('I11', event_environment <> environment, format('is of %s, its event of %s', environment, event_environment)),
      ('I11', endpoint_environment <> environment, format('is of %s, its endpoint of %s', environment, endpoint_environment)),
      ('I9', is_double, format('is one of several for event %s', event_id)),
      ('I9', is_early, format('is for event position %s, and the fan-out stands at %s', position, coalesce(fanned_out, 0))),
      ('I9', is_misnumbered, format('for a %s has sequence %s', type, coalesce(sequence::text, 'none'))),
      ('I9', has_no_time, 'is pending without a time for the next attempt'),
      ('I9', was_left, format('is pending since its lease ended at %s', leased_until))
    ) as f (invariant, broken, detail)
    where (has_no_event or has_no_endpoint or event_environment <> environment or endpoint_environment <> environment or is_double
      or is_early or is_misnumbered or has_no_time or was_left) and f.broken`,
  );
}

/** What was handed to webhooks. */
export const checkDeliveries: LedgerCheck = {
  invariants: ['I9', 'I11'],
  run: async (tx, scope, found) => {
    await checkSequences(tx, scope, found);
    await checkCompleteness(tx, scope, found);
    await checkEachDelivery(tx, scope, found);
  },
};
