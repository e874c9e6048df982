import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sql } from '../../src/platform/db.ts';
import { ApiProcesses } from './api-processes.ts';
import { expectCleanBooks } from './compare-books.ts';
import { closedLoop, openLoop, quantile, queueMilliseconds } from './open-loop.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { newMasterKey, newScenePartner, purchase, type ScenePartner } from './scene.ts';
import type { Answer, SignedClient } from './signed-client.ts';

const PROCESSES = 3;
const CLIENTS = 96;
const CONNECTIONS = 256;
const WARM_UP_SECONDS = 1;
const PEAK_SECONDS = 3;
const OPEN_LOOP_SECONDS = times(8, 30);
const LONGEST_WAIT_MILLISECONDS = 1_000;
const ANSWER_LIMIT_MILLISECONDS = 5_000;
const HELD_SECONDS = 2;
const HARMLESS_MILLISECONDS = 100;
const ATTEMPTS = 3;
const dice = throwDice('fairness');
const masterKey = newMasterKey();

let postgres: OwnPostgres;
let sql: Sql;
let processes: ApiProcesses;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  const database = await postgres.createDatabase();
  sql = database.sql;
  processes = await ApiProcesses.start(database.url, masterKey, PROCESSES);
});
afterAll(async () => {
  await processes?.stop();
  await postgres?.remove();
});

/** Purchases of a partner, at the processes in turn. */
function buyer(name: string, partner: ScenePartner): (number: number) => Promise<Answer> {
  const clients = processes.clientsOf(partner, CONNECTIONS);
  return (number) => {
    const client = clients[number % clients.length] as SignedClient;
    return client.submit(purchase(`${name}-${number}`, [`user-${dice.integer(1, 200)}`]));
  };
}

const inMilliseconds = (values: readonly number[]) =>
  `median ${quantile(values, 0.5).toFixed(0)}, p99 ${quantile(values, 0.99).toFixed(0)}, longest ${Math.max(...values).toFixed(0)} ms`;

test(
  'three processes on one hot partner at half of their peak: nobody waits over 1 s for its batch',
  minutes(1, 2),
  async () => {
    const hot = await newScenePartner(sql, masterKey, 1_000_000_000);
    await closedLoop(CLIENTS, WARM_UP_SECONDS, buyer('warm', hot));
    const peak = await closedLoop(CLIENTS, PEAK_SECONDS, buyer('peak', hot));
    const answers = await openLoop(peak / 2, OPEN_LOOP_SECONDS, buyer('open', hot));
    const waits = answers.map(queueMilliseconds);
    tell(
      `fairness: peak ${peak.toFixed(0)}/s, then ${(peak / 2).toFixed(0)}/s for ${OPEN_LOOP_SECONDS} s: ${answers.length} submissions, ` +
        `waited for their batch: ${inMilliseconds(waits)}; answered after: ${inMilliseconds(answers.map((a) => a.milliseconds))}`,
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(LONGEST_WAIT_MILLISECONDS);
    expect(processes.alarms).toEqual([]);
    await expectCleanBooks(sql);
  },
);

test('a partner whose pool is held by a stranger for 2 s delays no other partner', minutes(1, 1), async () => {
  const partners = await Promise.all(Array.from({ length: 8 }, () => newScenePartner(sql, masterKey, 1_000_000)));
  const held = await newScenePartner(sql, masterKey, 1_000_000);
  await buyFromEach(partners, 'warm');
  await openLoop(20, 0.5, buyer('warm', held));
  // What else runs on the machine may delay them once; a pool that holds others up does so every time.
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await buyFromEach(partners, `before-${attempt}`);
    const [during, own] = await Promise.all([
      buyFromEach(partners, `during-${attempt}`),
      openLoop(20, HELD_SECONDS, buyer(`held-${attempt}`, held)),
      holdPool(held),
    ]);
    const [timesBefore, timesDuring, timesOfHeld] = [before, during, own].map((answers) =>
      answers.map((a) => a.milliseconds),
    ) as [number[], number[], number[]];
    const refused = own.filter(({ status }) => status !== 200);
    tell(
      `pool held for ${HELD_SECONDS} s: others before ${inMilliseconds(timesBefore)}, meanwhile ${inMilliseconds(timesDuring)}; ` +
        `its own ${own.length}: ${refused.length} refused, ${inMilliseconds(timesOfHeld)}`,
    );
    expect(Math.max(...timesOfHeld)).toBeGreaterThan(1_000);
    expect(Math.max(...timesOfHeld)).toBeLessThan(ANSWER_LIMIT_MILLISECONDS);
    for (const { code } of refused) expect(code).toBe('UNAVAILABLE');
    expect([...before, ...during].filter(({ status }) => status !== 200)).toEqual([]);
    const harm = quantile(timesDuring, 0.99) - quantile(timesBefore, 0.99);
    if (harm < HARMLESS_MILLISECONDS) break;
    expect(attempt, `p99 of other partners rose by ${Math.round(harm)} ms`).toBeLessThan(ATTEMPTS);
  }
  expect(processes.alarms).toEqual([]);
  await expectCleanBooks(sql);
});

function buyFromEach(partners: readonly ScenePartner[], name: string): Promise<Answer[]> {
  const buyers = partners.map((partner) => buyer(name, partner));
  return openLoop(120, HELD_SECONDS, (number) => (buyers[number % buyers.length] as ReturnType<typeof buyer>)(number));
}

/** Somebody else's transaction that has the partner's pool and does nothing. */
async function holdPool({ partnerId }: ScenePartner): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`select 1 from token_pools where partner_id = ${partnerId} for update`;
    await sleep(HELD_SECONDS * 1_000);
  });
}
