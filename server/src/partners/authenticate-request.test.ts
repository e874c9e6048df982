import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuthenticateKey,
  authenticationOf,
  baseUrls,
  newPartnerWithKey,
  type RequestChanges,
  signedRequest,
  type TestKey,
  testSecretBox,
  toRead,
  toWrite,
} from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import { Problem } from '../platform/problem-json.ts';
import type { Access, RequestToAuthenticate } from './access.ts';
import { setKeyActive, setKeyAllowList, setKeyExpiry } from './change-key.ts';
import { hmacSecretPlace } from './hmac-secret-place.ts';
import { revokeKey } from './revoke-key.ts';

let database: TestDatabase;
let key: TestKey;
let authenticate: AuthenticateKey;
beforeAll(async () => {
  database = await createTestDatabase();
  key = await newPartnerWithKey(database.sql);
  authenticate = authenticationOf(database.sql);
});
afterAll(() => database.drop());

async function refusalOf(request: RequestToAuthenticate, access: Access = toRead, by = authenticate): Promise<Problem> {
  const refusal = await Promise.resolve()
    .then(() => by(request, access))
    .catch((error: unknown) => error);
  if (refusal instanceof Problem) return refusal;
  throw new Error(`not refused: ${JSON.stringify(refusal)}`);
}

const codeOf = async (request: RequestToAuthenticate, access?: Access, by?: AuthenticateKey) =>
  (await refusalOf(request, access, by)).code;

const seconds = () => Math.floor(systemClock.now().getTime() / 1000);
const unknownHex = () => randomBytes(32).toString('hex');

describe('a signed request', () => {
  test.each([
    { name: 'a read with the secret key', access: toRead, changes: {} },
    { name: 'a read with the publishable key', access: toRead, changes: 'publishable' },
    { name: 'a write with the secret key', access: toWrite, changes: { method: 'POST', body: '{"a": 1}' } },
    { name: 'a target with a query', access: toRead, changes: { target: '/v1/partner/users?page=1&limit=20' } },
    { name: 'a clock 300 s behind', access: toRead, changes: { timestamp: -300 } },
    { name: 'a clock 299 s ahead', access: toRead, changes: { timestamp: 299 } },
  ])('is accepted: $name', async ({ access, changes }) => {
    const given = changes === 'publishable' ? { key: key.publicKey } : (changes as Record<string, unknown>);
    const timestamp = typeof given.timestamp === 'number' ? String(seconds() + given.timestamp) : undefined;
    const request = signedRequest(key, {
      ...given,
      ...(timestamp === undefined ? {} : { timestamp }),
    } as RequestChanges);
    expect(await authenticate(request, access)).toEqual({
      tenant: { partnerId: key.partnerId, environment: 'sandbox' },
      apiKeyId: key.id,
      kind: 'apiKey',
      credentialKind: changes === 'publishable' ? 'publishable' : 'secret',
      requestsPerMinute: 1_000,
      signature: request.headers['x-signature'],
      timestamp: Number(request.headers['x-timestamp']),
    });
  });

  test('is answered without waiting once the cache is warm', async () => {
    await authenticate(signedRequest(key), toRead);
    expect(authenticate(signedRequest(key), toRead)).not.toBeInstanceOf(Promise);
  });

  test('as every golden vector has it is accepted, and with any part changed it is not', async () => {
    const path = new URL('../../../packages/signature/vectors/request-signature.json', import.meta.url);
    const { vectors } = JSON.parse(readFileSync(path, 'utf8')) as { vectors: Record<string, string>[] };
    expect(vectors.length).toBeGreaterThan(5);
    for (const vector of vectors) {
      const { hmacSecret = '', timestamp = '', method = '', path: target = '', body, signature = '' } = vector;
      const clock = { now: () => new Date(Number(timestamp) * 1000 + 5_000) };
      const owner = await newPartnerWithKey(database.sql);
      const place = hmacSecretPlace({ partnerId: owner.partnerId, environment: 'sandbox', id: owner.id });
      await database.sql`
        update api_keys set hmac_secret_encrypted = ${testSecretBox.seal(place, hmacSecret)} where id = ${owner.id}`;
      const accept = authenticationOf(database.sql, 'sandbox', clock);
      const request = {
        ...signedRequest(owner, { method, target, timestamp, headers: { 'x-signature': signature } }),
        rawBody: body === undefined ? undefined : Buffer.from(body),
      };
      expect(await accept(request, toRead), vector.name).toHaveProperty('apiKeyId', owner.id);
      for (const changed of [
        { method: 'PUT' },
        { target: `${target}/` },
        { rawBody: Buffer.from(`${body} `) },
        { headers: { ...request.headers, 'x-timestamp': String(Number(timestamp) + 1) } },
      ]) {
        expect(await codeOf({ ...request, ...changed }, toRead, accept)).toBe('INVALID_SIGNATURE');
      }
    }
  });
});

describe('a request is refused', () => {
  test.each(['x-partner-key', 'x-timestamp', 'x-signature'])(
    'without %s: AUTHENTICATION_REQUIRED names it',
    async (name) => {
      const refusal = await refusalOf(signedRequest(key, { headers: { [name]: undefined } }));
      expect(refusal.code).toBe('AUTHENTICATION_REQUIRED');
      expect(refusal.options.errors?.map(({ path }) => path.toLowerCase())).toEqual([name]);
    },
  );

  test.each([
    ['unknown', () => `sk_test_${unknownHex()}`],
    ['of another shape', () => 'sk_test_123'],
    ['in upper case', () => key.secretKey.toUpperCase()],
    ['sent twice', () => `${key.secretKey}, ${key.secretKey}`],
    ['with a blank behind', () => `${key.secretKey} `],
    ['of another kind', () => `rk_test_${unknownHex()}`],
    ['empty', () => ''],
  ])('with a key that is %s: INVALID_API_KEY', async (_, presented) => {
    expect(await codeOf(signedRequest(key, { key: presented() }))).toBe('INVALID_API_KEY');
  });

  test('with a revoked, switched off or expired key: INVALID_API_KEY in the same words as for an unknown one', async () => {
    const unknown = await refusalOf(signedRequest(key, { key: `sk_test_${unknownHex()}` }));
    for (const take of [
      (of: TestKey) => database.sql.begin((tx) => revokeKey(tx, refer(of), systemClock.now())),
      (of: TestKey) => database.sql.begin((tx) => setKeyActive(tx, refer(of), false)),
      (of: TestKey) => database.sql.begin((tx) => setKeyExpiry(tx, refer(of), systemClock.now())),
    ]) {
      const gone = await newPartnerWithKey(database.sql);
      await take(gone);
      const fresh = authenticationOf(database.sql);
      // Rightly signed, wrongly signed, from anywhere.
      for (const changes of [{}, { hmacSecret: unknownHex() }, { ip: '203.0.113.1' }]) {
        const refusal = await refusalOf(signedRequest(gone, changes), toRead, fresh);
        expect([refusal.code, refusal.detail, refusal.options]).toEqual([
          unknown.code,
          unknown.detail,
          unknown.options,
        ]);
      }
    }
  });

  test.each([
    ['made with another secret', { hmacSecret: unknownHex() }],
    ['of upper-case hex', { headers: { 'x-signature': 'A'.repeat(64) } }],
    ['too short', { headers: { 'x-signature': 'a'.repeat(63) } }],
    ['too long', { headers: { 'x-signature': 'a'.repeat(65) } }],
    ['not hex', { headers: { 'x-signature': 'g'.repeat(64) } }],
    ['empty', { headers: { 'x-signature': '' } }],
  ])('with a signature %s: INVALID_SIGNATURE', async (_, changes) => {
    expect(await codeOf(signedRequest(key, changes))).toBe('INVALID_SIGNATURE');
  });

  test.each(['', ' 1746876000', '+1746876000', '1746876000.5', '0x681f5e20', '1e9', '١٧٤٦٨٧٦٠٠٠', '9'.repeat(16)])(
    'with the timestamp "%s", which is no Unix seconds: INVALID_SIGNATURE',
    async (timestamp) => {
      expect(await codeOf(signedRequest(key, { headers: { 'x-timestamp': timestamp } }))).toBe('INVALID_SIGNATURE');
    },
  );

  test.each([-301, 301, -86_400])('%i s off the server’s clock: TIMESTAMP_OUT_OF_RANGE tells how far', async (skew) => {
    // A second that ends while the test runs makes a difference of one.
    const refusal = await refusalOf(signedRequest(key, { timestamp: String(seconds() + skew + Math.sign(skew)) }));
    expect(refusal.code).toBe('TIMESTAMP_OUT_OF_RANGE');
    const { serverTime, skewSeconds, hint } = refusal.options.extensions ?? {};
    expect(Math.abs(Number(serverTime) - seconds())).toBeLessThanOrEqual(1);
    expect(Math.abs(Number(skewSeconds) - skew)).toBeLessThanOrEqual(2);
    expect(hint).toBeUndefined();
  });

  test('with a key of the other environment: WRONG_ENVIRONMENT names that host and nothing of the request', async () => {
    const live = { ...key, secretKey: `sk_live_${unknownHex()}` };
    const refusal = await refusalOf(signedRequest(live, { host: 'evil.example' }));
    expect(refusal.code).toBe('WRONG_ENVIRONMENT');
    expect(refusal.detail).toBe(`This host is the sandbox. Keys with live in them belong to ${baseUrls.production}.`);
    const production = await refusalOf(signedRequest(key), toRead, authenticationOf(database.sql, 'production'));
    expect(production.detail).toContain(baseUrls.sandbox);
  });

  test('that writes with the publishable key: SECRET_KEY_REQUIRED, once the signature fits', async () => {
    expect(await codeOf(signedRequest(key, { key: key.publicKey }), toWrite)).toBe('SECRET_KEY_REQUIRED');
    const wrong = signedRequest(key, { key: key.publicKey, hmacSecret: unknownHex() });
    expect(await codeOf(wrong, toWrite)).toBe('INVALID_SIGNATURE');
  });
});

describe('a secret key that a browser sends', () => {
  test.each([
    ['https://shop.example', 'devapi.example.org'],
    ['https://devapi.example.org:8443', 'devapi.example.org'],
    ['https://devapi.example.org.evil.example', 'devapi.example.org'],
    ['null', 'devapi.example.org'],
    ['file://', 'devapi.example.org'],
    ['http://localhost:3000', 'localhost:8080'],
  ])('from %s to %s is SECRET_KEY_IN_BROWSER, signed or not', async (origin, host) => {
    expect(await codeOf(signedRequest(key, { host, headers: { origin } }))).toBe('SECRET_KEY_IN_BROWSER');
    const bare = signedRequest(key, { host, headers: { origin, 'x-timestamp': undefined, 'x-signature': undefined } });
    expect(await codeOf(bare)).toBe('SECRET_KEY_IN_BROWSER');
  });

  test.each([
    ['http://127.0.0.1:8080', '127.0.0.1:8080'],
    ['https://devapi.example.org', 'DevAPI.example.org'],
    ['https://devapi.example.org', 'devapi.example.org:443'],
  ])('from the page of this host, %s, to %s is accepted', async (origin, host) => {
    expect(await authenticate(signedRequest(key, { host, headers: { origin } }), toRead)).toHaveProperty(
      'apiKeyId',
      key.id,
    );
  });

  test('does not concern publishable keys', async () => {
    const request = signedRequest(key, { key: key.publicKey, headers: { origin: 'https://shop.example' } });
    expect(await authenticate(request, toRead)).toHaveProperty('credentialKind', 'publishable');
  });
});

test('an allow-list judges rightly signed requests, and those from elsewhere get no hint', async () => {
  const listed = await newPartnerWithKey(database.sql);
  await database.sql.begin((tx) => setKeyAllowList(tx, refer(listed), ['192.0.2.0/24', '2001:db8::/32']));
  const fresh = authenticationOf(database.sql);
  for (const ip of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1']) {
    expect(await fresh(signedRequest(listed, { ip }), toRead)).toHaveProperty('apiKeyId', listed.id);
  }
  for (const ip of ['192.0.3.7', '::1', 'unknown', '']) {
    expect(await codeOf(signedRequest(listed, { ip }), toRead, fresh)).toBe('IP_NOT_ALLOWED');
    const refusal = await refusalOf(signedRequest(listed, { ip, hmacSecret: unknownHex() }), toRead, fresh);
    expect([refusal.code, refusal.options.extensions]).toEqual(['INVALID_SIGNATURE', undefined]);
  }
});

describe('what a partner’s standing allows', () => {
  const submit: Access = { scope: 'submits', mutates: true, unapprovedMayCall: true };
  test.each([
    { environment: 'sandbox', status: 'PENDING_APPROVAL', read: 'yes', write: 'yes', submitted: 'yes' },
    {
      environment: 'sandbox',
      status: 'SUSPENDED',
      read: 'yes',
      write: 'PARTNER_SUSPENDED',
      submitted: 'PARTNER_SUSPENDED',
    },
    { environment: 'production', status: 'ACTIVE', read: 'yes', write: 'yes', submitted: 'yes' },
    {
      environment: 'production',
      status: 'PENDING_APPROVAL',
      read: 'yes',
      write: 'PARTNER_NOT_APPROVED',
      submitted: 'yes',
    },
    {
      environment: 'production',
      status: 'SUSPENDED',
      read: 'yes',
      write: 'PARTNER_SUSPENDED',
      submitted: 'PARTNER_SUSPENDED',
    },
  ] as const)('$environment, $status', async ({ environment, status, read, write, submitted }) => {
    const owned = await newPartnerWithKey(database.sql, { environment, status });
    const by = authenticationOf(database.sql, environment);
    const outcome = async (access: Access) => {
      const answer = await Promise.resolve()
        .then(() => by(signedRequest(owned), access))
        .catch((error: unknown) => error);
      return answer instanceof Problem ? answer.code : 'yes';
    };
    expect([await outcome(toRead), await outcome(toWrite), await outcome(submit)]).toEqual([read, write, submitted]);
  });
});

function refer(of: TestKey) {
  return { partnerId: of.partnerId, keyId: of.id };
}
