import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { checkDatabase } from './check-database.ts';
import { connect, type Sql } from './db.ts';
import { migrate, migrationsArePending, readMigrations, refuseOldServer } from './migrate.ts';

let database: TestDatabase;
let sql: Sql;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

// Each test migrates a schema of its own: the current schema is where all names go.
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sir-migrations-'));
  await database.sql`create schema own`;
  sql = openInOwnSchema();
});
afterEach(async () => {
  await sql.end();
  await database.sql`drop schema own cascade`;
  await rm(folder, { recursive: true });
});

function openInOwnSchema(): Sql {
  return connect(`${database.url}?search_path=own`, { max: 4, applicationName: 'sir-test-migrate' });
}

async function writeMigration(file: string, text: string): Promise<void> {
  await writeFile(join(folder, file), text);
}

async function appliedNames(): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`select name from schema_migrations order by version`;
  return rows.map(({ name }) => name);
}

test('a cloned test database has had every migration of the tree', async () => {
  expect(await migrationsArePending(database.sql)).toBe(false);
  expect(readMigrations().length).toBeGreaterThan(0);
});

test('what is missing is applied in order, once, and is pending until then', async () => {
  await writeMigration('000001_first.sql', 'create table first (id int); insert into first values (1);');
  expect(await migrationsArePending(sql, readMigrations(folder))).toBe(true);
  await migrate(sql, { folder });
  await writeMigration('000002_second.sql', 'alter table first add column second int; update first set second = id;');
  expect(await migrationsArePending(sql, readMigrations(folder))).toBe(true);
  await migrate(sql, { folder });
  await migrate(sql, { folder });
  expect(await migrationsArePending(sql, readMigrations(folder))).toBe(false);
  expect(await appliedNames()).toEqual(['000001_first', '000002_second']);
  expect(await sql`select id, second from first`).toEqual([{ id: 1, second: 1 }]);
});

test('a migration that fails leaves nothing of itself, and those before it stay', async () => {
  await writeMigration('000001_first.sql', 'create table first (id int);');
  await writeMigration('000002_broken.sql', 'create table second (id int); select 1 / 0;');
  await expect(migrate(sql, { folder })).rejects.toThrow('division by zero');
  expect(await appliedNames()).toEqual(['000001_first']);
  expect(await sql`select to_regclass('second') as found`).toEqual([{ found: null }]);
});

test('eight processes that start at once apply each migration exactly once', async () => {
  await writeMigration('000001_first.sql', 'create table first (id int);');
  await writeMigration('000002_second.sql', 'insert into first values (1); select pg_sleep(0.05);');
  await writeMigration('000003_third.sql', 'insert into first values (2);');
  const pools = Array.from({ length: 8 }, openInOwnSchema);
  await Promise.all(pools.map((pool) => migrate(pool, { folder })));
  await Promise.all(pools.map((pool) => pool.end()));
  expect(await sql`select id from first order by id`).toEqual([{ id: 1 }, { id: 2 }]);
});

test('a database that is newer than the code is refused, and is not pending', async () => {
  await writeMigration('000001_first.sql', 'create table first (id int);');
  await migrate(sql, { folder });
  await sql`insert into schema_migrations (version, name, checksum) values (2, '000002_later', 'x')`;
  await expect(migrate(sql, { folder })).rejects.toThrow(
    /^The database has had the migration 000002_later, .* newer version\.$/,
  );
  expect(await migrationsArePending(sql, readMigrations(folder))).toBe(false);
});

test('an applied migration whose file changed, went away or was put in between is refused', async () => {
  await writeMigration('000001_first.sql', 'create table first (id int);\n');
  await writeMigration('000003_third.sql', 'create table third (id int);\n');
  await migrate(sql, { folder });

  await writeMigration('000001_first.sql', 'create table first (id int);\r\n');
  await migrate(sql, { folder });
  await writeMigration('000001_first.sql', 'create table first (id bigint);\n');
  await expect(migrate(sql, { folder })).rejects.toThrow(/^The migration 000001_first .* in another form: .*\.$/);
  await rm(join(folder, '000001_first.sql'));
  await expect(migrate(sql, { folder })).rejects.toThrow(/^The migration 000001_first .* its file is gone\.$/);
  await writeMigration('000001_first.sql', 'create table first (id int);\n');
  await writeMigration('000002_second.sql', 'select 1;\n');
  await expect(migrate(sql, { folder })).rejects.toThrow(/^The migration 000002_second was never applied, .*\.$/);
});

test('a file out of pattern or a number used twice is refused', async () => {
  await writeMigration('1_first.sql', 'select 1;');
  expect(() => readMigrations(folder)).toThrow('is not named like');
  await rm(join(folder, '1_first.sql'));
  await writeMigration('000001_first.sql', 'select 1;');
  await writeMigration('000001_other.sql', 'select 1;');
  expect(() => readMigrations(folder)).toThrow('Two migrations have the number 000001');
});

test('PostgreSQL older than 15 is refused', () => {
  expect(() => refuseOldServer(140_019, '14.19')).toThrow(
    'The database is PostgreSQL 14.19, and version 15 or newer is needed.',
  );
  expect(() => refuseOldServer(150_000, '15.0')).not.toThrow();
});

test('a production database that could lose a commit is refused, with the settings named', async () => {
  // The test run's server has fsync and full_page_writes off.
  await expect(checkDatabase(sql, { production: true })).rejects.toThrow(
    /since fsync, full_page_writes, synchronous_commit is off: production needs/,
  );
  await expect(checkDatabase(sql, { production: false })).resolves.toBeUndefined();
});

test('a database out of reach is told in one sentence without its password', async () => {
  const url = new URL(database.url);
  url.password = 'wrong-secret';
  const refused = connect(url.href, { max: 1, applicationName: 'sir-test' });
  await expect(checkDatabase(refused, { production: false })).rejects.toThrow(
    new RegExp(
      `^The database at 127.0.0.1:${url.port} cannot be used: it refuses this user and password \\(28P01\\)\\.$`,
    ),
  );
  url.port = '1';
  const nobody = connect(url.href, { max: 1, applicationName: 'sir-test' });
  await expect(checkDatabase(nobody, { production: false })).rejects.toThrow(
    /: nothing listens there \(ECONNREFUSED\)\.$/,
  );
  await Promise.all([refused.end(), nobody.end()]);
});
