import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '../../src/platform/db.ts';
import { compareWithDatabase, expectCleanBooks, retryEverything } from './compare-books.ts';
import { Journal } from './journal.ts';
import { Load } from './load.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { newMasterKey, newScenePartner, purchases, type ScenePartner } from './scene.ts';
import { ServerUnderTest, serverVariables } from './server-under-test.ts';
import { SignedClient } from './signed-client.ts';

const FAILPOINTS = ['lock', 'evaluate', 'claim', 'post', 'events', 'before_commit', 'after_commit'] as const;
const REACHED_LIMIT_MILLISECONDS = 30_000;
const BATCH_MILLISECONDS = 100;
const dice = throwDice('failpoints');
const masterKey = newMasterKey();

let postgres: OwnPostgres;
let sql: Sql;
let partner: ScenePartner;
let variables: Record<string, string>;
let survivor: ServerUnderTest;
let survivorClient: SignedClient;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  const database = await postgres.createDatabase();
  sql = database.sql;
  variables = serverVariables(database.url, masterKey);
  survivor = new ServerUnderTest(variables);
  await survivor.ready();
});
// Each test has a partner of its own, so that its books are small and quickly compared.
beforeEach(async () => {
  partner = await newScenePartner(sql, masterKey, 100_000_000);
  survivorClient = new SignedClient(await survivor.ready(), partner.keys);
});
afterEach(async () => {
  await survivorClient.close();
  await expectCleanBooks(sql, partner);
});
afterAll(async () => {
  await survivor?.kill();
  await postgres?.remove();
});

interface Victim {
  server: ServerUnderTest;
  baseUrl: Promise<string>;
}

function startVictim(more: Record<string, string> = {}): Victim {
  const server = new ServerUnderTest({ ...variables, ...more });
  const baseUrl = server.ready();
  // It is awaited when its turn comes.
  baseUrl.catch(() => {});
  return { server, baseUrl };
}

/**
 * One kill: load until the process is gone, then the books are compared, and everything is sent again to another process. Answers how
 * many submissions had no answer then, and how many of those the database has.
 */
async function killOnce(
  name: string,
  victim: Victim,
  clients: number,
  kill: (load: Load) => Promise<void>,
): Promise<{ unknown: number; unknownKept: number }> {
  const client = new SignedClient(await victim.baseUrl, partner.keys, clients);
  const journal = await Journal.create();
  const load = new Load(client, journal, purchases(name)).start(clients);
  await kill(load);
  expect(await victim.server.exited).toBe('SIGKILL');
  await load.stop();
  await client.close();
  const { sent, done, unknown, unknownKept } = await compareWithDatabase(sql, partner, journal);
  await retryEverything(sql, partner, journal, survivorClient);
  await journal.remove();
  tell(
    `${name}: ${sent} sent, ${done} answered, ${unknown} in flight and unknown, ${unknownKept} of these kept; retried`,
  );
  return { unknown, unknownKept };
}

describe('kill -9 of an API process loses nothing that was answered and pays nothing twice', () => {
  test.for(FAILPOINTS)('at the failpoint %s', minutes(1, 10), async (failpoint) => {
    const rounds = times(3, 25);
    const arm = () => startVictim({ SIR_FAILPOINT: `${failpoint}:${dice.integer(2, 12)}` });
    let next = arm();
    for (let round = 1; round <= rounds; round++) {
      const victim = next;
      if (round < rounds) next = arm();
      const killed = await killOnce(`${failpoint} ${round}`, victim, 64, async () => {
        await Promise.race([victim.server.exited, sleep(REACHED_LIMIT_MILLISECONDS)]);
      });
      expect(killed.unknown).toBeGreaterThan(0);
      // Committed and not answered: the place where a client that trusts silence would pay twice.
      if (failpoint === 'after_commit') expect(killed.unknownKept).toBeGreaterThan(0);
    }
  });

  test('at a random moment with at least 500 submissions in flight', minutes(2, 60), async () => {
    const rounds = times(10, 300);
    let kept = 0;
    let next = startVictim();
    for (let round = 1; round <= rounds; round++) {
      const victim = next;
      if (round < rounds) next = startVictim();
      const killed = await killOnce(`random moment ${round}`, victim, 600, async (load) => {
        await load.whenAnswered(dice.integer(1, 1_000));
        // Answers come in waves, one for each batch: this is what takes the kill away from their crests.
        await sleep(dice.integer(0, BATCH_MILLISECONDS));
        await load.whenInFlight(560);
        const { inFlight } = load;
        victim.server.signal('SIGKILL');
        expect(inFlight).toBeGreaterThanOrEqual(500);
      });
      expect(killed.unknown).toBeGreaterThanOrEqual(500);
      kept += killed.unknownKept;
    }
    tell(`random moments: ${kept} submissions were kept without an answer`);
  });
});
