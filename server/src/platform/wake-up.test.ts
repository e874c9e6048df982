import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { until } from '../../test/webhook-receiver.ts';
import { collectingLog, silentLog } from '../../test/webhook-setup.ts';
import { connect } from './db.ts';
import { createWakeUp } from './wake-up.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** A wake-up that has a listener, once it is really connected: being connected counts as the first wake. */
async function listening(environment: 'sandbox' | 'production' = 'sandbox') {
  const sql = connect(database.url, { max: 1, applicationName: 'listener' });
  const wakeUp = createWakeUp(sql, environment, silentLog);
  let wakes = 0;
  wakeUp.onWake(() => wakes++);
  await until(() => wakes === 1, 'the listener');
  const end = async () => {
    wakeUp.stop();
    await sql.end();
  };
  return { wakeUp, wakes: () => wakes - 1, end };
}

test('a process without a listener wakes those that have one, of its own environment only', async () => {
  const [sandbox, production] = [await listening(), await listening('production')];
  const speaker = createWakeUp(database.sql, 'sandbox', silentLog);
  speaker.nudge();
  await until(() => sandbox.wakes() === 1, 'the wake');
  await sleep(50);
  expect(production.wakes()).toBe(0);
  speaker.stop();
  await Promise.all([sandbox.end(), production.end()]);
});

test('a thousand nudges are one at once and one after 50 ms', async () => {
  const listener = await listening();
  for (let nudge = 0; nudge < 1_000; nudge++) listener.wakeUp.nudge();
  expect(listener.wakes()).toBe(1);
  await until(() => listener.wakes() === 2, 'the second wake');
  await sleep(120);
  expect(listener.wakes()).toBe(2);
  await listener.end();
});

test('a listener that is told no more, and a stopped wake-up, stay quiet', async () => {
  const listener = await listening();
  let wakes = 0;
  const stop = listener.wakeUp.onWake(() => wakes++);
  stop();
  listener.wakeUp.nudge();
  expect(wakes).toBe(0);
  await listener.end();
  listener.wakeUp.nudge();
  expect(listener.wakes()).toBe(1);
});

test('listening comes back by itself when its connection is cut', async () => {
  const listener = await listening();
  await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listener'`;
  await until(() => listener.wakes() >= 1, 'the listener to be back');
  const before = listener.wakes();
  const speaker = createWakeUp(database.sql, 'sandbox', silentLog);
  speaker.nudge();
  await until(() => listener.wakes() > before, 'a wake over the new connection');
  speaker.stop();
  await listener.end();
});

test('a nudge that cannot be sent is a warning and nothing else', async () => {
  const sql = connect(database.url, { max: 1, applicationName: 'ended' });
  await sql.end();
  const { log, lines } = collectingLog();
  createWakeUp(sql, 'sandbox', log).nudge();
  await until(() => lines.length === 1, 'the warning');
  expect(lines[0]).toMatchObject({ level: 40 });
});
