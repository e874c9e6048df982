import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPartnerWithKey, testSecretBox } from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { findCredentials } from '../partners/find-credentials.ts';
import { ChangeWatch } from './change-watch.ts';
import { readChangeCounter } from './credential-changes.ts';
import { connect } from './db.ts';
import { WatchedCache } from './watched-cache.ts';

const LOOK_LIFE_MILLISECONDS = 800;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** A cache over the real database that counts what it asks, and can be told to answer late. */
function countingCache() {
  const { sql } = database;
  const asked = { looks: 0, loads: 0, keys: 0, delayMilliseconds: 0 };
  const changes = new ChangeWatch(async () => {
    asked.looks++;
    const value = await readChangeCounter(sql);
    await sleep(asked.delayMilliseconds);
    return value;
  });
  const cache = new WatchedCache(changes, async (keys) => {
    asked.loads++;
    asked.keys += keys.length;
    const found = await findCredentials(sql, testSecretBox, 'sandbox', keys);
    await sleep(asked.delayMilliseconds);
    return found;
  });
  return { cache, asked };
}

const unknownKey = () => `sk_test_${randomBytes(32).toString('hex')}`;

describe('a warm cache', () => {
  test('answers at once, and asks the database some twice a second however many ask it', async () => {
    const key = await newPartnerWithKey(database.sql);
    const { cache, asked } = countingCache();
    await cache.find(key.secretKey);
    const until = performance.now() + 2_000;
    let answers = 0;
    while (performance.now() < until) {
      for (let index = 0; index < 100; index++) {
        const found = cache.find(key.secretKey);
        if (found instanceof Promise) throw new Error('waited for the database');
        expect(found?.apiKeyId).toBe(key.id);
        answers++;
      }
      await sleep(1);
    }
    expect(answers).toBeGreaterThan(10_000);
    expect(asked.loads).toBe(1);
    expect(asked.looks).toBeGreaterThanOrEqual(3);
    expect(asked.looks).toBeLessThanOrEqual(6);
  });

  test('takes one look for all who come after a pause', async () => {
    const key = await newPartnerWithKey(database.sql);
    const { cache, asked } = countingCache();
    await cache.find(key.secretKey);
    await sleep(LOOK_LIFE_MILLISECONDS + 50);
    const found = await Promise.all(Array.from({ length: 1_000 }, () => cache.find(key.secretKey)));
    expect(found.every((credential) => credential?.apiKeyId === key.id)).toBe(true);
    expect(asked).toMatchObject({ looks: 1, loads: 1 });
  });
});

describe('a cold cache', () => {
  test('loads a key once for all who ask at once, and many keys in few statements', async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => newPartnerWithKey(database.sql)));
    const { cache, asked } = countingCache();
    const wanted = Array.from({ length: 20 }, () => keys).flat();
    const found = await Promise.all(wanted.map(({ publicKey }) => cache.find(publicKey)));
    expect(found.map((credential) => credential?.apiKeyId)).toEqual(wanted.map(({ id }) => id));
    expect(asked.keys).toBe(30);
    expect(asked.loads).toBeLessThanOrEqual(2);
  });

  test('keeps nothing of unknown keys', async () => {
    const { cache, asked } = countingCache();
    for (let round = 0; round < 5; round++) {
      const found = await Promise.all(Array.from({ length: 1_000 }, () => cache.find(unknownKey())));
      expect(found.every((credential) => credential === undefined)).toBe(true);
    }
    expect(cache.size).toBe(0);
    expect(asked.keys).toBe(5_000);
    expect(asked.loads).toBeLessThan(60);
  });

  test('refuses more keys than it can look up soon, and serves again after that', async () => {
    const { cache } = countingCache();
    const outcomes = await Promise.allSettled(Array.from({ length: 3_000 }, () => cache.find(unknownKey())));
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBe(3_000 - 2_048);
    expect(refused[0]).toHaveProperty('reason.code', 'OVERLOADED');
    const key = await newPartnerWithKey(database.sql);
    expect(await cache.find(key.secretKey)).toHaveProperty('apiKeyId', key.id);
  });

  test('finds a key that was unknown a moment ago', async () => {
    const { cache } = countingCache();
    const key = unknownKey();
    expect(await cache.find(key)).toBeUndefined();
    const issued = await newPartnerWithKey(database.sql);
    expect(await cache.find(issued.publicKey)).toHaveProperty('apiKeyId', issued.id);
  });

  test('does not hand out a secret that was moved from another row, and goes on serving the others', async () => {
    const [damaged, healthy] = [await newPartnerWithKey(database.sql), await newPartnerWithKey(database.sql)];
    await database.sql`
      update api_keys set hmac_secret_encrypted = (select hmac_secret_encrypted from api_keys where id = ${healthy.id})
      where id = ${damaged.id}`;
    const { cache } = countingCache();
    const outcomes = await Promise.allSettled([cache.find(damaged.secretKey), cache.find(healthy.secretKey)]);
    expect(outcomes[0]).toHaveProperty('reason.name', 'SecretNotOpened');
    expect(outcomes[1]).toHaveProperty('value.apiKeyId', healthy.id);
  });
});

describe('an answer that comes late', () => {
  test('does not count once it began more than 800 ms ago: 503', async () => {
    const key = await newPartnerWithKey(database.sql);
    const { cache, asked } = countingCache();
    asked.delayMilliseconds = LOOK_LIFE_MILLISECONDS + 100;
    await expect(cache.find(key.secretKey)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      options: { headers: { 'Retry-After': '1' } },
    });
    asked.delayMilliseconds = 0;
    expect(await cache.find(key.secretKey)).toHaveProperty('apiKeyId', key.id);
  });
});

test('a database that cannot be reached is 503, and nothing is remembered of it', async () => {
  const key = await newPartnerWithKey(database.sql);
  const unreachable = new URL(database.url);
  unreachable.port = '1';
  const broken = connect(unreachable.href, { max: 1, applicationName: 'sir-test-unreachable' });
  const state = { sql: broken };
  const changes = new ChangeWatch(() => readChangeCounter(state.sql));
  const cache = new WatchedCache(changes, (keys) => findCredentials(state.sql, testSecretBox, 'sandbox', keys));
  await expect(cache.find(key.secretKey)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  state.sql = database.sql;
  expect(await cache.find(key.secretKey)).toHaveProperty('apiKeyId', key.id);
  state.sql = broken;
  await sleep(LOOK_LIFE_MILLISECONDS);
  await expect(cache.find(key.secretKey)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await broken.end({ timeout: 1 });
});

test('a counter that was set back with a restored database makes everything be read anew', async () => {
  const key = await newPartnerWithKey(database.sql);
  const state = { change: 10, isActive: true };
  const changes = new ChangeWatch(async () => state.change);
  const cache = new WatchedCache(changes, async (keys) => {
    const found = await findCredentials(database.sql, testSecretBox, 'sandbox', keys);
    const byKey = new Map([...found.byKey].map(([name, value]) => [name, { ...value, isActive: state.isActive }]));
    return { change: state.change, byKey: byKey as typeof found.byKey };
  });
  expect(await cache.find(key.secretKey)).toHaveProperty('isActive', true);
  Object.assign(state, { change: 7, isActive: false });
  await sleep(LOOK_LIFE_MILLISECONDS);
  expect(await cache.find(key.secretKey)).toHaveProperty('isActive', false);
});
