import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Queryable, type Sql, sqlState, type Tx } from './db.ts';
import { StartupError } from './startup-error.ts';

/** One file of `server/migrations`. */
export interface Migration {
  version: number;
  name: string;
  /** SHA-256 of its text, hex. */
  checksum: string;
  text: string;
}

interface AppliedMigration {
  version: number;
  name: string;
  checksum: string;
}

// The same from `src` (tests) and from `dist`.
const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));
const LOWEST_SERVER_VERSION = 150_000;
// Long enough for another process that is migrating; a statement inside a migration waits only a moment, since whoever waits for
// a table lock makes everybody behind it wait too.
const WAIT_FOR_OTHERS_TIMEOUT = '120s';
const MIGRATION_LOCK_TIMEOUT = '5s';

/** Reads the migrations in order of their numbers. Throws StartupError on a name out of pattern or a number used twice. */
export function readMigrations(folder: string = MIGRATIONS_FOLDER): Migration[] {
  const migrations: Migration[] = [];
  for (const file of readdirSync(folder).sort()) {
    const match = /^(\d{6})_[a-z0-9_]+\.sql$/.exec(file);
    if (match === null) throw new StartupError(`${join(folder, file)} is not named like 000001_what_it_does.sql.`);
    const version = Number(match[1]);
    if (migrations.at(-1)?.version === version)
      throw new StartupError(`Two migrations have the number ${match[1]} in ${folder}.`);
    // A checkout with Windows line ends must not look like a changed migration.
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n');
    migrations.push({
      version,
      name: file.slice(0, -4),
      checksum: createHash('sha256').update(text).digest('hex'),
      text,
    });
  }
  return migrations;
}

/**
 * Brings the database up to the code: applies what is missing, in order, each migration in a transaction of its own. Safe when
 * several processes start at once: each step holds a lock on `schema_migrations`. Throws StartupError, with nothing changed, when
 * PostgreSQL is older than 15, the database is newer than the code, or an applied migration's file has changed.
 */
export async function migrate(
  sql: Sql,
  options: { folder?: string; onProgress?: (text: string) => void } = {},
): Promise<void> {
  const migrations = readMigrations(options.folder);
  const server = await serverVersion(sql);
  refuseOldServer(server.number, server.text);
  await createRecord(sql);
  judge(migrations, await appliedMigrations(sql));
  for (const migration of migrations) {
    const applied = await appliedMigrations(sql);
    if (applied.some(({ version }) => version === migration.version)) continue;
    options.onProgress?.(`Migrating the database: ${migration.name}`);
    await apply(sql, migrations, migration);
  }
}

/** Whether the code knows migrations that the database has not had yet: such a process is not ready to serve. */
export async function migrationsArePending(
  sql: Queryable,
  migrations: readonly Migration[] = readMigrations(),
): Promise<boolean> {
  try {
    const applied = new Set((await appliedMigrations(sql)).map(({ version }) => version));
    return migrations.some(({ version }) => !applied.has(version));
  } catch (error) {
    // 42P01: there is no such table, so nothing was ever applied.
    if (sqlState(error) === '42P01') return true;
    throw error;
  }
}

async function serverVersion(sql: Sql): Promise<{ number: number; text: string }> {
  const [row] = await sql<{ number: number; text: string }[]>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as text`;
  return row ?? { number: 0, text: 'of unknown version' };
}

/** Refuses a PostgreSQL that the schema was not made for; `number` as in `server_version_num` (150004). */
export function refuseOldServer(number: number, text: string): void {
  if (number >= LOWEST_SERVER_VERSION) return;
  throw new StartupError(`The database is PostgreSQL ${text}, and version 15 or newer is needed.`);
}

async function createRecord(sql: Sql): Promise<void> {
  const [found] =
    await sql`select 1 from pg_tables where schemaname = current_schema() and tablename = 'schema_migrations'`;
  if (found !== undefined) return;
  try {
    await sql`
      create table if not exists schema_migrations (
        version int primary key,
        name text not null,
        checksum text not null,
        applied_at timestamptz not null default now()
      )`;
  } catch (error) {
    // Two at once: "if not exists" looks before it makes, so the loser may meet the winner's catalog row.
    if (!['23505', '42P07', '42710'].includes(sqlState(error) ?? '')) throw error;
  }
}

async function appliedMigrations(sql: Queryable): Promise<AppliedMigration[]> {
  return sql<AppliedMigration[]>`select version, name, checksum from schema_migrations order by version`;
}

/** Refuses a database that this code cannot work on. */
function judge(migrations: readonly Migration[], applied: readonly AppliedMigration[]): void {
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  const newestKnown = migrations.at(-1)?.version ?? 0;
  const newestApplied = applied.at(-1);
  if (newestApplied !== undefined && newestApplied.version > newestKnown) {
    throw new StartupError(
      `The database has had the migration ${newestApplied.name}, which this version does not know: start a newer version.`,
    );
  }
  for (const { version, name, checksum } of applied) {
    const migration = known.get(version);
    if (migration === undefined)
      throw new StartupError(`The migration ${name} was applied to the database, but its file is gone.`);
    if (migration.checksum !== checksum) {
      throw new StartupError(
        `The migration ${name} was applied to the database in another form: applied migrations must not be changed.`,
      );
    }
  }
  const skipped = migrations.find(
    ({ version }) => version < (newestApplied?.version ?? 0) && !applied.some((row) => row.version === version),
  );
  if (skipped !== undefined) {
    throw new StartupError(
      `The migration ${skipped.name} was never applied, but later ones were: give it a number after ${newestApplied?.name}.`,
    );
  }
}

async function apply(sql: Sql, migrations: readonly Migration[], migration: Migration): Promise<void> {
  await sql.begin(async (tx: Tx) => {
    await tx.unsafe(`set local lock_timeout = '${WAIT_FOR_OTHERS_TIMEOUT}'; set local statement_timeout = 0`);
    await tx`lock table schema_migrations in share row exclusive mode`;
    await tx.unsafe(`set local lock_timeout = '${MIGRATION_LOCK_TIMEOUT}'`);
    const applied = await appliedMigrations(tx);
    judge(migrations, applied);
    // Another process may have applied it while we waited.
    if (applied.some(({ version }) => version === migration.version)) return;
    await tx.unsafe(migration.text);
    await tx`insert into schema_migrations (version, name, checksum) values (${migration.version}, ${migration.name}, ${migration.checksum})`;
  });
}
