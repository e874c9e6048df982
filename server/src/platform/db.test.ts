import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { connect, type Sql } from './db.ts';

/** What patches/postgres+3.4.9.patch mends: docs/decisions/0007-one-driver.md. */
describe('a client whose connection is cut', () => {
  let database: TestDatabase;
  const clients: Sql[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.sql`create table written (v text)`;
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end({ timeout: 0 })));
    await database.drop();
  });

  function client(): { sql: Sql; cut(): Promise<unknown> } {
    const name = `victim-${clients.length}`;
    const sql = connect(database.url, { max: 1, applicationName: name });
    clients.push(sql);
    return {
      sql,
      cut: () => database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name}`,
    };
  }
  const answers = (sql: Sql) =>
    Promise.race([sql`select 1 as a`.catch(() => sql`select 1 as a`), sleep(3_000, 'hangs')]);

  test('runs no statement of the dead transaction on the next connection', async () => {
    const { sql, cut } = client();
    const dead = sql.begin(async (tx) => {
      await tx`select 1`;
      await cut();
      await sleep(300);
      await tx`insert into written values ('outside of its transaction')`;
    });
    dead.catch(() => {});
    await sleep(150);
    // The same slot of the pool works for someone else by now.
    const other = sql.begin(async (tx) => {
      await tx`insert into written values ('of the living transaction')`;
      await sleep(400);
      await tx`select 1`;
    });
    await expect(dead).rejects.toThrow();
    await other;
    expect([...(await database.sql`select v from written`)]).toEqual([{ v: 'of the living transaction' }]);
  });

  test('goes on with the next connection after a cut in the middle of a statement', async () => {
    const { sql, cut } = client();
    const running = sql`select pg_sleep(5)`.then(
      () => 'slept',
      () => 'rejected',
    );
    await sleep(100);
    await cut();
    expect(await running).toBe('rejected');
    expect(await answers(sql)).toEqual([{ a: 1 }]);
  });

  test('is not stuck when it was cut again and again under load', async () => {
    const { sql, cut } = client();
    for (let round = 0; round < 10; round++) {
      const load = Promise.allSettled(Array.from({ length: 20 }, () => sql`select pg_sleep(0.002)`));
      await sleep(10);
      await cut();
      await load;
    }
    expect(await answers(sql)).toEqual([{ a: 1 }]);
  });
});
