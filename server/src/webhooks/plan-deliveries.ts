import type { EventType } from '@sirgiving/contract';

export interface EventToFanOut {
  readonly id: string;
  readonly position: number;
  readonly type: string;
}

export interface EndpointToFill {
  readonly id: string;
  readonly eventTypes: readonly string[];
  readonly receiveAllEvents: boolean;
  /** The last number that was given. */
  readonly sequence: number;
}

export interface NewDelivery {
  readonly endpointId: string;
  readonly eventId: string;
  readonly sequence: number;
}

export interface DeliveryPlan {
  readonly deliveries: readonly NewDelivery[];
  /** By endpoint that gets any, the last number given now. */
  readonly sequences: ReadonlyMap<string, number>;
  /** Test events among them: their deliveries are there already. */
  readonly testEventIds: readonly string[];
  /** Up to here the events are dealt with. */
  readonly position: number;
  /** The first position that should be there and is not: a fault, past which nothing is sent. */
  readonly gapAt: number | undefined;
}

const MAX_DELIVERIES = 4_000;
/** Goes to the endpoint that is tested and to no other, so the test makes its delivery itself. */
const TEST_EVENT: EventType = 'webhook.test';

/**
 * Decides which endpoints get which events and with what number, in order of positions from `after` on (contract §7, Order). Ends at a
 * gap, and early when it would become too much for one transaction, at the border of an event. Pure.
 */
export function planDeliveries(
  after: number,
  events: readonly EventToFanOut[],
  endpoints: readonly EndpointToFill[],
): DeliveryPlan {
  const deliveries: NewDelivery[] = [];
  const sequences = new Map<string, number>();
  const testEventIds: string[] = [];
  const wanted = endpoints.map((endpoint) => ({ endpoint, types: new Set(endpoint.eventTypes) }));
  let position = after;
  for (const event of events) {
    if (event.position !== position + 1) return { deliveries, sequences, testEventIds, position, gapAt: position + 1 };
    if (deliveries.length > 0 && deliveries.length + endpoints.length > MAX_DELIVERIES) break;
    position = event.position;
    if (event.type === TEST_EVENT) {
      testEventIds.push(event.id);
      continue;
    }
    for (const { endpoint, types } of wanted) {
      if (!endpoint.receiveAllEvents && !types.has(event.type)) continue;
      const sequence = (sequences.get(endpoint.id) ?? endpoint.sequence) + 1;
      sequences.set(endpoint.id, sequence);
      deliveries.push({ endpointId: endpoint.id, eventId: event.id, sequence });
    }
  }
  // No rows at all although the counter says there are some is a gap too.
  return { deliveries, sequences, testEventIds, position, gapAt: events.length === 0 ? after + 1 : undefined };
}
