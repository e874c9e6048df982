import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { connect, type Sql, type Tx } from './db.ts';
import { inTransaction } from './in-transaction.ts';
import { problem } from './problem-json.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.sql`create table notes (id integer primary key, text text)`;
  sql = connect(database.url, { max: 2, applicationName: 'sir-test-transaction' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});
beforeEach(() => database.sql`truncate notes`);

const UNAVAILABLE = { code: 'UNAVAILABLE', options: { headers: { 'Retry-After': '1' } } };
const noted = async () => (await database.sql`select id from notes order by id`).map((row) => row.id);
const note = (tx: Tx, id: number) => tx`insert into notes (id) values (${id})`;
const endSessionOf = async (tx: Tx) => {
  const [session] = await tx`select pg_backend_pid() as pid`;
  return async () => {
    await database.sql`select pg_terminate_backend(${session?.pid})`;
    await expect.poll(() => database.sql`select 1 from pg_stat_activity where pid = ${session?.pid}`).toHaveLength(0);
  };
};

test('keeps what was written and answers with the result', async () => {
  expect(
    await inTransaction(sql, async (tx) => {
      await note(tx, 1);
      return ['an', 'array'];
    }),
  ).toEqual(['an', 'array']);
  expect(await noted()).toEqual([1]);
});

test('passes on what the work throws and keeps nothing', async () => {
  const refused = problem('USER_EXISTS', 'no');
  await expect(
    inTransaction(sql, async (tx) => {
      await note(tx, 1);
      throw refused;
    }),
  ).rejects.toBe(refused);
  await expect(inTransaction(sql, (tx) => Promise.all([note(tx, 1), note(tx, 1)]))).rejects.toMatchObject({
    code: '23505',
  });
  expect(await noted()).toEqual([]);
});

test('a session that ends between two statements is 503, nothing is kept and no later statement runs', async () => {
  const running = inTransaction(sql, async (tx) => {
    await note(tx, 1);
    await (await endSessionOf(tx))();
    await sleep(50);
    await note(tx, 2);
  });
  await expect(running).rejects.toMatchObject(UNAVAILABLE);
  await sleep(100);
  expect(await noted()).toEqual([]);
});

test('statements side by side after the session has ended are refused, and end nothing else', async () => {
  const running = inTransaction(sql, async (tx) => {
    await (await endSessionOf(tx))();
    await sleep(50);
    const noteLater = async () => {
      await note(tx, 1);
    };
    // Refused by a throw, the second one would leave the first one's failure unseen, and that would end the process.
    await Promise.all([noteLater(), note(tx, 2)]);
  });
  await expect(running).rejects.toMatchObject(UNAVAILABLE);
  expect(await noted()).toEqual([]);
});

test('a session that ends while a statement runs is 503, and the next transactions are well', async () => {
  const running = inTransaction(sql, async (tx) => {
    const end = await endSessionOf(tx);
    await note(tx, 1);
    await Promise.all([tx`select pg_sleep(5)`, end()]);
  });
  await expect(running).rejects.toMatchObject(UNAVAILABLE);
  await Promise.all([2, 3, 4, 5].map((id) => inTransaction(sql, (tx) => note(tx, id))));
  expect(await noted()).toEqual([2, 3, 4, 5]);
});

test('a session that ends during COMMIT is an unknown outcome', async () => {
  // A deferred constraint makes COMMIT itself wait for a lock that the test holds.
  await database.sql`create table parents (id integer primary key)`;
  await database.sql`insert into parents values (1)`;
  await database.sql`
    create table children (parent_id integer references parents (id) deferrable initially deferred)`;
  await database.sql.begin(async (holder) => {
    await holder`delete from parents where id = 1`;
    let end: (() => Promise<void>) | undefined;
    const running = inTransaction(sql, async (tx) => {
      end = await endSessionOf(tx);
      await tx`insert into children values (1)`;
    });
    const settled = running.catch((error: unknown) => error);
    await expect
      .poll(() => database.sql`select 1 from pg_stat_activity where query = 'commit' and wait_event_type = 'Lock'`)
      .toHaveLength(1);
    await end?.();
    expect(await settled).toMatchObject({ code: 'OUTCOME_UNKNOWN', options: { headers: { 'Retry-After': '1' } } });
  });
  await expect(inTransaction(sql, (tx) => tx`insert into children values (1)`)).rejects.toMatchObject({
    code: '23503',
  });
});

test('a deadlock runs the whole again', async () => {
  await database.sql`insert into notes (id) values (1), (2)`;
  const attempts = { 1: 0, 2: 0 };
  const touch = (first: 1 | 2, second: 1 | 2) =>
    inTransaction(sql, async (tx) => {
      attempts[first] += 1;
      await tx`update notes set text = 'x' where id = ${first}`;
      held.add(first);
      while (!held.has(second)) await sleep(5);
      await tx`update notes set text = 'x' where id = ${second}`;
    });
  const held = new Set<number>();
  await Promise.all([touch(1, 2), touch(2, 1)]);
  expect(attempts[1] + attempts[2]).toBe(3);
});

test('a database out of reach is 503', async () => {
  const nowhere = connect('postgres://nobody@127.0.0.1:1/nothing', { max: 1, applicationName: 'sir-test' });
  await expect(inTransaction(nowhere, (tx) => note(tx, 1))).rejects.toMatchObject(UNAVAILABLE);
  await nowhere.end({ timeout: 1 });
});
