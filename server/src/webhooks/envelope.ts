import { API_VERSION, type Environment } from '@sirgiving/contract';
import { publicId } from '../platform/ids.ts';

export interface EventToSend {
  readonly id: string;
  readonly environment: Environment;
  readonly position: number;
  readonly type: string;
  /** The stored JSON, as text: it is sent as it was written, never parsed and written anew. */
  readonly dataText: string;
  readonly createdAt: Date;
}

/**
 * The body of a delivery (contract §7): the documented `id, type, createdAt, data`, then ours. The same bytes on every attempt.
 * `sequence` is null for what stands outside the endpoint's order, such as `webhook.test`.
 */
export function envelope(event: EventToSend, sequence: number | null): string {
  const documented = { id: publicId('evt', event.id), type: event.type, createdAt: event.createdAt.toISOString() };
  const ours = {
    environment: event.environment,
    apiVersion: API_VERSION,
    position: event.position,
    ...(sequence === null ? {} : { sequence }),
  };
  return `${JSON.stringify(documented).slice(0, -1)},"data":${event.dataText},${JSON.stringify(ours).slice(1)}`;
}
