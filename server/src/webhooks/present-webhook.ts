import type { Delivery, DeliveryDetail, Environment, Webhook } from '@sirgiving/contract';
import { publicId } from '../platform/ids.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { openHeaders } from './endpoint-secrets.ts';

export interface WebhookRow {
  partnerId: string;
  id: string;
  environment: Environment;
  url: string;
  description: string | null;
  eventTypes: string[];
  receiveAllEvents: boolean;
  headersEncrypted: Uint8Array | null;
  status: 'ACTIVE' | 'PAUSED';
  createdAt: Date;
  updatedAt: Date;
}

/** A webhook as partners see it: of its custom headers only the names. */
export function presentWebhook(box: SecretBox, row: WebhookRow): Webhook {
  const place = { partnerId: row.partnerId, environment: row.environment, endpointId: row.id };
  return {
    id: publicId('whk', row.id),
    url: row.url,
    ...(row.description === null ? {} : { description: row.description }),
    eventTypes: row.eventTypes,
    receiveAllEvents: row.receiveAllEvents,
    headerNames: Object.keys(openHeaders(box, place, row.headersEncrypted)),
    isActive: row.status === 'ACTIVE',
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

export interface DeliveryRow {
  id: string;
  endpointId: string;
  eventId: string;
  eventType: string;
  sequence: number | null;
  status: Delivery['status'];
  attempts: number;
  nextAttemptAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

export function presentDelivery(row: DeliveryRow): Delivery {
  return {
    id: publicId('dlv', row.id),
    webhookId: publicId('whk', row.endpointId),
    eventId: publicId('evt', row.eventId),
    eventType: row.eventType,
    ...(row.sequence === null ? {} : { sequence: row.sequence }),
    status: row.status,
    attempts: row.attempts,
    ...(row.nextAttemptAt === null ? {} : { nextAttemptAt: row.nextAttemptAt.toISOString() }),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

type PresentedAttempt = DeliveryDetail['attemptLog'][number];

export interface AttemptRow {
  attempt: number;
  startedAt: Date;
  durationMilliseconds: number;
  outcome: PresentedAttempt['outcome'];
  responseStatus: number | null;
  responseBody: string | null;
  error: string | null;
}

export function presentAttempt(row: AttemptRow): PresentedAttempt {
  return {
    attempt: row.attempt,
    startedAt: row.startedAt.toISOString(),
    durationMilliseconds: row.durationMilliseconds,
    outcome: row.outcome,
    ...(row.responseStatus === null ? {} : { responseStatus: row.responseStatus }),
    ...(row.responseBody === null ? {} : { responseBody: row.responseBody }),
    ...(row.error === null ? {} : { error: row.error }),
  };
}
