import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { createRateLimits } from './rate-limit.ts';

test('a key has its points each minute, and learns when the count begins anew', async () => {
  const limit = createRateLimits(systemClock)(3);
  const nowSeconds = systemClock.now().getTime() / 1000;
  const first = await limit.count('a', 1);
  expect(first).toMatchObject({ allowed: true, limit: 3, remaining: 2 });
  expect(first.resetAtSeconds).toBeGreaterThan(nowSeconds + 58);
  expect(first.resetAtSeconds).toBeLessThan(nowSeconds + 62);
  await limit.count('a', 1);
  expect(await limit.count('a', 1)).toMatchObject({ allowed: true, remaining: 0 });
  const refused = await limit.count('a', 1);
  expect(refused).toMatchObject({ allowed: false, remaining: 0 });
  expect(refused.retryAfterSeconds).toBeGreaterThan(58);
  expect(refused.retryAfterSeconds).toBeLessThanOrEqual(60);
});

test('keys do not take from each other', async () => {
  const limit = createRateLimits(systemClock)(1);
  expect((await limit.count('a', 1)).allowed).toBe(true);
  expect((await limit.count('b', 1)).allowed).toBe(true);
  expect((await limit.count('a', 1)).allowed).toBe(false);
});

test('what is refused for being more than what remains takes nothing from it', async () => {
  const limit = createRateLimits(systemClock)(10);
  expect((await limit.count('a', 4)).remaining).toBe(6);
  expect(await limit.count('a', 7)).toMatchObject({ allowed: false, remaining: 6 });
  expect(await limit.count('a', 6)).toMatchObject({ allowed: true, remaining: 0 });
});

test('a key whose limit changes keeps what it has used', async () => {
  const limitOf = createRateLimits(systemClock);
  await limitOf(10).count('a', 6);
  expect(await limitOf(5).count('a', 1)).toMatchObject({ allowed: false, limit: 5, remaining: 0 });
  expect(await limitOf(20).count('a', 1)).toMatchObject({ allowed: true, limit: 20, remaining: 13 });
});

test('counting takes microseconds', async () => {
  const limit = createRateLimits(systemClock)(1_000_000);
  for (let index = 0; index < 20_000; index++) await limit.count('warm', 1);
  const begun = performance.now();
  for (let index = 0; index < 20_000; index++) await limit.count('a', 1);
  // Seen: 1 µs. The bar leaves room for a busy machine.
  expect((performance.now() - begun) / 20_000).toBeLessThan(0.05);
});
