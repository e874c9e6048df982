import fc from 'fast-check';
import { KEYS, sentBody } from './generated-body.ts';
import { pathOf, queryOf, type Seen, targetSuffix } from './generated-target.ts';
import type { Operation } from './operations.ts';

export type Credentials =
  | 'secret'
  | 'publishable'
  | 'otherPartner'
  | 'withoutPool'
  | 'poorPool'
  | 'suspended'
  | 'production'
  | 'revoked'
  | 'expired'
  | 'otherAddress'
  | 'unknown'
  | 'none';

/** What is done to a request after it was signed. */
export type SignatureChange =
  | 'none'
  | 'truncated'
  | 'upperCase'
  | 'otherBytes'
  | 'stale'
  | 'future'
  | 'junk'
  | 'missing';

/** A call before it is sent. It says nothing of the server's state, so that the same seed gives the same calls. */
export interface GeneratedCall {
  operation: Operation;
  method: string;
  /** The written parts of the path, and what stands in place of its parameters. */
  path: readonly (string | Seen)[];
  query: readonly (readonly [name: string, value: string | Seen])[];
  /** Is put behind everything else, as it is. */
  targetSuffix: string;
  body: string | Buffer | undefined;
  contentType: string | undefined;
  credentials: Credentials;
  signatureChange: SignatureChange;
  headers: Readonly<Record<string, string>>;
  /** Sends the last answered write with the same signature again, instead of this call. */
  repeatsLastWrite: boolean;
}

const credentials: fc.Arbitrary<Credentials> = fc.oneof(
  { weight: 120, arbitrary: fc.constant<Credentials>('secret') },
  { weight: 8, arbitrary: fc.constant<Credentials>('publishable') },
  { weight: 32, arbitrary: fc.constantFrom<Credentials[]>('otherPartner', 'withoutPool', 'poorPool', 'suspended') },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Credentials[]>('production', 'revoked', 'expired', 'otherAddress', 'unknown', 'none'),
  },
);

const signatureChange: fc.Arbitrary<SignatureChange> = fc.oneof(
  { weight: 60, arbitrary: fc.constant<SignatureChange>('none') },
  {
    weight: 2,
    arbitrary: fc.constantFrom<SignatureChange[]>(
      'truncated',
      'upperCase',
      'otherBytes',
      'stale',
      'future',
      'junk',
      'missing',
    ),
  },
);

const extraHeaders: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 60, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Record<string, string>[]>(
      { origin: 'https://shop.example.org' },
      { origin: 'null' },
      { 'content-encoding': 'gzip' },
      { 'x-forwarded-for': '1.2.3.4, garbage,, ::1' },
      { 'x-request-id': 'mine', 'x-partner-id': 'other', 'x-partner-environment': 'production' },
      { accept: 'text/html', 'accept-encoding': 'zstd, *;q=0' },
      { 'if-none-match': '*', range: 'bytes=0-1' },
      { expect: 'wonders' },
      { cookie: 'a=b; a=c', authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
      { 'x-http-method-override': 'DELETE' },
      { 'x-long': 'x'.repeat(8_000) },
    ),
  },
);

function headersOf(operation: Operation): fc.Arbitrary<Record<string, string>> {
  const key = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.constantFrom(...KEYS.slice(0, 40)) },
    { weight: 1, arbitrary: fc.constantFrom('', ' ', 'ü', 'x'.repeat(255), 'x'.repeat(256), 'a\tb') },
  );
  const rarely = fc.oneof(
    { weight: 40, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant('x') },
  );
  return fc.tuple(extraHeaders, operation.takesIdempotencyKey ? key : rarely).map(([headers, idempotencyKey]) => ({
    ...headers,
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
  }));
}

const OTHER_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** Calls of one operation: most of them signed as they should be, about half of them meant to be answered with success. */
export function callsOf(operation: Operation): fc.Arbitrary<GeneratedCall> {
  const method = fc.oneof(
    { weight: 60, arbitrary: fc.constant(operation.method) },
    { weight: 1, arbitrary: fc.constantFrom(...OTHER_METHODS) },
  );
  return fc
    .record({
      operation: fc.constant(operation),
      method,
      path: pathOf(operation),
      query: queryOf(operation),
      targetSuffix,
      sent: sentBody(operation.body),
      credentials,
      signatureChange,
      headers: headersOf(operation),
      repeatsLastWrite: operation.takesIdempotencyKey ? fc.nat({ max: 9 }).map((one) => one === 0) : fc.constant(false),
    })
    .map(({ sent, ...call }) => ({ ...call, ...sent }));
}

/** Those that take a body come more often, since most can go wrong there; those that no key opens are all refused alike. */
function weightOf({ body, takesKeys }: Operation): number {
  if (!takesKeys) return 1;
  return body === undefined ? 4 : 10;
}

/** Calls of any operation. */
export function anyCall(operations: readonly Operation[]): fc.Arbitrary<GeneratedCall> {
  return fc.oneof(...operations.map((operation) => ({ weight: weightOf(operation), arbitrary: callsOf(operation) })));
}
