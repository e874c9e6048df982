import { describe, expect, test } from 'vitest';
import type { Answered, Failed } from '../platform/guarded-fetch.ts';
import { deliveryOutcome, MAX_ATTEMPTS, RETRY_WAITS_MILLISECONDS } from './delivery-outcome.ts';

const finishedAt = new Date('2026-11-24T12:00:00.000Z');
const HOUR = 3_600_000;

function answered(status: number, headers: Record<string, string> = {}): Answered {
  return { kind: 'answered', status, headers, bodyText: '', truncated: false, durationMilliseconds: 3 };
}

function failed(reason: Failed['reason']): Failed {
  return { kind: 'failed', reason, detail: 'what happened', durationMilliseconds: 3 };
}

function decide(result: Answered | Failed, attempt = 1, random = 0.5) {
  return deliveryOutcome({ result, attempt, finishedAt, random });
}

function waitOf(result: Answered | Failed, attempt = 1, random = 0.5): number {
  const outcome = decide(result, attempt, random);
  if (!('at' in outcome)) throw new Error(`no wait: ${outcome.kind}`);
  return outcome.at.getTime() - finishedAt.getTime();
}

describe('what counts as received', () => {
  test.each([200, 201, 202, 204, 206, 299])('%i is delivered', (status) => {
    expect(decide(answered(status))).toEqual({ kind: 'delivered' });
  });

  test.each([300, 301, 302, 304, 307, 400, 401, 404, 429, 500, 503])('%i is a failure', (status) => {
    expect(decide(answered(status))).toMatchObject({ kind: 'retryAt', error: expect.stringContaining(String(status)) });
  });

  test.each(['dns', 'tls', 'connection', 'timeout', 'too_large', 'invalid_answer'] as const)(
    '%s is a failure',
    (why) => {
      expect(decide(failed(why))).toMatchObject({ kind: 'retryAt', error: expect.stringContaining('what happened') });
    },
  );

  test('a status whose body never ended is a failure, and is told', () => {
    const outcome = decide({ ...failed('timeout'), status: 200 });
    expect(outcome).toMatchObject({ kind: 'retryAt', error: expect.stringContaining('status 200 had begun') });
  });

  test('an address that may not be sent to is blocked, and tried again later', () => {
    expect(decide(failed('refused_destination'))).toMatchObject({ kind: 'blocked' });
    expect(waitOf(failed('refused_destination'))).toBe(5_000);
  });
});

describe('when it is tried again', () => {
  test('after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h: ten attempts over some 75 hours', () => {
    const waits = RETRY_WAITS_MILLISECONDS.map((_, index) => waitOf(answered(500), index + 1));
    expect(waits).toEqual([5_000, 300_000, HOUR / 2, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]);
    expect(decide(answered(500), MAX_ATTEMPTS)).toMatchObject({ kind: 'exhausted', endpointGone: false });
    expect(MAX_ATTEMPTS).toBe(10);
  });

  test('up to 10 % earlier or later', () => {
    expect(waitOf(answered(500), 1, 0)).toBe(4_500);
    expect(waitOf(answered(500), 1, 0.999_999)).toBe(5_500);
  });

  test.each([
    ['60', 60_000],
    ['1', 5_000],
    ['0', 5_000],
    ['Tue, 24 Nov 2026 12:10:00 GMT', 600_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 5_000],
    ['99999999999999999999999', 24 * HOUR],
    ['Wed, 24 Nov 2027 12:00:00 GMT', 24 * HOUR],
    ['soon', 5_000],
    ['', 5_000],
    ['-5', 5_000],
  ])('Retry-After "%s" makes it %i ms', (value, milliseconds) => {
    expect(waitOf(answered(429, { 'retry-after': value }))).toBe(milliseconds);
    expect(waitOf(answered(503, { 'retry-after': value }))).toBe(milliseconds);
  });

  test('Retry-After does not shorten a later wait', () => {
    expect(waitOf(answered(429, { 'retry-after': '60' }), 4)).toBe(2 * HOUR);
  });
});

describe('a receiver that is gone', () => {
  test('410 pauses the endpoint and keeps the delivery for the next attempt', () => {
    expect(decide(answered(410))).toMatchObject({ kind: 'endpointGone', at: new Date('2026-11-24T12:00:05.000Z') });
  });

  test('410 on the last attempt does both', () => {
    expect(decide(answered(410), MAX_ATTEMPTS)).toMatchObject({ kind: 'exhausted', endpointGone: true });
  });
});
