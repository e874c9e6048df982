import type { Environment } from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import type { EventToSend } from './envelope.ts';

/** An endpoint of a partner, by row ids. */
export interface EndpointRef {
  readonly partnerId: string;
  readonly endpointId: string;
}

/** A delivery that this worker alone may send until `leasedUntil`. */
export interface ClaimedDelivery extends EndpointRef {
  readonly id: string;
  readonly sequence: number | null;
  /** How many attempts were recorded before this one. */
  readonly attempts: number;
  /** Also the proof of the lease: each claim of a delivery has a later one than the claim before. */
  readonly leasedUntil: Date;
  readonly url: string;
  readonly secretEncrypted: Uint8Array;
  readonly headersEncrypted: Uint8Array | null;
  readonly event: EventToSend;
}

/** The endpoints of one environment that have a delivery to send at `now` and are neither paused nor deleted. */
export async function listDueEndpoints(sql: Sql, environment: Environment, now: Date): Promise<EndpointRef[]> {
  const rows = await sql<EndpointRef[]>`
    select e.partner_id as "partnerId", e.id as "endpointId"
    from webhook_endpoints e
    where e.environment = ${environment} and e.status = 'ACTIVE' and e.deleted_at is null
      and exists (
        select 1 from webhook_deliveries d
        where d.partner_id = e.partner_id and d.endpoint_id = e.id and d.environment = e.environment and d.status = 'PENDING'
          and d.next_attempt_at <= ${now} and (d.leased_until is null or d.leased_until <= ${now})
      )
    order by e.partner_id, e.id`;
  return [...rows];
}

export interface Claim {
  readonly partnerId: string;
  readonly environment: Environment;
  /** What is due is judged against this time, not the database's. */
  readonly now: Date;
  readonly leasedUntil: Date;
  /** How many deliveries to take for each endpoint. */
  readonly wants: readonly { readonly endpointId: string; readonly slots: number }[];
}

interface ClaimedRow {
  id: string;
  endpoint_id: string;
  delivery_environment: Environment;
  sequence: number | null;
  attempts: number;
  url: string;
  secret_encrypted: Uint8Array;
  headers_encrypted: Uint8Array | null;
  endpoint_environment: Environment;
  event_id: string;
  event_environment: Environment;
  position: number;
  type: string;
  data_text: string;
  event_created_at: Date;
}

/**
 * Takes due deliveries of one partner for this worker until `leasedUntil`, earliest first and then in the endpoint's order. What
 * another worker holds is passed over. One statement, so one transaction: once it has answered, nothing is locked.
 */
export async function claimDeliveries(sql: Sql, claim: Claim): Promise<ClaimedDelivery[]> {
  const { partnerId, environment, now, leasedUntil, wants } = claim;
  const rows = await sql<ClaimedRow[]>`
    with due as (
      select d.id
      from unnest(${wants.map((w) => w.endpointId)}::uuid[], ${wants.map((w) => w.slots)}::integer[]) as w (endpoint_id, slots)
      join webhook_endpoints e on e.partner_id = ${partnerId} and e.id = w.endpoint_id and e.environment = ${environment}
        and e.status = 'ACTIVE' and e.deleted_at is null
      cross join lateral (
        select d.id
        from webhook_deliveries d
        where d.partner_id = ${partnerId} and d.endpoint_id = w.endpoint_id and d.environment = ${environment} and d.status = 'PENDING'
          and d.next_attempt_at <= ${now} and (d.leased_until is null or d.leased_until <= ${now})
        order by d.next_attempt_at, d.sequence
        limit w.slots
        for no key update skip locked
      ) d
    )
    update webhook_deliveries d set leased_until = ${leasedUntil}
    from due, webhook_endpoints e, events v
    where d.partner_id = ${partnerId} and d.id = due.id
      and e.partner_id = ${partnerId} and e.id = d.endpoint_id
      and v.partner_id = ${partnerId} and v.id = d.event_id
    returning d.id, d.endpoint_id, d.environment as delivery_environment, d.sequence, d.attempts, e.url, e.secret_encrypted,
      e.headers_encrypted, e.environment as endpoint_environment, v.id as event_id, v.environment as event_environment, v.position,
      v.type, v.data::text as data_text, v.created_at as event_created_at`;
  return rows.map((row) => claimed(claim, row)).sort(byOrder);
}

function claimed({ partnerId, environment, leasedUntil }: Claim, row: ClaimedRow): ClaimedDelivery {
  // Nothing of the other environment may ever be sent (contract §1), whatever the statement above looks like by then.
  for (const found of [row.delivery_environment, row.endpoint_environment, row.event_environment]) {
    if (found !== environment) throw new Error(`delivery ${row.id} is of ${found}, this worker serves ${environment}`);
  }
  return {
    partnerId,
    id: row.id,
    endpointId: row.endpoint_id,
    sequence: row.sequence,
    attempts: row.attempts,
    leasedUntil,
    url: row.url,
    secretEncrypted: row.secret_encrypted,
    headersEncrypted: row.headers_encrypted,
    event: {
      id: row.event_id,
      environment: row.event_environment,
      position: row.position,
      type: row.type,
      dataText: row.data_text,
      createdAt: row.event_created_at,
    },
  };
}

/** UPDATE … RETURNING gives rows in no order; receivers are spared what reordering can be spared. */
function byOrder(a: ClaimedDelivery, b: ClaimedDelivery): number {
  return (a.sequence ?? Number.MAX_SAFE_INTEGER) - (b.sequence ?? Number.MAX_SAFE_INTEGER);
}

/** Gives deliveries back unsent, so that another worker need not wait for the lease to end. */
export async function releaseDeliveries(sql: Sql, deliveries: readonly ClaimedDelivery[]): Promise<void> {
  for (const partnerId of new Set(deliveries.map((delivery) => delivery.partnerId))) {
    const own = deliveries.filter((delivery) => delivery.partnerId === partnerId);
    await sql`
      update webhook_deliveries d set leased_until = null
      from unnest(${own.map((d) => d.id)}::uuid[], ${own.map((d) => d.leasedUntil)}::timestamptz[]) as v (id, leased_until)
      where d.partner_id = ${partnerId} and d.id = v.id and d.leased_until = v.leased_until and d.status = 'PENDING'`;
  }
}
