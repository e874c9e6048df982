import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type AuthenticateKey,
  authenticationOf,
  newPartnerWithKey,
  signedRequest,
  type TestKey,
  toRead,
  toWrite,
} from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import { connect, type Tx } from '../platform/db.ts';
import { Problem } from '../platform/problem-json.ts';
import type { Access } from './access.ts';
import { setKeyActive, setKeyAllowList, setKeyExpiry } from './change-key.ts';
import { revokeKey } from './revoke-key.ts';
import { setPartnerStatus } from './set-partner-status.ts';

const SECOND = 1_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What a process answers: `accepted`, or the code of its refusal. */
async function answerOf(authenticate: AuthenticateKey, key: TestKey, access: Access): Promise<string> {
  try {
    await authenticate(signedRequest(key), access);
    return 'accepted';
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

/** Two processes with caches and connections of their own, warm and busy with a key. */
async function busyProcesses(key: TestKey, access: Access) {
  const pools = [1, 2].map(() => connect(database.url, { max: 2, applicationName: 'sir-test-process' }));
  const answers: { at: number; answer: string }[] = [];
  const state = { stopped: false };
  const loops = pools.map(async (sql) => {
    const authenticate = authenticationOf(sql);
    while (!state.stopped) {
      // When it was asked does not matter: nobody may be let in later than a second after the change.
      const answer = await answerOf(authenticate, key, access);
      answers.push({ at: performance.now(), answer });
      await sleep(2);
    }
  });
  while (answers.filter(({ answer }) => answer === 'accepted').length < 100) await sleep(5);
  return {
    answers,
    async stop() {
      state.stopped = true;
      await Promise.all(loops);
      await Promise.all(pools.map((sql) => sql.end({ timeout: 1 })));
    },
  };
}

const changes: { name: string; change: (tx: Tx, key: TestKey) => Promise<unknown>; code: string; access: Access }[] = [
  {
    name: 'a revocation',
    change: (tx, { partnerId, id }) => revokeKey(tx, { partnerId, keyId: id }, systemClock.now()),
    code: 'INVALID_API_KEY',
    access: toRead,
  },
  {
    name: 'a deactivation',
    change: (tx, { partnerId, id }) => setKeyActive(tx, { partnerId, keyId: id }, false),
    code: 'INVALID_API_KEY',
    access: toRead,
  },
  {
    name: 'an expiry set to now',
    change: (tx, { partnerId, id }) => setKeyExpiry(tx, { partnerId, keyId: id }, systemClock.now()),
    code: 'INVALID_API_KEY',
    access: toRead,
  },
  {
    name: 'a change of the allow-list',
    change: (tx, { partnerId, id }) => setKeyAllowList(tx, { partnerId, keyId: id }, ['192.0.2.0/24']),
    code: 'IP_NOT_ALLOWED',
    access: toRead,
  },
  {
    name: 'a suspension',
    change: (tx, { partnerId }) => setPartnerStatus(tx, partnerId, 'SUSPENDED'),
    code: 'PARTNER_SUSPENDED',
    access: toWrite,
  },
];

/** One partner and two busy processes for each kind of change. */
const prepare = () =>
  Promise.all(
    changes.map(async (one) => {
      const key = await newPartnerWithKey(database.sql);
      return { ...one, key, processes: await busyProcesses(key, one.access) };
    }),
  );

test('a change holds in every process within a second, on warm caches', async () => {
  const busy = await prepare();
  const changed = await Promise.all(
    busy.map(async (one) => {
      await database.sql.begin((tx) => one.change(tx, one.key));
      return { ...one, changedAt: performance.now() };
    }),
  );
  await sleep(1.4 * SECOND);
  await Promise.all(busy.map(({ processes }) => processes.stop()));
  for (const { name, code, changedAt, processes } of changed) {
    const late = processes.answers.filter(({ at }) => at > changedAt + SECOND);
    expect(late.length, name).toBeGreaterThan(20);
    expect(new Set(late.map(({ answer }) => answer)), name).toEqual(new Set([code]));
  }
});

test('a change holds within a second also while nobody can read the counter: 503, never a stale yes', async () => {
  const busy = await prepare();
  let changedAt = 0;
  await database.sql.begin(async (tx) => {
    await tx`lock table credential_changes in access exclusive mode`;
    // The changes are made while looks already wait for the table.
    await sleep(300);
    for (const { change, key } of busy) await change(tx, key);
    changedAt = performance.now();
    await sleep(1.5 * SECOND);
  });
  await sleep(300);
  await Promise.all(busy.map(({ processes }) => processes.stop()));
  for (const { name, code, processes } of busy) {
    const late = processes.answers.filter(({ at }) => at > changedAt + SECOND);
    for (const { answer } of late) expect(['UNAVAILABLE', code], name).toContain(answer);
    expect(late.at(-1)?.answer, name).toBe(code);
  }
});

test('a key that expires by the clock is refused from that moment on, without any change in the database', async () => {
  const key = await newPartnerWithKey(database.sql);
  const expiresAt = new Date(systemClock.now().getTime() + 600);
  await database.sql.begin((tx) => setKeyExpiry(tx, { partnerId: key.partnerId, keyId: key.id }, expiresAt));
  const authenticate = authenticationOf(database.sql);
  const answers: { at: number; answer: string }[] = [];
  while (systemClock.now().getTime() < expiresAt.getTime() + 200) {
    const answer = await answerOf(authenticate, key, toRead);
    answers.push({ at: systemClock.now().getTime(), answer });
    await sleep(1);
  }
  const before = answers.filter(({ at }) => at < expiresAt.getTime());
  const after = answers.filter(({ at }) => at > expiresAt.getTime() + 5);
  expect(new Set(before.map(({ answer }) => answer))).toEqual(new Set(['accepted']));
  expect(new Set(after.map(({ answer }) => answer))).toEqual(new Set(['INVALID_API_KEY']));
});

test('what was taken away and given back works again within a second', async () => {
  const key = await newPartnerWithKey(database.sql);
  const reference = { partnerId: key.partnerId, keyId: key.id };
  const authenticate = authenticationOf(database.sql);
  await database.sql.begin((tx) => setKeyActive(tx, reference, false));
  expect(await answerOf(authenticate, key, toRead)).toBe('INVALID_API_KEY');
  await database.sql.begin((tx) => setKeyActive(tx, reference, true));
  await sleep(SECOND);
  expect(await answerOf(authenticate, key, toRead)).toBe('accepted');
});

test('a revoked key stays revoked, and a second revocation changes nothing', async () => {
  const key = await newPartnerWithKey(database.sql);
  const reference = { partnerId: key.partnerId, keyId: key.id };
  const revoke = () => database.sql.begin((tx) => revokeKey(tx, reference, systemClock.now()));
  expect(await revoke()).toBe(true);
  expect(await revoke()).toBe(false);
  await database.sql.begin((tx) => setKeyActive(tx, reference, true));
  expect(await answerOf(authenticationOf(database.sql), key, toRead)).toBe('INVALID_API_KEY');
});
