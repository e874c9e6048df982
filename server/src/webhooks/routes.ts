import {
  CreatedWebhook,
  CreateWebhook,
  DeliveryDetail,
  DeliveryList,
  DeliveryListQuery,
  DeliveryParams,
  Webhook,
  WebhookList,
  WebhookListQuery,
  WebhookParams,
  WebhookTest,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { createWebhook, judgeNewWebhook } from './create-webhook.ts';
import { deleteWebhook } from './delete-webhook.ts';
import { getDelivery, getWebhook, listDeliveries, listWebhooks } from './queries.ts';
import { sendTestEvent } from './send-test-event.ts';

export interface WebhookDependencies {
  sql: Sql;
  ids: Ids;
  secretBox: SecretBox;
  /** Whether plain http to loopback may be registered (laptop mode). */
  allowInsecureLoopback: boolean;
}

/** The endpoints under `/v1/partner/webhooks`. */
export function webhookEndpoints(deps: WebhookDependencies) {
  return { ...readingEndpoints(deps), ...writingEndpoints(deps), ...deliveryEndpoints(deps) };
}

function readingEndpoints({ sql, secretBox }: WebhookDependencies) {
  const list = endpoint(
    {
      summary: 'List webhooks',
      description: 'Newest first.',
      query: WebhookListQuery,
      status: 200,
      answer: WebhookList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listWebhooks(sql, secretBox, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    { summary: 'Get a webhook', params: WebhookParams, status: 200, answer: Webhook, errors: ['NOT_FOUND'] },
    ({ tenant, params }) => getWebhook(sql, secretBox, tenant, params.id),
  );
  return { list, get };
}

function writingEndpoints({ ids, secretBox, allowInsecureLoopback }: WebhookDependencies) {
  const create = keyedEndpoint(
    {
      summary: 'Register a webhook',
      description:
        'Events of the named types, or of all, are sent to `url` from now on: signed, in order of `sequence`, at least once, and again for ' +
        'some 75 hours while it does not answer 2xx. The answer shows `secret` once: keep it, and verify each delivery with it.',
      body: CreateWebhook,
      status: 201,
      answer: CreatedWebhook,
      errors: ['LIMIT_REACHED', 'DESTINATION_NOT_ALLOWED'],
      shownOnce: ['secret'],
      ignoresUnknownFields: true,
    },
    (tx, { tenant, body, now }) => createWebhook(tx, { ids, secretBox }, tenant, body, now),
    // A sandbox process also takes what people do to production data.
    ({ tenant, body }) => judgeNewWebhook(body, allowInsecureLoopback && tenant.environment === 'sandbox'),
  );
  const remove = keyedEndpoint(
    {
      summary: 'Delete a webhook',
      description: 'Nothing more is sent; deliveries that were waiting are `CANCELED`. What was sent stays readable.',
      params: WebhookParams,
      status: 204,
      errors: ['NOT_FOUND'],
    },
    (tx, { tenant, params, now }) => deleteWebhook(tx, tenant, params.id, now),
  );
  const test = keyedEndpoint(
    {
      summary: 'Send a test event',
      description:
        'Sends `webhook.test` to this webhook, whatever types it asked for, exactly as every other event is sent, but without a `sequence`. ' +
        'The delivery tells what the receiver answered.',
      params: WebhookParams,
      status: 201,
      answer: WebhookTest,
      errors: ['NOT_FOUND', 'WEBHOOK_PAUSED'],
    },
    (tx, { tenant, params, now }) => sendTestEvent(tx, ids, tenant, params.id, now),
  );
  return { create, delete: remove, test };
}

function deliveryEndpoints({ sql }: WebhookDependencies) {
  const deliveries = endpoint(
    {
      summary: 'List a webhook’s deliveries',
      description:
        'Newest first, also of a deleted webhook. With `afterSequence` ascending from the next one on, for a receiver that has missed some.',
      params: WebhookParams,
      query: DeliveryListQuery,
      status: 200,
      answer: DeliveryList,
      errors: ['NOT_FOUND', 'INVALID_CURSOR'],
    },
    ({ tenant, params, query }) => listDeliveries(sql, tenant, params.id, query, pageRequest(query)),
  );
  const delivery = endpoint(
    {
      summary: 'Get a delivery',
      description: 'With every attempt: when, how long, what was answered (the first 1 kB), and what went wrong.',
      params: DeliveryParams,
      status: 200,
      answer: DeliveryDetail,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => getDelivery(sql, tenant, params.id),
  );
  return { deliveries, delivery };
}
