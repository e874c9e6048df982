import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { connect, type Tx } from './db.ts';
import { TransactionLane } from './transaction-lane.ts';

let database: TestDatabase;
let lane: TransactionLane;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.sql`create table notes (id integer primary key)`;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await lane?.end();
  await database.sql`truncate notes`;
  lane = laneTo(database.url);
});
afterAll(() => lane.end());

function laneTo(url: string): TransactionLane {
  return new TransactionLane({
    open: (onClose) => connect(url, { max: 1, applicationName: 'sir-test-lane', onClose }),
  });
}

const soon = () => performance.now() + 4_000;
const noted = async () => (await database.sql`select id from notes order by id`).map((row) => row.id);
const note = (tx: Tx, id: number) => tx`insert into notes (id) values (${id})`;
const endSessionOf = async (tx: Tx) => {
  const [session] = await tx`select pg_backend_pid() as pid`;
  await database.sql`select pg_terminate_backend(${session?.pid})`;
  await expect.poll(() => database.sql`select 1 from pg_stat_activity where pid = ${session?.pid}`).toHaveLength(0);
  await sleep(50);
};

test('what the work throws is passed on after a rollback, and the lane goes on', async () => {
  const broken = lane.run(async (tx) => {
    await note(tx, 1);
    throw new Error('broken');
  }, soon());
  await expect(broken).rejects.toThrow('broken');
  await lane.run((tx) => note(tx, 2), soon());
  expect(await noted()).toEqual([2]);
});

test('after the session has ended nothing runs any more, nothing is kept, and the next transaction is well', async () => {
  const running = lane.run(async (tx) => {
    await note(tx, 1);
    await endSessionOf(tx);
    const noteLater = async () => {
      await note(tx, 2);
    };
    // Refused by a throw, the second one would leave the first one's failure unseen, and that would end the process.
    await Promise.all([noteLater(), note(tx, 3)]);
  }, soon());
  await expect(running).rejects.toMatchObject({ outcome: 'notCommitted' });
  await lane.run((tx) => note(tx, 4), soon());
  expect(await noted()).toEqual([4]);
});

test('a database out of reach fails at once, also when several statements wait for the connection', async () => {
  await lane.end();
  lane = laneTo('postgres://sir:secret@127.0.0.1:1/none');
  const startedAt = performance.now();
  const running = lane.run((tx) => Promise.all([note(tx, 1), note(tx, 2)]), soon());
  await expect(running).rejects.toMatchObject({ outcome: 'notCommitted' });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test('at its deadline a transaction is given up, and one whose time is over is not begun', async () => {
  const startedAt = performance.now();
  const running = lane.run((tx) => tx`select pg_sleep(5)`, startedAt + 200);
  await expect(running).rejects.toMatchObject({ outcome: 'notCommitted' });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  await expect(lane.run((tx) => note(tx, 1), startedAt)).rejects.toMatchObject({ outcome: 'notCommitted' });
  expect(await noted()).toEqual([]);
});

test('a COMMIT that the database refuses is no unknown outcome, and neither is the commit of an aborted transaction', async () => {
  await database.sql`create table pairs (id integer primary key, other integer references pairs deferrable initially deferred)`;
  const refused = lane.run((tx) => tx`insert into pairs values (1, 2)`, soon());
  await expect(refused).rejects.toMatchObject({ outcome: 'notCommitted', cause: { code: '23503' } });
  const aborted = lane.run(async (tx) => {
    await note(tx, 1);
    await tx`select 1 / 0`.catch(() => {});
  }, soon());
  await expect(aborted).rejects.toMatchObject({ outcome: 'notCommitted' });
  expect(await noted()).toEqual([]);
});
