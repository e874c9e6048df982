import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, sqlState } from '../db.ts';
import { StartupError } from '../startup-error.ts';
import { findBinaries } from './binaries.ts';
import { type Placement, placeCluster, readNote, run, writeNote } from './placement.ts';
import {
  findPostmaster,
  freePort,
  type Postmaster,
  PostmasterFailed,
  postmasterArguments,
  runsWith,
  startPostmaster,
  stopPostmaster,
} from './postmaster.ts';

export interface EmbeddedPostgresOptions {
  /** The data folder; only one process may work in it (see data-folder.ts). */
  dataDir: string;
  onProgress?: (text: string) => void;
  /** PostgreSQL settings over ours. */
  settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** `postgres://…` of the database `sir`, for its owner and superuser `sir`. */
  url: string;
  /** True when it ran already, left over by a process that was killed. */
  adopted: boolean;
  stop(): Promise<void>;
}

const MAJOR_VERSION = '18';
const USER = 'sir';
const DATABASE = 'sir';
const PORT_ATTEMPTS = 5;
const PASSWORD_BYTES = 24;
const HEALTH_CHECK_MILLISECONDS = 2_000;

/**
 * What a laptop needs; everything durable is on. There is no lz4 in these binaries to compress WAL with. The log holds no statement
 * and no DETAIL line, since those carry values of rows, and personal data must not reach a log.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};

/**
 * Starts the PostgreSQL that npm has installed, with its cluster in the data folder (as root: in a folder of its own, see
 * placement.ts), made on first use. One that a killed process of ours has left running is adopted when it is healthy and has our
 * settings, else stopped and started anew. Throws StartupError.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataFolder = await realpath(options.dataDir);
  const onProgress = options.onProgress ?? (() => {});
  const settings = { ...SETTINGS, ...options.settings };
  const placement = await placeCluster(dataFolder, await findBinaries(), onProgress);
  const { clusterFolder, ownFolder } = placement;
  const password = await ensureCluster(dataFolder, placement, settings, onProgress);
  const note = await readNote(dataFolder);
  // Written before the start too: whoever looks for the cluster of a start that failed finds it.
  await writeNote(dataFolder, { dataFolder, clusterFolder, ownFolder, port: note?.port });

  const leftOver = await findPostmaster(clusterFolder);
  let postmaster = leftOver;
  if (leftOver !== undefined && !(await isAdoptable(leftOver, placement, settings, password))) {
    onProgress('Stopping a left-over PostgreSQL');
    await stopPostmaster(leftOver);
    postmaster = undefined;
  }
  const adopted = postmaster !== undefined;
  if (!adopted) onProgress('Starting PostgreSQL');
  const running = postmaster ?? (await startOnFreePort(dataFolder, placement, settings, note?.port, onProgress));
  try {
    await writeNote(dataFolder, { dataFolder, clusterFolder, ownFolder, port: running.port });
    await ensureDatabase(running.port, password);
  } catch (error) {
    await stopPostmaster(running);
    throw error;
  }
  return {
    url: urlOf(running.port, password, DATABASE),
    adopted,
    stop: () => stopPostmaster(running),
  };
}

/** The URL of the embedded PostgreSQL that is running for a data folder, for a second process such as the command line. */
export async function runningEmbeddedPostgresUrl(dataDir: string): Promise<string | undefined> {
  const dataFolder = await realpath(dataDir).catch(() => undefined);
  const note = dataFolder === undefined ? undefined : await readNote(dataFolder);
  if (dataFolder === undefined || note?.dataFolder !== dataFolder) return undefined;
  const postmaster = await findPostmaster(note.clusterFolder);
  const password = await readPassword(dataFolder);
  return postmaster === undefined || password === undefined ? undefined : urlOf(postmaster.port, password, DATABASE);
}

/** Stops the PostgreSQL of a data folder, if it runs, and deletes its cluster with everything in it. */
export async function removeEmbeddedPostgres(dataDir: string): Promise<void> {
  const dataFolder = await realpath(dataDir);
  const note = await readNote(dataFolder);
  // The note in a copied folder speaks of the original's cluster.
  if (note?.dataFolder !== dataFolder) return;
  const postmaster = await findPostmaster(note.clusterFolder);
  if (postmaster !== undefined) await stopPostmaster(postmaster);
  await rm(note.ownFolder ?? note.clusterFolder, { recursive: true, force: true });
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

async function readPassword(dataFolder: string): Promise<string | undefined> {
  return (await readFile(join(dataFolder, 'postgres-password'), 'utf8').catch(() => undefined))?.trim();
}

/** Makes the cluster where there is none, and answers its password. */
async function ensureCluster(
  dataFolder: string,
  placement: Placement,
  settings: Readonly<Record<string, string>>,
  onProgress: (text: string) => void,
): Promise<string> {
  const { clusterFolder, ownFolder } = placement;
  const found = (await readFile(join(clusterFolder, 'PG_VERSION'), 'utf8').catch(() => undefined))?.trim();
  const known = await readPassword(dataFolder);
  if (found !== undefined && known !== undefined) {
    if (found === MAJOR_VERSION) return known;
    throw new StartupError(
      `The database in ${clusterFolder} was made by PostgreSQL ${found}, and this is ${MAJOR_VERSION}.`,
    );
  }
  if (found !== undefined) {
    if (ownFolder === undefined || (await readNote(dataFolder)) !== undefined) {
      const path = join(dataFolder, 'postgres-password');
      throw new StartupError(`The password of the database in ${clusterFolder} is missing: put ${path} back.`);
    }
    await setAside(clusterFolder, onProgress);
  }

  onProgress('Creating the database');
  const password = randomBytes(PASSWORD_BYTES).toString('hex');
  await writeFile(join(dataFolder, 'postgres-password'), `${password}\n`, { mode: 0o600 });
  await initialise(placement, password, settings.fsync === 'off');
  return password;
}

/**
 * Somebody has deleted the data folder to start afresh, and the cluster outside of it stayed. It is kept once more, in case that was
 * not what they meant.
 */
async function setAside(clusterFolder: string, onProgress: (text: string) => void): Promise<void> {
  onProgress(`Setting the database of a deleted data folder aside: ${clusterFolder}.deleted`);
  const postmaster = await findPostmaster(clusterFolder);
  if (postmaster !== undefined) await stopPostmaster(postmaster);
  await rm(`${clusterFolder}.deleted`, { recursive: true, force: true });
  await rename(clusterFolder, `${clusterFolder}.deleted`);
}

/** A cluster appears whole: a start that is killed meanwhile leaves only what the next one clears away. */
async function initialise(placement: Placement, password: string, withoutSync: boolean): Promise<void> {
  const part = `${placement.clusterFolder}.part`;
  await rm(part, { recursive: true, force: true });
  const folder = await mkdtemp(join(tmpdir(), 'sir-initdb-'));
  try {
    const passwordPath = join(folder, 'password');
    await writeFile(passwordPath, password, { mode: 0o600 });
    if (placement.runAs !== undefined) {
      await chown(passwordPath, placement.runAs.uid, placement.runAs.gid);
      await chown(folder, placement.runAs.uid, placement.runAs.gid);
    }
    const { status, output } = await run(
      join(placement.programFolder, 'initdb'),
      [
        ...['-D', part, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${passwordPath}`, '-E', 'UTF8', '--no-locale'],
        ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', ...(withoutSync ? ['--no-sync'] : [])],
      ],
      placement.runAs,
    );
    if (status !== 0) throw new StartupError(`The database could not be created: ${lastLine(output)}`);
    await rename(part, placement.clusterFolder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function lastLine(output: string): string {
  const lines = output.trim().split('\n');
  return (lines.findLast((line) => /FATAL|error:/.test(line)) ?? lines.at(-1) ?? '').replace(
    /^.*?(FATAL|error): */,
    '',
  );
}

async function isAdoptable(
  leftOver: Postmaster,
  placement: Placement,
  settings: Readonly<Record<string, string>>,
  password: string,
): Promise<boolean> {
  if (!(await runsWith(placement, postmasterArguments(placement.clusterFolder, leftOver.port, settings)))) return false;
  const sql = connect(urlOf(leftOver.port, password, 'postgres'), { max: 1, applicationName: 'sir-start' });
  // One that hangs (a stopped process, say) takes the connection and never answers.
  const tooLate = new AbortController();
  try {
    const answer = sql`select 1`.then(() => true);
    return await Promise.race([answer, sleep(HEALTH_CHECK_MILLISECONDS, false, { signal: tooLate.signal })]);
  } catch {
    return false;
  } finally {
    tooLate.abort();
    await sql.end({ timeout: 1 });
  }
}

async function startOnFreePort(
  dataFolder: string,
  placement: Placement,
  settings: Readonly<Record<string, string>>,
  lastPort: number | undefined,
  onProgress: (text: string) => void,
): Promise<Postmaster> {
  const logPath = join(dataFolder, 'postgres.log');
  for (let attempt = 1; ; attempt++) {
    // The port of the last time keeps an operator's notes valid; another process may have taken it, now or a moment later.
    const port = await freePort(attempt === 1 ? lastPort : undefined);
    try {
      return await startPostmaster(
        placement,
        postmasterArguments(placement.clusterFolder, port, settings),
        logPath,
        onProgress,
      );
    } catch (error) {
      if (!(error instanceof PostmasterFailed)) throw error;
      if (error.output.includes('could not bind') && attempt < PORT_ATTEMPTS) continue;
      throw new StartupError(`PostgreSQL did not start: ${lastLine(error.output)} (see ${logPath})`);
    }
  }
}

async function ensureDatabase(port: number, password: string): Promise<void> {
  const sql = connect(urlOf(port, password, 'postgres'), { max: 1, applicationName: 'sir-start' });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql.unsafe(`create database ${DATABASE}`);
  } catch (error) {
    const state = sqlState(error);
    if (state === '28P01') {
      throw new StartupError(
        'The embedded PostgreSQL refuses the password in the data folder: it belongs to another database.',
      );
    }
    throw error;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
