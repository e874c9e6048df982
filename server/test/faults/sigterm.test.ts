import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { compareWithDatabase, expectCleanBooks, retryEverything } from './compare-books.ts';
import { Journal } from './journal.ts';
import { Load } from './load.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { newMasterKey, newScenePartner, purchases, type ScenePartner } from './scene.ts';
import { ServerUnderTest, serverVariables } from './server-under-test.ts';
import { SignedClient } from './signed-client.ts';

const CLIENTS = 200;
const EXIT_LIMIT_MILLISECONDS = 10_000;
const dice = throwDice('SIGTERM');
const masterKey = newMasterKey();

let database: TestDatabase;
let partner: ScenePartner;
let survivor: ServerUnderTest;
let survivorClient: SignedClient;

beforeAll(async () => {
  database = await createTestDatabase();
  partner = await newScenePartner(database.sql, masterKey, 10_000_000);
  survivor = new ServerUnderTest(serverVariables(database.url, masterKey));
  survivorClient = new SignedClient(await survivor.ready(), partner.keys);
});
afterAll(async () => {
  await survivorClient?.close();
  await survivor?.kill();
  await database?.drop();
});

test(
  'SIGTERM under load: exit within 10 s, and nothing is lost after one retry at another process',
  minutes(1, 5),
  async () => {
    for (let round = 1; round <= times(2, 20); round++) {
      const leaving = new ServerUnderTest({ ...serverVariables(database.url, masterKey), SIR_ROLES: 'api,worker' });
      const client = new SignedClient(await leaving.ready(), partner.keys, CLIENTS);
      const journal = await Journal.create();
      const load = new Load(client, journal, purchases(`leaving-${round}`)).start(CLIENTS);
      await load.whenAnswered(dice.integer(200, 1_000));
      const { inFlight } = load;
      const signalledAt = performance.now();
      leaving.signal('SIGTERM');
      expect(await leaving.exited).toBe(0);
      const tookMilliseconds = performance.now() - signalledAt;
      await load.stop();
      await client.close();
      const { sent, done, unknown, unknownKept, notDone } = await compareWithDatabase(database.sql, partner, journal);
      await retryEverything(database.sql, partner, journal, survivorClient);
      await journal.remove();
      tell(
        `SIGTERM: ${inFlight} in flight, exit after ${Math.round(tookMilliseconds)} ms; ${sent} sent, ${done} answered, ${notDone} refused, ` +
          `${unknown} unknown (connection closed), ${unknownKept} of these kept; all retried once`,
      );
      expect(inFlight).toBeGreaterThan(0);
      expect(tookMilliseconds).toBeLessThanOrEqual(EXIT_LIMIT_MILLISECONDS);
      expect(leaving.alarms).toEqual([]);
    }
    await expectCleanBooks(database.sql);
  },
);
