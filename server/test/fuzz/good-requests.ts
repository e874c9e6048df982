import type { TSchema } from 'typebox';
import { systemClock } from '../../src/platform/clock.ts';
import type { Endpoint } from '../../src/platform/endpoint.ts';
import type { Route } from '../../src/route.ts';
import { publicPoolId, type TestApp, type TestPartner } from '../app.ts';

/** A request that its route answers with success, as long as it is sent only once. */
export interface GoodRequest {
  route: Route;
  method: string;
  path: string;
  /** Undefined where the endpoint takes none. */
  body: Record<string, unknown> | undefined;
}

/** Public ids of things that exist, by the prefix of their kind; `externalId` is a user with tokens. */
export type Existing = Readonly<Record<string, string>>;

const STAKEHOLDERS = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'good_user' }];
const VALUE = { amount: 5, currency: 'USD' };

/** What a body needs beyond what its schema requires. */
const MORE_THAN_REQUIRED: Readonly<Record<string, Record<string, unknown>>> = {
  'POST /v1/partner/actions/submit': VALUE,
  'POST /v1/partner/actions/preview': VALUE,
  'POST /v1/partner/webhooks': { url: 'http://127.0.0.1:9/', receiveAllEvents: true },
};

let made = 0;

/** Makes one thing of every kind for a partner. */
export async function makeExisting(t: TestApp, partner: TestPartner = t.partner): Promise<Existing> {
  // Signed a minute ago: a good request that is the same must not be taken for a repetition.
  const timestamp = Math.floor(systemClock.now().getTime() / 1_000) - 60;
  const post = async (path: string, body?: unknown) => {
    const { status, body: answer, text } = await t.signed('POST', `/v1/partner/${path}`, body, { partner, timestamp });
    if (status >= 300) throw new Error(`${path} answered ${status}: ${text}`);
    return answer;
  };
  const idempotencyKey = `existing_${made++}`;
  const action = { idempotencyKey, actionType: 'PURCHASE', amount: 100, currency: 'USD', stakeholders: STAKEHOLDERS };
  const { actionId, transactionIds } = await post('actions/submit', action);
  const { id: webhookId } = await post('webhooks', {
    url: `http://127.0.0.1:9/${idempotencyKey}`,
    receiveAllEvents: true,
  });
  const { deliveryId } = await post(`webhooks/${webhookId}/test`);
  const [transactionId] = transactionIds as string[];
  await t.requestLog.flush();
  const { body: logged } = await t.signed('GET', '/v1/partner/requests?limit=1', undefined, { partner });
  const [request] = logged.data as { id: string }[];
  return {
    act: String(actionId),
    txn: String(transactionId),
    pool: publicPoolId(partner),
    whk: String(webhookId),
    dlv: String(deliveryId),
    req: String(request?.id),
    externalId: 'good_user',
  };
}

/** The good request of a route: its path leads to what exists, its body has what its schema requires, with a key of its own. */
export function goodRequest(route: Route, existing: Existing): GoodRequest {
  const [method, pattern, , endpoint] = route;
  const path = pattern.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(existingId(endpoint, name, existing)),
  );
  return { route, method, path, body: bodyOf(`${method} ${pattern}`, endpoint) };
}

function existingId(endpoint: Endpoint, name: string, existing: Existing): string {
  const value = existing[idPrefix(endpoint, name) ?? name];
  if (value === undefined) throw new Error(`nothing exists for the parameter ${name}`);
  return value;
}

/** `act` for a parameter that is the id of an action; undefined for one that is no id of ours. */
export function idPrefix(endpoint: Endpoint, name: string): string | undefined {
  return /^\^([a-z]+)_\[/.exec(partsOf(endpoint.params).properties?.[name]?.pattern ?? '')?.[1];
}

function bodyOf(route: string, endpoint: Endpoint): Record<string, unknown> | undefined {
  if (endpoint.body === undefined) return undefined;
  if (route === 'POST /v1/partner/actions/batch') {
    const actions = [{ ...action(), ...VALUE }];
    return { mode: 'independent', actions };
  }
  return { ...(example(partsOf(endpoint.body)) as object), ...MORE_THAN_REQUIRED[route] };
}

const action = () => ({ idempotencyKey: `good_${made++}`, actionType: 'PURCHASE', stakeholders: STAKEHOLDERS });

/** The part of JSON Schema that examples are made from. */
export interface SchemaParts {
  type?: string;
  format?: string;
  enum?: unknown[];
  anyOf?: SchemaParts[];
  pattern?: string;
  properties?: Record<string, SchemaParts>;
  required?: string[];
  items?: SchemaParts;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxLength?: number;
}

export function partsOf(schema: TSchema | undefined): SchemaParts {
  return (schema ?? {}) as SchemaParts;
}

/** The smallest value that fits a schema; text that must be unlike any other is. */
export function example(schema: SchemaParts, name = ''): unknown {
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf?.[0] !== undefined) return example(schema.anyOf[0], name);
  switch (schema.type) {
    case 'object': {
      const { properties = {}, required = [] } = schema;
      // A key is given where one can be, so that a test can see whether it was used up.
      const names = Object.keys(properties).filter((key) => required.includes(key) || key === 'idempotencyKey');
      return Object.fromEntries(names.map((key) => [key, example(properties[key] ?? {}, key)]));
    }
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => example(schema.items ?? {}, name));
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    default:
      return name === 'idempotencyKey' || name === 'externalUserId' ? `good_${made++}` : 'EXAMPLE';
  }
}
