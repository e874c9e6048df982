import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataFolder } from '../../src/platform/data-folder.ts';
import { connect, type Sql } from '../../src/platform/db.ts';
import {
  type EmbeddedPostgres,
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres/index.ts';
import { readNote } from '../../src/platform/embedded-postgres/placement.ts';
import { findPostmaster, type Postmaster } from '../../src/platform/embedded-postgres/postmaster.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { waitForEnd } from '../../src/platform/running-process.ts';

// What a killed run leaves behind is found by this name and cleared away (test/global-setup.ts).
const FOLDER_PREFIX = 'sir-test-';
const STOP_LIMIT_MILLISECONDS = 10_000;

/** A PostgreSQL of the test file's own, as durable as in production, to be killed and hung. */
export interface OwnPostgres {
  /** A fresh, migrated database. */
  createDatabase(): Promise<{ url: string; sql: Sql }>;
  /** Ends it like a crash of its own making: no checkpoint, every session cut. */
  stopImmediately(): Promise<void>;
  /** kill -9 of the postmaster; its children notice by themselves. */
  kill(): Promise<void>;
  startAgain(): Promise<void>;
  /** Stops the postmaster and all its processes in their tracks; nothing is closed and nothing answers. */
  freeze(): Promise<void>;
  thaw(): void;
  remove(): Promise<void>;
}

/** Starts one with the settings of the product: fsync, full_page_writes and synchronous_commit on. */
export async function startOwnPostgres(settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
  const folder = await openDataFolder(await mkdtemp(join(tmpdir(), FOLDER_PREFIX)));
  const options = { dataDir: folder.path, settings: { max_connections: '200', ...settings } };
  const running: EmbeddedPostgres = await startEmbeddedPostgres(options);
  const frozen: number[] = [];
  const opened: Sql[] = [];
  const watcher = connect(withDatabase(running.url, 'postgres'), { max: 1, applicationName: 'sir-faults' });
  opened.push(watcher);

  const end = async (signal: NodeJS.Signals) => {
    const postmaster = await findRunning(folder.path);
    process.kill(postmaster.pid, signal);
    if (!(await waitForEnd(postmaster.pid, postmaster.identity, STOP_LIMIT_MILLISECONDS)))
      throw new Error(`PostgreSQL survived ${signal}`);
  };
  const thaw = () => {
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT');
  };
  return {
    createDatabase: async () => {
      const name = `sir_${randomBytes(4).toString('hex')}`;
      await watcher.unsafe(`create database ${name}`);
      const url = withDatabase(running.url, name);
      const sql = connect(url, { max: 4, applicationName: 'sir-faults' });
      opened.push(sql);
      await migrate(sql);
      return { url, sql };
    },
    stopImmediately: () => end('SIGQUIT'),
    kill: () => end('SIGKILL'),
    startAgain: async () => {
      const { url } = await startEmbeddedPostgres(options);
      if (url !== running.url) throw new Error('PostgreSQL has moved to another port');
    },
    freeze: async () => {
      const { pid } = await findRunning(folder.path);
      // After a restart it has to connect anew, which it could not any more.
      await watcher`select 1`;
      // First the postmaster, so that no process is added to the list that follows.
      process.kill(pid, 'SIGSTOP');
      frozen.push(pid);
      const processes = await watcher<{ pid: number }[]>`select pid from pg_stat_activity`;
      for (const { pid: child } of processes) {
        process.kill(child, 'SIGSTOP');
        frozen.push(child);
      }
    },
    thaw,
    remove: async () => {
      thaw();
      await Promise.all(opened.map((sql) => sql.end({ timeout: 1 })));
      await removeEmbeddedPostgres(folder.path);
      await folder.release();
      await rm(folder.path, { recursive: true, force: true });
    },
  };
}

/** The postmaster that serves a data folder. */
export async function findRunning(dataDir: string): Promise<Postmaster> {
  const postmaster = await findPostmaster((await readNote(dataDir))?.clusterFolder ?? '');
  if (postmaster === undefined) throw new Error('PostgreSQL is not running');
  return postmaster;
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
