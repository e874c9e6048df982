import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { describe, expect, test } from 'vitest';
import { signWebhook, verifyWebhook } from './index.ts';

interface Vector {
  readonly name: string;
  readonly secret: string;
  readonly id: string;
  readonly timestamp: string;
  readonly body: string;
  readonly 'X-SIR-Signature': string;
  readonly 'webhook-signature': string;
}

const file = new URL('../vectors/webhook-signature.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] };
const vector = vectors[0] as Vector;
const nowSeconds = Number(vector.timestamp) + 10;
const signed = signWebhook(vector);
const sirOnly = { 'X-SIR-Timestamp': signed['X-SIR-Timestamp'], 'X-SIR-Signature': signed['X-SIR-Signature'] };
const standardOnly = {
  'webhook-id': signed['webhook-id'],
  'webhook-timestamp': signed['webhook-timestamp'],
  'webhook-signature': signed['webhook-signature'],
};
const otherSecret = `whsec_${'0123456789abcdef'.repeat(4)}`;
const base = { secret: vector.secret, body: vector.body, nowSeconds };

describe('signWebhook', () => {
  test.each(vectors)('agrees with the golden vector: $name', (golden) => {
    for (const body of [golden.body, Buffer.from(golden.body)]) {
      expect(signWebhook({ ...golden, body })).toEqual({
        'X-SIR-Timestamp': golden.timestamp,
        'X-SIR-Signature': golden['X-SIR-Signature'],
        'webhook-id': golden.id,
        'webhook-timestamp': golden.timestamp,
        'webhook-signature': golden['webhook-signature'],
      });
    }
  });

  test.each([
    ['a secret without its prefix', { secret: 'a'.repeat(64) }],
    ['a secret that is too short', { secret: 'whsec_abc' }],
    ['an id with a dot', { id: 'evt_1.2' }],
    ['an id with a line break', { id: 'evt_1\r\nx: y' }],
    ['an empty id', { id: '' }],
    ['a timestamp in words', { timestamp: 'now' }],
  ])('refuses %s', (_what, change) => {
    expect(() => signWebhook({ ...vector, ...change })).toThrow(TypeError);
  });
});

describe('our deliveries are verified by independent programs', () => {
  const timestamp = Math.floor(Date.now() / 1000);

  test.each(vectors)('by standardwebhooks and by svix, unchanged: $name', (golden) => {
    const headers: Record<string, string> = { ...signWebhook({ ...golden, timestamp }) };
    expect(new StandardWebhook(golden.secret).verify(golden.body, headers)).toEqual(JSON.parse(golden.body));
    expect(new SvixWebhook(golden.secret).verify(golden.body, headers)).toEqual(JSON.parse(golden.body));
    expect(() => new StandardWebhook(golden.secret).verify(`${golden.body} `, headers)).toThrow();
    expect(() => new SvixWebhook(otherSecret).verify(golden.body, headers)).toThrow();
  });

  test('and what standardwebhooks signs is verified by us', () => {
    const at = new Date(timestamp * 1000);
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(timestamp),
      'webhook-signature': new StandardWebhook(vector.secret).sign('evt_1', at, vector.body),
    };
    expect(verifyWebhook({ ...base, headers, nowSeconds: timestamp })).toMatchObject({ valid: true, id: 'evt_1' });
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  if (!hasOpenssl && process.env.CI === 'true') {
    test('openssl is installed', () => expect.fail('the command line tool "openssl" is needed for this test'));
  }
  test.skipIf(!hasOpenssl).each(vectors)('by the openssl command line, both header kinds: $name', (golden) => {
    const headers = signWebhook(golden);
    const sir = openssl(['-hmac', golden.secret, '-hex'], `${golden.timestamp}.${golden.body}`);
    expect(`sha256=${sir.toString().trim().split(' ').at(-1)}`).toBe(headers['X-SIR-Signature']);
    const key = Buffer.from(golden.secret.slice('whsec_'.length), 'base64').toString('hex');
    const standard = openssl(
      ['-mac', 'HMAC', '-macopt', `hexkey:${key}`, '-binary'],
      `${golden.id}.${golden.timestamp}.${golden.body}`,
    );
    expect(`v1,${standard.toString('base64')}`).toBe(headers['webhook-signature']);
  });

  function openssl(options: readonly string[], input: string): Buffer {
    return execFileSync('openssl', ['dgst', '-sha256', ...options], { input });
  }
});

describe('verifyWebhook', () => {
  test.each(vectors)('accepts either kind of header alone, and both: $name', (golden) => {
    const { 'X-SIR-Timestamp': time, 'X-SIR-Signature': sir, ...standard } = signWebhook(golden);
    const now = Number(golden.timestamp);
    const request = { secret: golden.secret, body: Buffer.from(golden.body), nowSeconds: now };
    const bySir = verifyWebhook({ ...request, headers: { 'X-SIR-Timestamp': time, 'X-SIR-Signature': sir } });
    expect(bySir).toEqual({ valid: true, scheme: 'sir', timestamp: now });
    const byStandard = { valid: true, scheme: 'standard', id: golden.id, timestamp: now };
    expect(verifyWebhook({ ...request, headers: { ...standard } })).toEqual(byStandard);
    expect(verifyWebhook({ ...request, headers: { ...signWebhook(golden) } })).toEqual(byStandard);
  });

  test('reads fetch Headers, lower-case names and lists of one', () => {
    const lowerCase = Object.fromEntries(Object.entries(signed).map(([name, value]) => [name.toLowerCase(), value]));
    const lists = Object.fromEntries(Object.entries(signed).map(([name, value]) => [name, [value]]));
    for (const headers of [new Headers({ ...signed }), lowerCase, lists]) {
      expect(verifyWebhook({ ...base, headers }).valid).toBe(true);
    }
  });

  test('accepts the right one among several signatures, in any place, and none of other versions', () => {
    const good = signed['webhook-signature'];
    const wrong = `v1,${Buffer.alloc(32).toString('base64')}`;
    const verdict = (list: string) =>
      verifyWebhook({ ...base, headers: { ...standardOnly, 'webhook-signature': list } });
    for (const list of [`${good} ${wrong}`, `${wrong} ${good}`, `v1a,xyz ${wrong} ${good}`]) {
      expect(verdict(list).valid).toBe(true);
    }
    expect(verdict(`${wrong} ${wrong}`)).toEqual({ valid: false, reason: 'wrong_signature' });
    expect(verdict(good.replace('v1,', 'v2,'))).toEqual({ valid: false, reason: 'malformed_headers' });
  });

  test('during a rotation the new secret verifies through webhook-signature while X-SIR-Signature is the old one', () => {
    const next = signWebhook({ ...vector, secret: otherSecret })['webhook-signature'];
    const headers = { ...signed, 'webhook-signature': `${signed['webhook-signature']} ${next}` };
    expect(verifyWebhook({ ...base, headers }).valid).toBe(true);
    expect(verifyWebhook({ ...base, headers, secret: otherSecret })).toMatchObject({ valid: true, scheme: 'standard' });
  });

  test.each([
    ['sir', sirOnly],
    ['standard', standardOnly],
  ])('holds the window of 5 minutes both ways: %s', (_scheme, headers) => {
    const at = Number(vector.timestamp);
    for (const now of [at - 300, at, at + 300]) {
      expect(verifyWebhook({ ...base, headers, nowSeconds: now }).valid).toBe(true);
    }
    const late = { valid: false, reason: 'timestamp_out_of_range' };
    for (const now of [at - 301, at + 301, Number.NaN]) {
      expect(verifyWebhook({ ...base, headers, nowSeconds: now })).toEqual(late);
    }
    expect(verifyWebhook({ ...base, headers, nowSeconds: at + 11, toleranceSeconds: 10 })).toEqual(late);
  });

  test.each([
    ['sir', sirOnly],
    ['standard', standardOnly],
  ])('refuses another body, secret or timestamp: %s', (_scheme, headers) => {
    const wrong = { valid: false, reason: 'wrong_signature' };
    expect(verifyWebhook({ ...base, headers, body: `${vector.body}\n` })).toEqual(wrong);
    expect(verifyWebhook({ ...base, headers, secret: otherSecret })).toEqual(wrong);
    const later = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, /timestamp/i.test(name) ? String(nowSeconds) : value]),
    );
    expect(verifyWebhook({ ...base, headers: later })).toEqual(wrong);
  });

  test('refuses another event id', () => {
    const headers = { ...standardOnly, 'webhook-id': 'evt_other' };
    expect(verifyWebhook({ ...base, headers })).toEqual({ valid: false, reason: 'wrong_signature' });
  });

  test.each([
    ['sha256= missing', { ...sirOnly, 'X-SIR-Signature': sirOnly['X-SIR-Signature'].slice('sha256='.length) }],
    ['upper-case hex', { ...sirOnly, 'X-SIR-Signature': sirOnly['X-SIR-Signature'].toUpperCase() }],
    ['truncated hex', { ...sirOnly, 'X-SIR-Signature': sirOnly['X-SIR-Signature'].slice(0, -1) }],
    ['a timestamp that is no number', { ...sirOnly, 'X-SIR-Timestamp': 'soon' }],
    ['base64 of another length', { ...standardOnly, 'webhook-signature': 'v1,AAAA' }],
    ['an empty list', { ...standardOnly, 'webhook-signature': '' }],
    ['a standard timestamp with a fraction', { ...standardOnly, 'webhook-timestamp': '1746876010.5' }],
  ])('names malformed headers: %s', (_what, headers) => {
    expect(verifyWebhook({ ...base, headers })).toEqual({ valid: false, reason: 'malformed_headers' });
  });

  test.each([
    ['none at all', {}],
    ['a signature without its timestamp', { 'X-SIR-Signature': sirOnly['X-SIR-Signature'] }],
    ['a header sent twice', { ...sirOnly, 'x-sir-signature': sirOnly['X-SIR-Signature'] }],
    ['a list of two', { ...sirOnly, 'X-SIR-Signature': [sirOnly['X-SIR-Signature'], 'sha256=0'] }],
    ['names from the prototype only', Object.create(sirOnly) as Record<string, string>],
  ])('names missing headers: %s', (_what, headers) => {
    expect(verifyWebhook({ ...base, headers })).toEqual({ valid: false, reason: 'missing_headers' });
  });

  test('a secret of another shape is the receiver’s own mistake and throws', () => {
    expect(() => verifyWebhook({ ...base, secret: 'secret', headers: { ...signed } })).toThrow(TypeError);
  });
});
