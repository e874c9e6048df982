import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signRequest } from '@sirgiving/signature';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { setKeyAllowList } from '../../src/partners/change-key.ts';
import { createKey, createPartner, type IssuedKey, revokeKey, setPartnerStatus } from '../../src/partners/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Tx } from '../../src/platform/db.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { createSecretBox } from '../../src/platform/secret-box.ts';
import { ServerProcess } from '../server-process.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';

// Two server processes have keys in their caches and are busy with them; the change is made in neither, but in the database.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SECOND = 1_000;
const masterKey = randomBytes(32).toString('hex');
const secretBox = createSecretBox(masterKey);

let database: TestDatabase;
let folder: string;
let servers: ServerProcess[];
let baseUrls: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'sir-revocation-'));
  servers = ['a', 'b'].map(
    (name) =>
      new ServerProcess({
        SIR_DATA_DIR: join(folder, name),
        DATABASE_URL: database.url,
        SIR_MASTER_KEY: masterKey,
        SIR_RATE_LIMIT_PER_MINUTE: '0',
      }),
  );
  baseUrls = await Promise.all(servers.map((server) => server.ready()));
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
  await database?.drop();
});

interface Owned {
  partnerId: string;
  key: IssuedKey;
}

interface Change {
  name: string;
  code: string;
  /** A suspended partner still reads. */
  method: 'GET' | 'POST';
  make(tx: Tx, owned: Owned): Promise<unknown>;
}

const changes: readonly Change[] = [
  {
    name: 'a revocation',
    code: 'INVALID_API_KEY',
    method: 'GET',
    make: (tx, { partnerId, key }) => revokeKey(tx, { partnerId, keyId: key.id }, systemClock.now()),
  },
  {
    name: 'a change of the allow-list',
    code: 'IP_NOT_ALLOWED',
    method: 'GET',
    make: (tx, { partnerId, key }) => setKeyAllowList(tx, { partnerId, keyId: key.id }, ['192.0.2.0/24']),
  },
  {
    name: 'a suspension',
    code: 'PARTNER_SUSPENDED',
    method: 'POST',
    make: (tx, { partnerId }) => setPartnerStatus(tx, partnerId, 'SUSPENDED'),
  },
];

async function newOwned(): Promise<Owned> {
  const createdAt = systemClock.now();
  return database.sql.begin(async (tx) => {
    const { id: partnerId } = await createPartner(tx, randomIds, { name: 'Test', status: 'ACTIVE', createdAt });
    const wanted = { partnerId, environment: 'sandbox', name: 'Test', createdAt } as const;
    return { partnerId, key: await createKey(tx, randomIds, secretBox, wanted) };
  });
}

/** The code of the refusal; `let in` otherwise. A change is malformed on purpose, so that whoever is let in writes nothing. */
async function askOnce(baseUrl: string, { key }: Owned, method: string): Promise<string> {
  const path = '/v1/partner/users?nobody-takes-this=1';
  const timestamp = String(Math.floor(systemClock.now().getTime() / SECOND));
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: {
      'x-partner-key': key.secretKey,
      'x-timestamp': timestamp,
      'x-signature': signRequest({ hmacSecret: key.hmacSecret, timestamp, method, path }),
    },
  });
  const { code } = (await response.json()) as { code: string };
  return code === 'INVALID_REQUEST' ? 'let in' : code;
}

/** Each process is asked again and again, until it is told to stop. */
async function busyWith(change: Change) {
  const owned = await newOwned();
  const answers: { askedAt: number; code: string }[] = [];
  const state = { stopped: false };
  const loops = baseUrls.map(async (baseUrl) => {
    while (!state.stopped) {
      const askedAt = performance.now();
      answers.push({ askedAt, code: await askOnce(baseUrl, owned, change.method) });
      await sleep(20);
    }
  });
  while (answers.filter(({ code }) => code === 'let in').length < 10) await sleep(10);
  return {
    ...change,
    owned,
    /** The answers to what was asked from a moment on. */
    since: (moment: number) => answers.filter(({ askedAt }) => askedAt >= moment).map(({ code }) => code),
    stop: async () => {
      state.stopped = true;
      await Promise.all(loops);
    },
  };
}

test('a change is in force in every process within a second, though the key was in their caches', async () => {
  const busy = await Promise.all(changes.map(busyWith));
  for (const { make, owned } of busy) await database.sql.begin((tx) => make(tx, owned));
  const changedAt = performance.now();
  await sleep(1.6 * SECOND);
  await Promise.all(busy.map(({ stop }) => stop()));
  for (const { name, code, since } of busy) {
    const late = since(changedAt + SECOND);
    expect(late.length, name).toBeGreaterThan(5);
    expect(new Set(late), name).toEqual(new Set([code]));
  }
});

test('also while the look at the counter of changes is blocked: nobody is let in on what the cache says', async () => {
  const busy = await Promise.all(changes.map(busyWith));
  const changedAt = await database.sql.begin(async (tx) => {
    await tx`lock table credential_changes in access exclusive mode`;
    // The changes are made while the looks of both processes wait already.
    await sleep(300);
    for (const { make, owned } of busy) await make(tx, owned);
    const made = performance.now();
    await sleep(1.8 * SECOND);
    return made;
  });
  await sleep(600);
  const unblockedAt = performance.now();
  await sleep(400);
  await Promise.all(busy.map(({ stop }) => stop()));
  for (const { name, code, since } of busy) {
    expect(since(changedAt + SECOND).length, name).toBeGreaterThan(5);
    for (const late of since(changedAt + SECOND)) expect(['UNAVAILABLE', code], name).toContain(late);
    expect(new Set(since(unblockedAt)), name).toEqual(new Set([code]));
  }
});
