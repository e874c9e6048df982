import { createHmac, randomBytes } from 'node:crypto';
import { hashBody, signRequest } from '@sirgiving/signature';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type AuthenticateKey,
  authenticationOf,
  newPartnerWithKey,
  type RequestChanges,
  signedRequest,
  type TestKey,
  testSecretBox,
  toRead,
} from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import { randomIds } from '../platform/ids.ts';
import { Problem } from '../platform/problem-json.ts';
import { createKey } from './create-key.ts';
import { revokeKey } from './revoke-key.ts';
import type { SignatureHint } from './signature-hint.ts';

let database: TestDatabase;
let key: TestKey;
let authenticate: AuthenticateKey;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  key = await newPartnerWithKey(database.sql);
  authenticate = authenticationOf(database.sql);
});

async function refusalOf(changes: RequestChanges, by = authenticate): Promise<Problem> {
  const refusal = await Promise.resolve(by(signedRequest(key, changes), toRead)).catch((error: unknown) => error);
  if (refusal instanceof Problem) return refusal;
  throw new Error('not refused');
}

async function hintOf(changes: RequestChanges, by?: AuthenticateKey): Promise<SignatureHint | undefined> {
  return (await refusalOf(changes, by)).options.extensions?.hint as SignatureHint | undefined;
}

const now = () => String(Math.floor(systemClock.now().getTime() / 1000));

/** A signature over anything, to make mistakes with. */
function signatureOver(hmacSecret: string, ...parts: string[]): Buffer {
  return createHmac('sha256', hmacSecret).update(parts.join('')).digest();
}

const target = '/v1/partner/users?page=1&limit=20';
const body = '{"externalUserId":"user_42","lastName":"Nováková","firstName":"Žaneta","metadata":{"b":1,"a":[1,2.50]}}';

describe('the hint says what was seen and which mistake fits', () => {
  test('the canonical string’s parts, when no known mistake does', async () => {
    const timestamp = now();
    const changes = { method: 'POST', target, body, timestamp, hmacSecret: randomBytes(32).toString('hex') };
    const refusal = await refusalOf(changes);
    expect(refusal.code).toBe('INVALID_SIGNATURE');
    expect(refusal.options.extensions?.hint).toEqual({
      saw: { timestamp, method: 'POST', path: target, bodyHash: hashBody(body) },
      mistake: null,
      advice: expect.stringContaining('None of the known mistakes fits'),
    });
  });

  test('and never the expected signature', async () => {
    const timestamp = now();
    const expected = signRequest({ hmacSecret: key.hmacSecret, timestamp, method: 'GET', path: target });
    for (const signature of ['0'.repeat(64), Buffer.from(expected, 'hex').toString('base64')]) {
      const hint = JSON.stringify(await hintOf({ target, timestamp, headers: { 'x-signature': signature } }));
      for (const secret of [expected, Buffer.from(expected, 'hex').toString('base64'), key.hmacSecret]) {
        expect(hint).not.toContain(secret);
      }
    }
  });

  const mistakes: [name: string, mistake: string, changes: () => RequestChanges & { signed?: string[] | Buffer }][] = [
    ['the query string left out', 'QUERY_STRING_MISSING', () => ({ signed: ['GET', '/v1/partner/users', hashBody()] })],
    ['the method in lower case', 'METHOD_IN_LOWER_CASE', () => ({ signed: ['get', target, hashBody()] })],
    ['the secret key as signing secret', 'SECRET_KEY_AS_HMAC_SECRET', () => ({ hmacSecret: key.secretKey })],
    [
      'the publishable key as signing secret',
      'SECRET_KEY_AS_HMAC_SECRET',
      () => ({ key: key.publicKey, hmacSecret: key.publicKey }),
    ],
    ['the body left out', 'BODY_RESERIALIZED', () => ({ body, signed: ['GET', target, hashBody()] })],
  ];
  test.each(mistakes)('%s: %s', async (_, mistake, changes) => {
    const { signed, ...given } = changes();
    const timestamp = now();
    const headers = Array.isArray(signed)
      ? { 'x-signature': signatureOver(key.hmacSecret, timestamp, ...signed).toString('hex') }
      : {};
    const hint = await hintOf({ target, timestamp, ...given, headers });
    expect(hint).toMatchObject({ mistake, advice: expect.any(String) });
  });

  const spellings: [name: string, signed: string][] = [
    ['compact', JSON.stringify(JSON.parse(body))],
    ['indented by two', JSON.stringify(JSON.parse(body), null, 2)],
    ['indented by four', JSON.stringify(JSON.parse(body), null, 4)],
    ['with a new line behind', `${body}\n`],
    [
      'as Python writes it',
      '{"externalUserId": "user_42", "lastName": "Nov\\u00e1kov\\u00e1", "firstName": "\\u017daneta", "metadata": {"b": 1, "a": [1, 2.5]}}',
    ],
    [
      'with sorted keys',
      '{"externalUserId":"user_42","firstName":"Žaneta","lastName":"Nováková","metadata":{"a":[1,2.5],"b":1}}',
    ],
  ];
  test.each(spellings)('a body that was signed %s: BODY_RESERIALIZED', async (_, signed) => {
    const timestamp = now();
    const signature = signatureOver(key.hmacSecret, timestamp, 'POST', target, hashBody(signed)).toString('hex');
    const hint = await hintOf({ method: 'POST', target, body, timestamp, headers: { 'x-signature': signature } });
    expect(hint?.mistake).toBe('BODY_RESERIALIZED');
  });

  test.each(['base64', 'base64url'] as const)('%s instead of hex: SIGNATURE_IN_BASE64', async (encoding) => {
    const timestamp = now();
    const signature = signatureOver(key.hmacSecret, timestamp, 'GET', target, hashBody()).toString(encoding);
    const hint = await hintOf({ target, timestamp, headers: { 'x-signature': signature } });
    expect(hint?.mistake).toBe('SIGNATURE_IN_BASE64');
  });

  test('a timestamp in milliseconds: TIMESTAMP_IN_MILLISECONDS beside serverTime', async () => {
    const refusal = await refusalOf({ timestamp: String(systemClock.now().getTime()) });
    expect(refusal.code).toBe('TIMESTAMP_OUT_OF_RANGE');
    expect(refusal.options.extensions).toMatchObject({
      serverTime: expect.any(Number),
      hint: { mistake: 'TIMESTAMP_IN_MILLISECONDS' },
    });
  });

  test('the signing secret of another key pair of the same partner, also a revoked one: OTHER_KEY_PAIR', async () => {
    const wanted = {
      partnerId: key.partnerId,
      environment: key.environment,
      name: 'Old',
      createdAt: systemClock.now(),
    };
    const other = await database.sql.begin((tx) => createKey(tx, randomIds, testSecretBox, wanted));
    expect((await hintOf({ hmacSecret: other.hmacSecret }))?.mistake).toBe('OTHER_KEY_PAIR');
    const reference = { partnerId: key.partnerId, keyId: other.id };
    await database.sql.begin((tx) => revokeKey(tx, reference, systemClock.now()));
    expect((await hintOf({ hmacSecret: other.hmacSecret }))?.mistake).toBe('OTHER_KEY_PAIR');
    const stranger = await newPartnerWithKey(database.sql);
    expect((await hintOf({ hmacSecret: stranger.hmacSecret }))?.mistake).toBeNull();
  });
});

describe('the hint is given', () => {
  const wrong = { hmacSecret: '0'.repeat(64) };

  test('only for a key that exists and works', async () => {
    const unknown = `sk_test_${randomBytes(32).toString('hex')}`;
    for (const headers of [{}, { 'x-signature': 'AAAA' }, { 'x-timestamp': String(systemClock.now().getTime()) }]) {
      const refusal = await refusalOf({ key: unknown, headers });
      expect(refusal.options.extensions?.hint).toBeUndefined();
    }
    await database.sql.begin((tx) => revokeKey(tx, { partnerId: key.partnerId, keyId: key.id }, systemClock.now()));
    expect(await hintOf({ headers: { 'x-signature': 'AAAA' } })).toBeUndefined();
  });

  test('at most 10 times a minute per key and address, of IPv6 per /64', async () => {
    const count = async (ips: string[]) => {
      const hints = [];
      for (const ip of ips) hints.push(await hintOf({ ...wrong, ip }));
      return hints.filter((hint) => hint !== undefined).length;
    };
    expect(await count(Array.from({ length: 12 }, () => '192.0.2.1'))).toBe(10);
    authenticate = authenticationOf(database.sql);
    expect(await count(Array.from({ length: 12 }, (_, index) => `2001:db8::${index}`))).toBe(10);
    expect(await count(['2001:db8:0:1::1', '192.0.2.1'])).toBe(2);
  });

  test('at most 20 times a second for all keys and addresses together', async () => {
    const hints = await Promise.all(
      Array.from({ length: 60 }, (_, index) => hintOf({ ...wrong, ip: `192.0.2.${index}` })),
    );
    expect(hints.filter((hint) => hint !== undefined).length).toBe(20);
  });

  test('never in production', async () => {
    key = await newPartnerWithKey(database.sql, { environment: 'production' });
    const production = authenticationOf(database.sql, 'production');
    for (const changes of [wrong, { headers: { 'x-signature': 'AAAA' } }, { timestamp: `${now()}000` }]) {
      const refusal = await Promise.resolve()
        .then(() => production(signedRequest(key, changes), toRead))
        .catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(Problem);
      expect((refusal as Problem).options.extensions?.hint).toBeUndefined();
    }
  });

  test.each([
    ['a deep body', `${'['.repeat(8_000)}${']'.repeat(8_000)}`],
    ['a big body', JSON.stringify({ text: 'x'.repeat(60_000) })],
    ['a body that is no JSON', '{"a":'],
    ['a body of prototypes', '{"__proto__": {"constructor": 1}, "a": null}'],
  ])('for %s, in a few milliseconds', async (_, odd) => {
    await hintOf(wrong);
    const began = performance.now();
    expect(await hintOf({ ...wrong, method: 'POST', body: odd })).toMatchObject({ mistake: null });
    expect(performance.now() - began).toBeLessThan(100);
  });
});
