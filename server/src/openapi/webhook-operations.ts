import { type EventType, eventTypes } from '@sirgiving/contract';
import type { JsonSchema, NamedExample, OpenApiDocument, Parameter, WebhookOperation } from './document.ts';
import type { RecordedExamples } from './recorded-examples.ts';

const header = (name: string, description: string): Parameter => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
});

/** The headers of every delivery (contract §7): the documented two, and those of Standard Webhooks. */
export const deliveryHeaders: Parameter[] = [
  header('X-SIR-Timestamp', 'Unix seconds of this attempt.'),
  header(
    'X-SIR-Signature',
    '`sha256=` and the hex HMAC-SHA256, keyed with the whole `whsec_…` secret, over `timestamp + "." + raw body`.',
  ),
  header('webhook-id', 'The event’s id, the same on every attempt: drop what you have seen.'),
  header('webhook-timestamp', 'The same Unix seconds, for the libraries of standardwebhooks.com.'),
  header('webhook-signature', '`v1,` and the base64 signature of Standard Webhooks.'),
];

/** One entry of the `webhooks` section for each event type. */
export function webhookOperations(examples: RecordedExamples): OpenApiDocument['webhooks'] {
  const operations: OpenApiDocument['webhooks'] = {};
  for (const [type, description] of Object.entries(eventTypes) as [EventType, string][]) {
    operations[type] = { post: webhookOperation(type, description, examples) };
  }
  return operations;
}

function webhookOperation(type: EventType, description: string, examples: RecordedExamples): WebhookOperation {
  const delivered = examples.events.find((event) => event.type === type);
  const named: Record<string, NamedExample> | undefined = delivered && {
    delivered: { summary: `A delivery of ${type}`, value: delivered.body },
  };
  return {
    operationId: `on-${type}`.replaceAll(/[-._](\w)/g, (_, letter: string) => letter.toUpperCase()),
    summary: type,
    description,
    tags: ['Webhooks'],
    parameters: deliveryHeaders,
    requestBody: {
      required: true,
      content: { 'application/json': { schema: envelope(type), ...(named ? { examples: named } : {}) } },
    },
    responses: {
      '2XX': { description: 'Received. Answer within 15 seconds, and work afterwards.' },
      '410': { description: 'Gone: this endpoint is paused.' },
      default: { description: 'Not received: the delivery is tried again, ten times over some 75 hours.' },
    },
  };
}

function envelope(type: EventType): JsonSchema {
  return {
    type: 'object',
    required: ['id', 'type', 'createdAt', 'data', 'environment', 'apiVersion'],
    properties: {
      id: { type: 'string', description: '`evt_…`' },
      type: { type: 'string', const: type },
      createdAt: { type: 'string', format: 'date-time' },
      environment: { type: 'string', enum: ['sandbox', 'production'] },
      apiVersion: { type: 'string', description: 'The date of this shape.' },
      position: { type: 'integer', description: 'Its place among all your events of this environment, without gaps.' },
      sequence: { type: 'integer', description: 'Its place among the deliveries of this endpoint, without gaps.' },
      data: { type: 'object', additionalProperties: true },
    },
  };
}
