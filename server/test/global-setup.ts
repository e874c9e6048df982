import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { systemClock } from '../src/platform/clock.ts';
import { openDataFolder } from '../src/platform/data-folder.ts';
import { connect } from '../src/platform/db.ts';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '../src/platform/embedded-postgres/index.ts';
import { migrate } from '../src/platform/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The database `postgres` of the test run's server, to make and drop databases in. */
    adminDatabaseUrl: string;
  }
}

const FOLDER_PREFIX = 'sir-test-';
const SETTLED_MILLISECONDS = 60_000;

// Durability is not what these runs are about (the fault tests start servers of their own), and it costs most of their time.
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '300',
  shared_buffers: '128MB',
};

/** Starts one PostgreSQL for the whole run, with a migrated database to clone for each test file; answers what ends it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftOvers();
  const folder = await openDataFolder(await mkdtemp(join(tmpdir(), FOLDER_PREFIX)));
  const postgres = await startEmbeddedPostgres({ dataDir: folder.path, settings: SETTINGS });
  const adminUrl = withDatabase(postgres.url, 'postgres');
  const end = async () => {
    await removeEmbeddedPostgres(folder.path);
    await rm(folder.path, { recursive: true, force: true });
  };
  try {
    await makeTemplate(adminUrl);
  } catch (error) {
    await end();
    throw error;
  }
  project.provide('adminDatabaseUrl', adminUrl);
  return end;
}

async function makeTemplate(adminUrl: string): Promise<void> {
  const admin = connect(adminUrl, { max: 1, applicationName: 'sir-test-setup' });
  await admin.unsafe('create database sir_template');
  const template = connect(withDatabase(adminUrl, 'sir_template'), { max: 1, applicationName: 'sir-test-setup' });
  try {
    await migrate(template);
  } finally {
    await template.end({ timeout: 1 });
  }
  // Nobody, not even autovacuum's statistics, may be connected to a database while it is cloned.
  await admin.unsafe('alter database sir_template with allow_connections false is_template true');
  await admin.end({ timeout: 1 });
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** A run that was killed leaves a server and a folder: they are recognised by a lock whose holder has ended. */
async function removeLeftOvers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(FOLDER_PREFIX)) continue;
    const path = join(tmpdir(), name);
    const changed = await stat(path).catch(() => undefined);
    // A run that has only just begun may not have its lock yet.
    if (changed === undefined || systemClock.now().getTime() - changed.mtimeMs < SETTLED_MILLISECONDS) continue;
    const folder = await openDataFolder(path).catch(() => undefined);
    if (folder === undefined) continue;
    await removeEmbeddedPostgres(folder.path);
    await rm(path, { recursive: true, force: true });
  }
}
