import Type, { type Static } from 'typebox';
import { Id, ListOf, listQuery, ShortText, Timestamp } from './common.ts';
import { eventTypeNames } from './events.ts';

export const MAX_CUSTOM_HEADERS = 10;

export const CreateWebhook = Type.Object({
  url: Type.String({ minLength: 1, maxLength: 2048, description: 'https, a public host name.' }),
  description: Type.Optional(ShortText(255, 'For you.')),
  eventTypes: Type.Optional(
    Type.Array(Type.Enum(eventTypeNames, { type: 'string' }), { maxItems: 50, uniqueItems: true }),
  ),
  receiveAllEvents: Type.Optional(Type.Boolean({ default: false })),
  headers: Type.Optional(
    Type.Record(
      Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
      Type.String({ maxLength: 1024, pattern: '^[\\x20-\\x7e]*$' }),
      {
        maxProperties: MAX_CUSTOM_HEADERS,
        additionalProperties: false,
        description: 'Sent with each delivery; values are never shown again.',
      },
    ),
  ),
});
export type CreateWebhook = Static<typeof CreateWebhook>;

const webhookFields = {
  id: Id('whk'),
  url: Type.String(),
  description: Type.Optional(Type.String()),
  eventTypes: Type.Array(Type.String()),
  receiveAllEvents: Type.Boolean(),
  headerNames: Type.Array(Type.String()),
  isActive: Type.Boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
};
export const Webhook = Type.Object(webhookFields);
export type Webhook = Static<typeof Webhook>;
export const CreatedWebhook = Type.Object({
  ...webhookFields,
  secret: Type.Optional(Type.String({ description: 'Shown once: `whsec_…`. Verify deliveries with it.' })),
});
export type CreatedWebhook = Static<typeof CreatedWebhook>;
export const WebhookList = ListOf(Webhook);
export const WebhookListQuery = Type.Object(listQuery, { additionalProperties: false });
export const WebhookParams = Type.Object({ id: Id('whk') });

export const WebhookTest = Type.Object({ eventId: Id('evt'), deliveryId: Id('dlv') });
export type WebhookTest = Static<typeof WebhookTest>;

export const deliveryStatuses = ['PENDING', 'SUCCEEDED', 'EXHAUSTED', 'CANCELED'] as const;
/** ENDPOINT_GONE: status 410, which pauses the endpoint. BLOCKED: an address that webhooks may not be sent to. */
export const attemptOutcomes = ['DELIVERED', 'FAILED', 'BLOCKED', 'ENDPOINT_GONE', 'EXHAUSTED'] as const;
const deliveryFields = {
  id: Id('dlv'),
  webhookId: Id('whk'),
  eventId: Id('evt'),
  eventType: Type.String(),
  sequence: Type.Optional(Type.Integer()),
  status: Type.Enum([...deliveryStatuses]),
  attempts: Type.Integer(),
  nextAttemptAt: Type.Optional(Timestamp),
  createdAt: Timestamp,
  updatedAt: Timestamp,
};
export const Delivery = Type.Object(deliveryFields);
export type Delivery = Static<typeof Delivery>;
export const DeliveryDetail = Type.Object({
  ...deliveryFields,
  attemptLog: Type.Array(
    Type.Object({
      attempt: Type.Integer(),
      startedAt: Timestamp,
      durationMilliseconds: Type.Integer(),
      outcome: Type.Enum([...attemptOutcomes]),
      responseStatus: Type.Optional(Type.Integer()),
      responseBody: Type.Optional(Type.String()),
      error: Type.Optional(Type.String()),
    }),
  ),
});
export type DeliveryDetail = Static<typeof DeliveryDetail>;
export const DeliveryList = ListOf(Delivery);
export const DeliveryListQuery = Type.Object(
  {
    ...listQuery,
    status: Type.Optional(Type.Enum([...deliveryStatuses])),
    afterSequence: Type.Optional(Type.Integer({ minimum: 0, description: 'Ascending, for filling a gap.' })),
  },
  { additionalProperties: false },
);
export const DeliveryParams = Type.Object({ id: Id('dlv') });
