import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '../../src/platform/db.ts';
import { startReceiver } from '../webhook-receiver.ts';
import { type Comparison, compareWithDatabase, expectCleanBooks, retryEverything } from './compare-books.ts';
import { type Cut, type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';
import { Journal } from './journal.ts';
import { Load } from './load.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { newMasterKey, newScenePartner, purchase, purchases, type ScenePartner } from './scene.ts';
import { ServerUnderTest, serverVariables } from './server-under-test.ts';
import { type Answer, SignedClient } from './signed-client.ts';

const ANSWER_LIMIT_MILLISECONDS = 5_000;
const RECOVERY_LIMIT_MILLISECONDS = 5_000;
const FREEZE_MILLISECONDS = 5_500;
const CLIENTS = 64;
/** Of one process: two for shared batches, four for batches of one partner, one for atomic batches (submission-queue.ts). */
const LEDGER_SESSIONS = 7;
/** As many wait at most (submission-queue.ts). */
const QUEUED_ACTIONS = 10_000;
const BATCH_SIZE = 1_000;
const dice = throwDice('database faults');
const masterKey = newMasterKey();

let postgres: OwnPostgres;
let sql: Sql;
let partner: ScenePartner;
let proxy: CuttingProxy;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
/** Talks to PostgreSQL directly, or through the proxy; both with a worker, whose transactions are cut too. */
let direct: ServerUnderTest;
let proxied: ServerUnderTest;
let clients: { direct: SignedClient; proxied: SignedClient };

beforeAll(async () => {
  postgres = await startOwnPostgres();
  const database = await postgres.createDatabase();
  sql = database.sql;
  proxy = await startCuttingProxy(database.url);
  receiver = await startReceiver();
  const more = { SIR_ROLES: 'api,worker', SIR_ALLOW_INSECURE_WEBHOOKS: '1' };
  direct = new ServerUnderTest({ ...serverVariables(database.url, masterKey), ...more });
  proxied = new ServerUnderTest({ ...serverVariables(proxy.url, masterKey), ...more });
});
afterAll(async () => {
  await Promise.all([direct?.kill(), proxied?.kill()]);
  await Promise.all([proxy?.close(), receiver?.close()]);
  await postgres?.remove();
});

let journal: Journal;
let current: Load | undefined;
let round = 0;
// Each test has a partner of its own, so that its books are small and quickly compared.
beforeEach(async () => {
  journal = await Journal.create();
  partner = await newScenePartner(sql, masterKey, 100_000_000);
  clients = {
    direct: new SignedClient(await direct.ready(), partner.keys, 2 * CLIENTS),
    proxied: new SignedClient(await proxied.ready(), partner.keys, 2 * CLIENTS),
  };
  const webhook = { url: `${receiver.url}/hook`, eventTypes: ['user.created'] };
  expect((await clients.direct.send('POST', '/v1/partner/webhooks', webhook)).status).toBe(201);
});
afterEach(async () => {
  postgres.thaw();
  await current?.stop();
  await journal.remove();
  await Promise.all([clients.direct.close(), clients.proxied.close()]);
  expect([...direct.alarms, ...proxied.alarms]).toEqual([]);
  expect([direct.isRunning, proxied.isRunning]).toEqual([true, true]);
  await expectNoSessionsLeftBehind();
  await expectCleanBooks(sql, partner);
});

/** Every answer came in time; a 503 says when to come back. */
function expectDecentAnswers(answers: readonly Answer[]): void {
  for (const { status, code, header, milliseconds } of answers) {
    expect(milliseconds, `${status} ${code}`).toBeLessThan(ANSWER_LIMIT_MILLISECONDS);
    if (status === 503) expect(header('retry-after')).toMatch(/^\d+$/);
  }
}

/** Waits for the first 200; answers how long that took. */
async function untilGood(client: SignedClient): Promise<number> {
  const startedAt = performance.now();
  const probe = purchases(`probe-${round}`);
  while ((await client.submit(probe())).status !== 200) await sleep(20);
  const tookMilliseconds = performance.now() - startedAt;
  expect(tookMilliseconds).toBeLessThan(RECOVERY_LIMIT_MILLISECONDS);
  return tookMilliseconds;
}

/** Ends the load, compares the books, sends everything again. */
async function settle(what: string, load: Load, client: SignedClient): Promise<Comparison> {
  await load.stop();
  expectDecentAnswers(load.answers);
  expect(load.lost).toBe(0);
  const compared = await compareWithDatabase(sql, partner, journal);
  await retryEverything(sql, partner, journal, client);
  const slowest = Math.max(...load.answers.map((answer) => answer.milliseconds));
  tell(
    `${what}: ${JSON.stringify(load.counts)}, slowest answer ${Math.round(slowest)} ms, ${compared.unknown} said as unknown, ` +
      `${compared.unknownKept} of these kept; retried`,
  );
  return compared;
}

function startLoad(client: SignedClient): Load {
  round += 1;
  current = new Load(client, journal, purchases(`round-${round}`)).start(CLIENTS);
  return current;
}

/** Every lost connection was let go of: no session is left behind on either side. */
async function expectNoSessionsLeftBehind(): Promise<void> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) from pg_stat_activity where datname = current_database() and application_name = 'sir-giving-ledger'`;
  expect(row?.count).toBeLessThanOrEqual(2 * LEDGER_SESSIONS);
}

describe('a database that fails: 503 with the right code within 5 s, the process lives, nothing is lost or double', () => {
  test('sessions killed by an administrator', minutes(1, 10), async () => {
    for (let count = 1; count <= times(2, 30); count++) {
      const load = startLoad(clients.direct);
      await load.whenAnswered(dice.integer(100, 400));
      const names = count % 2 === 1 ? ['sir-giving-ledger'] : ['sir-giving-ledger', 'sir-api', 'sir-worker'];
      const killed = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = any(${names})`;
      await load.whenAnswered(300);
      await settle(`${killed.count} sessions killed`, load, clients.direct);
      expect(load.counts).toHaveProperty('200');
    }
  });

  test('postmaster stopped immediately and started again', minutes(1, 15), async () => {
    for (let count = 1; count <= times(2, 30); count++) {
      const load = startLoad(clients.direct);
      await load.whenAnswered(dice.integer(100, 400));
      await postgres.stopImmediately();
      await sleep(dice.integer(0, 2_000));
      await postgres.startAgain();
      const good = await untilGood(clients.direct);
      const { answers } = load;
      await load.whenAnswered(100);
      await settle(`postmaster stopped, good again after ${Math.round(good)} ms`, load, clients.direct);
      expect(answers.some(({ status }) => status === 503)).toBe(true);
    }
  });

  test('PostgreSQL hung by SIGSTOP', minutes(1, 20), async () => {
    for (let count = 1; count <= times(2, 30); count++) {
      const load = startLoad(clients.direct);
      await load.whenAnswered(dice.integer(100, 400));
      await postgres.freeze();
      const frozenAt = performance.now();
      // Some come in while credentials still count as fresh: submissions find a batch that hangs before them, reads a dead session.
      const reads: Promise<Answer>[] = [];
      for (let count = 0; count < 30; count++) {
        reads.push(clients.direct.send('GET', '/v1/partner/actions?limit=5'));
        await load.arrive(1, 50);
      }
      await sleep(FREEZE_MILLISECONDS - (performance.now() - frozenAt));
      postgres.thaw();
      const good = await untilGood(clients.direct);
      await load.whenAnswered(100);
      await settle(`PostgreSQL hung, good again after ${Math.round(good)} ms`, load, clients.direct);
      expect(load.counts).toHaveProperty('503 UNAVAILABLE');
      expectDecentAnswers(await Promise.all(reads));
    }
  });
});

test('a full queue: 503 OVERLOADED, also for other partners, and good again afterwards', minutes(1, 2), async () => {
  const held = await newScenePartner(sql, masterKey, 1_000_000);
  const greedy = new SignedClient(clients.direct.baseUrl, held.keys);
  const load = new Load(clients.direct, journal, purchases('beside-a-full-queue'));
  current = load;
  const batches = await sql.begin(async (tx) => {
    await tx`select 1 from token_pools where partner_id = ${held.partnerId} for update`;
    const sent = Array.from({ length: QUEUED_ACTIONS / BATCH_SIZE + 1 }, (_, batch) => {
      const actions = Array.from({ length: BATCH_SIZE }, (_item, index) => purchase(`full-${batch}-${index}`, ['ann']));
      return greedy.send('POST', '/v1/partner/actions/batch', { actions, mode: 'independent' });
    });
    const refused = await Promise.race(sent);
    expect([refused.status, refused.code]).toEqual([503, 'OVERLOADED']);
    load.start(8);
    await load.whenAnswered(8);
    expect(load.counts).toEqual({ '503 OVERLOADED': expect.any(Number) });
    return sent;
  });
  const good = await untilGood(clients.direct);
  await settle(`queue full of ${QUEUED_ACTIONS}, good again after ${Math.round(good)} ms`, load, clients.direct);
  expectDecentAnswers(await Promise.all(batches));
  await greedy.close();
  await expectCleanBooks(sql, held);
});

describe('a connection that is cut around COMMIT', () => {
  const expected: Record<Cut, string> = {
    answerLost: '503 OUTCOME_UNKNOWN',
    notArrived: '503 OUTCOME_UNKNOWN',
    silence: '503 OUTCOME_UNKNOWN',
    beforeCommit: '503 UNAVAILABLE',
  };
  /** Rewards an action and answers what takes it back, always under the same key. */
  async function prepareReversal(): Promise<() => Promise<Answer>> {
    const { body } = await clients.proxied.submit(purchase(`to-reverse-${round}`, ['ann']));
    const request = { reason: 'a connection is cut', idempotencyKey: 'cut' };
    return () => clients.proxied.send('POST', `/v1/partner/actions/${body.actionId}/reverse`, request);
  }

  test.for(['answerLost', 'notArrived', 'silence', 'beforeCommit'] as const)('%s', minutes(1, 10), async (cut) => {
    for (let count = 1; count <= times(2, 30); count++) {
      const reversal = await prepareReversal();
      const load = startLoad(clients.proxied);
      await load.whenAnswered(dice.integer(50, 200));
      // Not for a connection that falls silent: the pool of the API, unlike the ledger's lanes, has no way to let go of one.
      const reversed =
        cut === 'silence'
          ? undefined
          : Promise.all([reversal(), proxy.cutNext('sir-api', /insert into reversals/, cut)]);
      await proxy.cutNext('sir-giving-ledger', /insert into actions/, cut);
      // Those of that batch wait for the deadline where nothing comes back.
      await sleep(cut === 'silence' ? 4_000 : 0);
      await load.whenAnswered(200);
      const { unknown, unknownKept } = await settle(`cut: ${cut}`, load, clients.proxied);
      expect(load.counts).toHaveProperty(expected[cut]);
      if (reversed !== undefined) {
        const [answer] = await reversed;
        expectDecentAnswers([answer]);
        expect(`${answer.status} ${answer.code}`).toBe(expected[cut]);
      }
      // The same key: either it had happened, or it happens now, once.
      expect((await reversal()).body).toMatchObject({ status: 'REVERSED', reversedTokens: 1 });
      if (cut === 'answerLost' || cut === 'silence') expect(unknownKept).toBe(unknown);
      if (cut === 'notArrived') expect(unknownKept).toBe(0);
    }
  });
});
