import { describe, expect, test } from 'vitest';
import { addressToCount, clientIpBehind } from './trusted-proxy.ts';

describe('the client’s address', () => {
  test('is the connection’s when no proxy is trusted, whatever the header says', () => {
    const clientIp = clientIpBehind([]);
    expect(clientIp('198.51.100.7', '203.0.113.9')).toBe('198.51.100.7');
    expect(clientIp('::ffff:198.51.100.7', undefined)).toBe('198.51.100.7');
    expect(clientIp(undefined, undefined)).toBe('0.0.0.0');
  });

  const clientIp = clientIpBehind(['10.0.0.0/8', 'fd00::/8']);

  test('is the connection’s when that is no trusted proxy', () => {
    expect(clientIp('198.51.100.7', '203.0.113.9')).toBe('198.51.100.7');
  });

  test('is read from the right, past trusted proxies only, so that a client cannot write it', () => {
    expect(clientIp('10.0.0.1', '203.0.113.9')).toBe('203.0.113.9');
    expect(clientIp('10.0.0.1', '1.1.1.1, 203.0.113.9, 10.9.9.9')).toBe('203.0.113.9');
    expect(clientIp('::ffff:10.0.0.1', '1.1.1.1, 203.0.113.9')).toBe('203.0.113.9');
    expect(clientIp('fd00::1', ['1.1.1.1', '2001:db8::9, fd00::2'])).toBe('2001:db8::9');
  });

  test('is the leftmost when all are trusted, and the last known where the header cannot be read', () => {
    expect(clientIp('10.0.0.1', '10.0.0.3, 10.0.0.2')).toBe('10.0.0.3');
    expect(clientIp('10.0.0.1', 'unknown')).toBe('10.0.0.1');
    expect(clientIp('10.0.0.1', '203.0.113.9, _hidden, 10.0.0.2')).toBe('10.0.0.2');
    expect(clientIp('10.0.0.1', '')).toBe('10.0.0.1');
  });

  test('is read without the port that some proxies append', () => {
    expect(clientIp('10.0.0.1', '203.0.113.9:4711')).toBe('203.0.113.9');
    expect(clientIp('10.0.0.1', '[2001:db8::9]:4711')).toBe('2001:db8::9');
  });
});

test('an IPv6 sender is counted by its /64, which it can choose addresses from', () => {
  expect(addressToCount('203.0.113.9')).toBe('203.0.113.9');
  expect(addressToCount('2001:db8:0:1::1')).toBe(addressToCount('2001:db8:0:1:ffff::2'));
  expect(addressToCount('2001:db8:0:1::1')).not.toBe(addressToCount('2001:db8:0:2::1'));
});
