import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as browser from './browser.ts';
import * as node from './index.ts';

interface Vector {
  readonly name: string;
  readonly hmacSecret: string;
  readonly timestamp: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly bodyHash: string;
  readonly signedPayload: string;
  readonly signature: string;
}

const file = new URL('../vectors/request-signature.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] };
const vector = vectors.find((candidate) => candidate.name === 'POST with JSON') as Vector;

test('the vectors are there', () => {
  expect(vectors.length).toBeGreaterThanOrEqual(8);
});

describe.each([
  ['Node', node],
  ['browser', browser],
])('%s entry', (_name, entry) => {
  test.each(vectors)('agrees with the golden vector: $name', async (golden) => {
    expect(await entry.hashBody(golden.body)).toBe(golden.bodyHash);
    expect(await entry.hashBody(new TextEncoder().encode(golden.body))).toBe(golden.bodyHash);
    expect(entry.signedPayload(golden)).toBe(golden.signedPayload);
    expect(await entry.signPayload(golden.hmacSecret, golden.signedPayload)).toBe(golden.signature);
    expect(await entry.signRequest(golden)).toBe(golden.signature);
  });

  test('hashes bytes that are no UTF-8 as they are, also from a view into a larger buffer', async () => {
    const view = new Uint8Array([7, 0xff, 0xfe, 0x00, 7]).subarray(1, 4);
    expect(await entry.hashBody(view)).toBe('ba778c0261008c8f71ae4061ad0162ffcbe63b52c91f89f236738131d1217ec7');
  });

  test('no body, an empty string and no bytes have the same hash', async () => {
    for (const body of [undefined, '', new Uint8Array()]) expect(await entry.hashBody(body)).toBe(node.EMPTY_BODY_HASH);
  });

  test('raises the method to upper case and takes the timestamp as a number', async () => {
    const signature = await entry.signRequest({ ...vector, method: 'post', timestamp: Number(vector.timestamp) });
    expect(signature).toBe(vector.signature);
  });

  test.each([
    ['an empty secret', { hmacSecret: '' }],
    ['a timestamp with a fraction', { timestamp: 1746876001.5 }],
    ['a negative timestamp', { timestamp: -1 }],
    ['a timestamp that is a date', { timestamp: '2026-05-10T09:12:00Z' }],
    ['a full address in place of the path', { path: 'https://api.sirgiving.org/v1/partner/users' }],
    ['a path with a fragment', { path: '/v1/partner/users#top' }],
    ['a path with a space', { path: '/v1/partner/users?search=a b' }],
    ['a path that is not escaped', { path: '/v1/partner/users/žaneta' }],
    ['a method with a line break', { method: 'GET\n' }],
  ])('refuses to sign %s', async (_what, change) => {
    await expect((async () => entry.signRequest({ ...vector, ...change }))()).rejects.toThrow(TypeError);
  });
});

describe('verifyRequestSignature', () => {
  test.each(vectors)('accepts the golden vector: $name', (golden) => {
    expect(node.verifyRequestSignature(golden)).toBe(true);
  });

  test.each([
    ['another body', { bodyHash: node.EMPTY_BODY_HASH }],
    ['another path', { path: '/v1/partner/actions/submit?x=1' }],
    ['another case of the path', { path: '/v1/partner/actions/Submit' }],
    ['another method', { method: 'PUT' }],
    ['a lower-case method', { method: 'post' }],
    ['another timestamp', { timestamp: '1746876002' }],
    ['a timestamp with a leading zero', { timestamp: '01746876001' }],
    ['another secret', { hmacSecret: 'f'.repeat(64) }],
    ['an empty secret', { hmacSecret: '' }],
    ['a re-ordered query', { path: '/v1/partner/users?limit=20&page=1' }],
  ])('refuses %s', (_what, change) => {
    expect(node.verifyRequestSignature({ ...vector, ...change })).toBe(false);
  });

  test.each([
    ['nothing', ''],
    ['a truncated one', vector.signature.slice(0, 63)],
    ['one digit too many', `${vector.signature}0`],
    ['upper case', vector.signature.toUpperCase()],
    ['base64', Buffer.from(vector.signature, 'hex').toString('base64')],
    ['a letter that is no hex digit', `g${vector.signature.slice(1)}`],
    ['a trailing line break', `${vector.signature}\n`],
    ['a leading space', ` ${vector.signature}`],
    ['the documented webhook prefix', `sha256=${vector.signature}`],
    ['zeros', '0'.repeat(64)],
    ['a string of 64 non-ASCII letters', 'é'.repeat(64)],
  ])('refuses a signature that is %s', (_what, signature) => {
    expect(node.verifyRequestSignature({ ...vector, signature })).toBe(false);
  });

  test('refuses any single flipped bit', () => {
    const bytes = Buffer.from(vector.signature, 'hex');
    for (let bit = 0; bit < 256; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(node.verifyRequestSignature({ ...vector, signature: flipped.toString('hex') })).toBe(false);
    }
  });

  test.each([
    '',
    ' 1746876001',
    '1746876001.0',
    '+1746876001',
    '1e9',
    '0x681f',
    '1746876001\n',
    '١٧٤٦',
    '1'.repeat(16),
  ])('a timestamp is digits only: %j is none, even when it was signed', (timestamp) => {
    const signature = node.signPayload(vector.hmacSecret, node.signedPayload({ ...vector, timestamp }));
    expect(node.parseTimestamp(timestamp)).toBeUndefined();
    expect(node.verifyRequestSignature({ ...vector, timestamp, signature })).toBe(false);
  });

  test('milliseconds are well formed, so that the caller can say what is wrong with them', () => {
    expect(node.parseTimestamp('1746876001000')).toBe(1746876001000);
  });
});

test('the browser entry reaches no Node module', () => {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const source = readFileSync(new URL(name, import.meta.url), 'utf8');
    for (const [, target] of source.matchAll(/from '([^']+)'/g)) {
      expect(target).toMatch(/^\.\//);
      visit(target as string);
    }
    expect(source).not.toMatch(/\b(Buffer|process|require)\b\s*[.(]/);
  };
  visit('./browser.ts');
  expect([...seen]).toContain('./canonical.ts');
});
