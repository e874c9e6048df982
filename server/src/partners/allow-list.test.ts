import { describe, expect, test } from 'vitest';
import { Problem } from '../platform/problem-json.ts';
import { canonicalAllowList, isAllowed, readAllowList } from './allow-list.ts';

describe('an allow-list', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7/32'],
    ['192.0.2.7/24', '192.0.2.0/24'],
    [' 10.0.0.0/8 ', '10.0.0.0/8'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8:0:0:1::/32', '2001:db8::/32'],
    ['::ffff:192.0.2.7', '192.0.2.7/32'],
    ['::ffff:192.0.2.7/120', '192.0.2.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  ])('keeps %s as %s', (text, canonical) => {
    expect(canonicalAllowList([text, text])).toEqual([canonical]);
  });

  test('names every entry that is none', () => {
    const bad = [
      '',
      '192.0.2',
      '127.1',
      '0x7f000001',
      '192.0.2.1/33',
      '::/129',
      '1.2.3.4/',
      '1.2.3.4/-1',
      '1.2.3.4/8/8',
      '1.2.3.4/08',
      'fe80::1%eth0',
      '::192.0.2.1',
      'example.org',
    ];
    let refusal: unknown;
    try {
      canonicalAllowList(['192.0.2.1', ...bad]);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(Problem);
    expect((refusal as Problem).options.errors?.map(({ path }) => path)).toEqual(
      bad.map((_, index) => `/allowedIps/${index + 1}`),
    );
    expect(() => canonicalAllowList(Array.from({ length: 101 }, () => '192.0.2.1'))).toThrow(Problem);
  });

  test('that is empty is none, and one that cannot be read lets nobody in', () => {
    expect(readAllowList([])).toBeUndefined();
    const damaged = readAllowList(['no address']);
    expect(damaged).toEqual([]);
    expect(isAllowed(damaged ?? [], '192.0.2.1')).toBe(false);
  });

  test.each([
    ['192.0.2.255', true],
    ['192.0.3.0', false],
    ['::ffff:192.0.2.1', true],
    ['::ffff:c000:201', true],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['::192.0.2.1', false],
    ['fe80::1%eth0', false],
    ['', false],
    ['unknown', false],
  ])('judges %s: %s', (ip, allowed) => {
    const list = readAllowList(canonicalAllowList(['192.0.2.0/24', '2001:db8::/32'])) ?? [];
    expect(isAllowed(list, ip)).toBe(allowed);
  });
});
