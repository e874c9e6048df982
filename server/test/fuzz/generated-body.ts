import fc from 'fast-check';
import type { JsonSchema } from '../../src/openapi/document.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { arbitraryOf, type Likely } from './arbitrary-of-schema.ts';
import { jsonText, spoiled, spoiledText } from './spoil.ts';

/** Few, so that calls meet what earlier ones have made. */
export const USERS = Array.from({ length: 12 }, (_, index) => `user_${index}`);
export const KEYS = Array.from({ length: 300 }, (_, index) => `key_${index}`);
// The server takes times of the last 30 days only.
const STARTED_AT = systemClock.now().getTime();

const orElse = <T>(weight: number, usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: other });

const amount = fc.tuple(fc.nat({ max: 5_000 }), fc.constantFrom(1, 100, 10_000)).map(([units, by]) => units / by);
const usualDestination = fc.constantFrom('http://127.0.0.1:9/hook', 'http://localhost:9/', 'https://[::1]:8443/x?y=1');
const oddDestination = fc.constantFrom(
  'https://10.0.0.1/',
  'https://169.254.169.254/latest',
  'https://user:pass@example.org/',
  'https://example.org:22/',
  'https://metadata.google.internal/',
  'http://0x7f.1/',
  'https://localhost./',
  'ftp://example.org/',
  'javascript:alert(1)',
  '//example.org',
  'https://',
  'https://example.org\\@127.0.0.1/',
  'https://ex ample.org/',
);

/** What the members of a body usually hold. */
const likely: Likely = {
  idempotencyKey: fc.oneof(fc.constantFrom(...KEYS), fc.uuid()),
  externalUserId: fc.oneof(fc.constantFrom(...USERS), fc.uuid()),
  partnerUserId: fc.constantFrom(...USERS, '__proto__', 'constructor', 'team/42'),
  stakeholderTypeCode: fc.constantFrom('CUSTOMER', 'REFERRER'),
  actionType: fc.constantFrom('PURCHASE', 'VOLUNTEER'),
  amount,
  currency: orElse(9, fc.constant('USD'), fc.constantFrom('EUR', 'JPY')),
  tokens: fc.integer({ min: 1, max: 60 }),
  occurredAt: fc
    .integer({ min: 0, max: 20 * 86_400 })
    .map((seconds) => new Date(STARTED_AT - seconds * 1_000).toISOString()),
  autoCreateUsers: orElse(9, fc.constant(true), fc.constant(false)),
  url: orElse(4, usualDestination, oddDestination),
  headers: fc.constantFrom({}, { Authorization: 'Bearer x' }, { 'X-SIR-Signature': 'x' }, { a: '1', A: '2' }),
};

/** What the schema cannot say of a body, set right for most of them. */
function madeSensible(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const body = value as Record<string, unknown>;
  if ('stakeholders' in body) {
    if (body.amount !== undefined && body.currency === undefined) body.currency = 'USD';
    if (body.currency !== undefined && body.amount === undefined) body.amount = 3;
    if (body.quantity !== undefined && body.unit === undefined) body.unit = 'hours';
    if (body.unit !== undefined && body.quantity === undefined) body.quantity = 2;
    delete body.campaignId;
  }
  if ('url' in body && !Array.isArray(body.eventTypes)) body.receiveAllEvents = true;
  if ('reason' in body) {
    if (body.tokens !== undefined) delete body.distributions;
    body.idempotencyKey ??= 'key_0';
  }
  if (Array.isArray(body.actions)) body.actions = body.actions.map(madeSensible);
  return body;
}

/** A body as it is sent, and what it is said to be. */
export interface Sent {
  body: string | Buffer | undefined;
  contentType: string | undefined;
}

const JSON_TYPES = ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'];
const OTHER_TYPES = [
  'text/plain',
  'application/json; charset=latin1',
  'application/jsonp',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/merge-patch+json',
  'application/json, text/plain',
  ';',
  '\u00ff',
];
const contentType: fc.Arbitrary<string | undefined> = fc.oneof(
  { weight: 40, arbitrary: fc.constant('application/json') },
  { weight: 2, arbitrary: fc.constantFrom(...JSON_TYPES) },
  { weight: 1, arbitrary: fc.constantFrom(...OTHER_TYPES) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

/** Bodies for a schema: three of five fit it, the others are wrong in some places or no JSON at all. */
export function sentBody(schema: JsonSchema | undefined): fc.Arbitrary<Sent> {
  const nothing = fc.constant<Sent>({ body: undefined, contentType: undefined });
  if (schema === undefined) {
    const unasked = fc.record({ body: fc.constantFrom('{}', '{"a":1}', '{', 'x', '[]'), contentType });
    return fc.oneof({ weight: 25, arbitrary: nothing }, { weight: 1, arbitrary: unasked });
  }
  const fitting = arbitraryOf(schema, likely);
  const valid = orElse(6, fitting.map(madeSensible), fitting);
  const texts = valid.map(jsonText);
  const body: fc.Arbitrary<string | Buffer> = fc.oneof(
    { weight: 11, arbitrary: texts },
    { weight: 5, arbitrary: spoiled(valid).map(jsonText) },
    { weight: 2, arbitrary: spoiledText(texts) },
  );
  const something: fc.Arbitrary<Sent> = fc.record({ body, contentType });
  return fc.oneof({ weight: 60, arbitrary: something }, { weight: 1, arbitrary: nothing });
}
