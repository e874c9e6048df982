import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Sql } from '../../src/platform/db.ts';
import { removeEmbeddedPostgres, runningEmbeddedPostgresUrl } from '../../src/platform/embedded-postgres/index.ts';
import { rowId } from '../../src/platform/ids.ts';
import { readDemoCredentials } from '../server-process.ts';
import { compareWithDatabase, expectCleanBooks, retryEverything } from './compare-books.ts';
import { Journal } from './journal.ts';
import { Load } from './load.ts';
import { findRunning } from './own-postgres.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { purchases, type ScenePartner } from './scene.ts';
import { ServerUnderTest } from './server-under-test.ts';
import { SignedClient } from './signed-client.ts';

const REAP_LIMIT_MILLISECONDS = 15_000;
const CLIENTS = 600;
const dice = throwDice('process group');

let dataDir: string;
let server: ServerUnderTest;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sir-group-'));
});
afterAll(async () => {
  await server?.kill();
  await removeEmbeddedPostgres(dataDir);
  await rm(dataDir, { recursive: true, force: true });
});

/** Starts as `npm start` does, on the embedded PostgreSQL of the data folder; answers what a client needs to know. */
async function start(): Promise<{ client: SignedClient; partner: ScenePartner; sql: Sql }> {
  server = new ServerUnderTest({ SIR_DATA_DIR: dataDir });
  const baseUrl = await server.ready();
  const { partner, tokenPoolId, ...keys } = await readDemoCredentials(dataDir);
  const sql = connect((await runningEmbeddedPostgresUrl(dataDir)) ?? '', { max: 2, applicationName: 'sir-faults' });
  return {
    client: new SignedClient(baseUrl, { id: '', ...keys }, CLIENTS),
    partner: {
      partnerId: rowId('ptn', partner.id) ?? '',
      environment: 'sandbox',
      keys: { id: '', ...keys },
      poolId: rowId('pool', tokenPoolId),
    },
    sql,
  };
}

/** PostgreSQL takes a zombie's number for a running server, and an orphan is a zombie until the first process of the machine sees to it. */
async function untilReaped(pid: number): Promise<void> {
  const deadline = performance.now() + REAP_LIMIT_MILLISECONDS;
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
    await sleep(20);
  }
}

describe('kill -9 of the whole process group under load, and a second start: nothing lost, nothing double', () => {
  test.for(['goes on and is adopted', 'is killed too and recovers'])(
    'its PostgreSQL %s',
    minutes(1, 20),
    async (what) => {
      for (let round = 1; round <= times(1, 20); round++) {
        const first = await start();
        const journal = await Journal.create();
        const load = new Load(first.client, journal, purchases(`${what} ${round}`)).start(CLIENTS);
        await load.whenAnswered(dice.integer(1, 2_000));
        await load.whenInFlight(500);
        const { pid } = await findRunning(dataDir);
        if (what.includes('killed')) process.kill(pid, 'SIGKILL');
        await server.kill();
        if (what.includes('killed')) await untilReaped(pid);
        await load.stop();
        await Promise.all([first.client.close(), first.sql.end({ timeout: 1 })]);

        const second = await start();
        const { sent, done, unknown, unknownKept } = await compareWithDatabase(second.sql, second.partner, journal);
        expect(unknown).toBeGreaterThanOrEqual(500);
        await retryEverything(second.sql, second.partner, journal, second.client);
        await expectCleanBooks(second.sql);
        tell(
          `process group, PostgreSQL ${what}: ${sent} sent, ${done} answered, ${unknown} in flight and unknown, ` +
            `${unknownKept} of these kept; retried`,
        );
        await Promise.all([second.client.close(), second.sql.end({ timeout: 1 }), journal.remove()]);
        server.signal('SIGTERM');
        expect(await server.exited).toBe(0);
      }
    },
  );
});
