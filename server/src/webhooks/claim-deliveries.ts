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

interface LeasedRow {
  id: string;
  endpointId: string;
  eventId: string;
  environment: Environment;
  sequence: number | null;
  attempts: number;
}

interface EndpointRow {
  id: string;
  environment: Environment;
  url: string;
  secretEncrypted: Uint8Array;
  headersEncrypted: Uint8Array | null;
}

/**
 * Takes due deliveries of one partner for this worker until `leasedUntil`, earliest first and then in the endpoint's order. What
 * another worker holds is passed over. Once this has answered, nothing is locked.
 */
export async function claimDeliveries(sql: Sql, claim: Claim): Promise<ClaimedDelivery[]> {
  const { partnerId, leasedUntil } = claim;
  const leased = await lease(sql, claim);
  if (leased.length === 0) return [];
  const [endpoints, events] = await Promise.all([
    sql<EndpointRow[]>`
      select id, environment, url, secret_encrypted as "secretEncrypted", headers_encrypted as "headersEncrypted"
      from webhook_endpoints
      where partner_id = ${partnerId} and id = any(${[...new Set(leased.map((row) => row.endpointId))]}::uuid[])`,
    sql<EventToSend[]>`
      select id, environment, position, type, data::text as "dataText", created_at as "createdAt"
      from events
      where partner_id = ${partnerId} and id = any(${[...new Set(leased.map((row) => row.eventId))]}::uuid[])`,
  ]);
  const endpointOf = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
  const eventOf = new Map(events.map((event) => [event.id, event]));
  return leased.map((row) => {
    const endpoint = endpointOf.get(row.endpointId);
    const event = eventOf.get(row.eventId);
    if (endpoint === undefined || event === undefined) throw new Error(`delivery ${row.id} has lost its event`);
    assertEnvironment(claim.environment, row.id, [row, endpoint, event]);
    const { url, secretEncrypted, headersEncrypted } = endpoint;
    const { id, endpointId, sequence, attempts } = row;
    return {
      partnerId,
      id,
      endpointId,
      sequence,
      attempts,
      leasedUntil,
      url,
      secretEncrypted,
      headersEncrypted,
      event,
    };
  });
}

/**
 * One statement, so one transaction. The ids are gathered into an array first, since for a join with a subquery whose LIMIT it does not know
 * the planner reads the whole table once it has statistics.
 */
async function lease(sql: Sql, claim: Claim): Promise<LeasedRow[]> {
  const { partnerId, environment, now, leasedUntil, wants } = claim;
  const rows = await sql<LeasedRow[]>`
    update webhook_deliveries set leased_until = ${leasedUntil}
    where partner_id = ${partnerId} and id = any (array(
      select due.id
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
      ) due
    ))
    returning id, endpoint_id as "endpointId", event_id as "eventId", environment, sequence, attempts`;
  return [...rows].sort(byOrder);
}

/** Nothing of the other environment may ever be sent (contract §1), whatever the statements above look like by then. */
function assertEnvironment(
  own: Environment,
  deliveryId: string,
  rows: readonly { readonly environment: Environment }[],
): void {
  for (const { environment } of rows) {
    if (environment !== own) throw new Error(`delivery ${deliveryId} is of ${environment}, this worker serves ${own}`);
  }
}

/** UPDATE … RETURNING gives rows in no order; receivers are spared what reordering can be spared. */
function byOrder(a: LeasedRow, b: LeasedRow): number {
  return (a.sequence ?? Number.MAX_SAFE_INTEGER) - (b.sequence ?? Number.MAX_SAFE_INTEGER);
}

/** Gives deliveries back unsent, so that another worker need not wait for the lease to end. */
export async function releaseDeliveries(sql: Sql, deliveries: readonly ClaimedDelivery[]): Promise<void> {
  for (const partnerId of new Set(deliveries.map((delivery) => delivery.partnerId))) {
    const own = deliveries.filter((delivery) => delivery.partnerId === partnerId);
    await sql`
      update webhook_deliveries d set leased_until = null
      from unnest(
        ${own.map((d) => d.id)}::uuid[], ${own.map((d) => d.leasedUntil.toISOString())}::text[]::timestamptz[]
      ) as v (id, leased_until)
      where d.partner_id = ${partnerId} and d.id = any(${own.map((d) => d.id)}::uuid[]) and d.id = v.id
        and d.leased_until = v.leased_until and d.status = 'PENDING'`;
  }
}
