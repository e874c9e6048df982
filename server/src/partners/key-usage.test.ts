import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPartnerWithKey, type TestKey } from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import type { KeyCaller } from '../platform/caller.ts';
import { systemClock } from '../platform/clock.ts';
import { connect } from '../platform/db.ts';
import { KeyUsage } from './key-usage.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const log = { error: () => {} };
const callerOf = ({ partnerId, environment, id }: TestKey): KeyCaller => ({
  kind: 'apiKey',
  tenant: { partnerId, environment },
  apiKeyId: id,
  credentialKind: 'secret',
  requestsPerMinute: 1_000,
  signature: '',
  timestamp: 0,
});

async function lastUse({ id }: TestKey) {
  const [row] = await database.sql<{ at: Date | null; ip: string | null }[]>`
    select last_used_at as at, last_used_ip as ip from api_keys where id = ${id}`;
  return row;
}

test('the last use of each key is written, in one go for all of them, and never turned back', async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => newPartnerWithKey(database.sql)));
  const [key] = keys as [TestKey];
  const clock = { time: systemClock.now().getTime(), now: () => new Date(clock.time) };
  const usage = new KeyUsage(database.sql, clock, log);
  const late = new KeyUsage(database.sql, { now: () => new Date(clock.time - 60_000) }, log);
  for (const one of keys) usage.onUse(callerOf(one), '192.0.2.1');
  clock.time += 5;
  usage.onUse(callerOf(key), '192.0.2.2');
  late.onUse(callerOf(key), '192.0.2.3');
  expect(await lastUse(key)).toEqual({ at: null, ip: null });
  await usage.stop();
  expect(await lastUse(key)).toEqual({ at: clock.now(), ip: '192.0.2.2' });
  await late.stop();
  expect(await lastUse(key)).toEqual({ at: clock.now(), ip: '192.0.2.2' });
  const [written] = await database.sql`select count(*) as keys from api_keys where last_used_at is not null`;
  expect(written?.keys).toBe(20);
});

test('processes that write the same keys at once do not deadlock, and a key that somebody changes is not waited for', async () => {
  const keys = await Promise.all(Array.from({ length: 50 }, () => newPartnerWithKey(database.sql)));
  const usages = Array.from({ length: 4 }, () => new KeyUsage(database.sql, systemClock, log));
  for (let round = 0; round < 5; round++) {
    usages.forEach((usage, index) => {
      for (const key of index % 2 === 0 ? keys : [...keys].reverse()) usage.onUse(callerOf(key), '192.0.2.1');
    });
    await Promise.all(usages.map((usage) => usage.flush()));
  }
  const [locked] = keys as [TestKey];
  const before = await lastUse(locked);
  await database.sql.begin(async (tx) => {
    await tx`update api_keys set name = 'x' where id = ${locked.id}`;
    usages[0]?.onUse(callerOf(locked), '192.0.2.9');
    const began = performance.now();
    await usages[0]?.flush();
    expect(performance.now() - began).toBeLessThan(1_000);
  });
  expect(await lastUse(locked)).toEqual(before);
  await Promise.all(usages.map((usage) => usage.stop()));
});

test('what cannot be written is written with the next round, and says so', async () => {
  const key = await newPartnerWithKey(database.sql);
  const errors: unknown[] = [];
  const gone = connect(database.url, { max: 1, applicationName: 'gone' });
  const usage = new KeyUsage(gone, systemClock, { error: ({ err }) => void errors.push(err) });
  await database.sql`alter table integration_milestones rename to away`;
  usage.onUse(callerOf(key), '192.0.2.1');
  await usage.flush();
  await database.sql`alter table away rename to integration_milestones`;
  expect(errors).toHaveLength(1);
  await usage.stop();
  expect((await lastUse(key))?.ip).toBe('192.0.2.1');
  await gone.end();
});

test('noting a use takes microseconds', async () => {
  const key = callerOf(await newPartnerWithKey(database.sql));
  const usage = new KeyUsage(database.sql, systemClock, log);
  const began = performance.now();
  for (let index = 0; index < 100_000; index++) usage.onUse(key, '192.0.2.1');
  expect((performance.now() - began) / 100_000).toBeLessThan(0.01);
  await usage.stop();
});
