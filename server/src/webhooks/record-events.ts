import type { Environment, EventType } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import { jsonArray, plainArray } from '../platform/plain-array.ts';

/** Something that happened, to be told to the partner's endpoints and streams. */
export interface NewEvent {
  partnerId: string;
  environment: Environment;
  id: string;
  type: EventType;
  /** What stands under `data` in the envelope; JSON. */
  data: Record<string, unknown>;
  createdAt: Date;
}

/**
 * Writes events in the transaction of what they report and gives each the next position of its partner and environment, in the order
 * of `events`. Positions come from a counter row that stays locked until COMMIT: call this as the last write, so that the row is held
 * for the shortest time. Gap-free, and a later position never becomes visible before an earlier one.
 */
export async function recordEvents(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const counts = new Map<string, { partnerId: string; environment: Environment; count: number }>();
  const numbered = events.map(({ partnerId, environment }) => {
    const key = `${partnerId}${environment}`;
    const counter = counts.get(key) ?? { partnerId, environment, count: 0 };
    counts.set(key, counter);
    return { counter, number: ++counter.count };
  });
  const counters = [...counts.values()];
  const [raised, inserted] = await Promise.all([
    tx`
      insert into event_counters as c (partner_id, environment, position)
      select n.partner_id, n.environment, n.count
      from unnest(
        ${plainArray(counters, (c) => c.partnerId)}::uuid[], ${plainArray(counters, (c) => c.environment)}::text[], ${plainArray(counters, (c) => c.count)}::bigint[]
      ) as n (partner_id, environment, count)
      order by n.partner_id, n.environment
      on conflict (partner_id, environment) do update set position = c.position + excluded.position`,
    tx`
      insert into events (partner_id, id, environment, position, type, data, created_at)
      select n.partner_id, n.id, n.environment, c.position - n.count + n.number, n.type, n.data::json, n.created_at::timestamptz
      from unnest(
        ${plainArray(events, (e) => e.partnerId)}::uuid[], ${plainArray(events, (e) => e.id)}::uuid[], ${plainArray(events, (e) => e.environment)}::text[],
        ${plainArray(numbered, (n) => n.counter.count)}::bigint[], ${plainArray(numbered, (n) => n.number)}::bigint[],
        ${plainArray(events, (e) => e.type)}::text[], ${jsonArray(events, (e) => JSON.stringify(e.data))}::text[],
        ${plainArray(events, (e) => e.createdAt.toISOString())}::text[]
      ) as n (partner_id, id, environment, count, number, type, data, created_at)
      join event_counters c on c.partner_id = n.partner_id and c.environment = n.environment`,
  ]);
  if (raised.count !== counters.length || inserted.count !== events.length) {
    throw new Error(`recorded ${inserted.count} of ${events.length} events`);
  }
}
