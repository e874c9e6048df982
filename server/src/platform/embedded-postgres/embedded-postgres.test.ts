import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { connect } from '../db.ts';
import { waitForEnd } from '../running-process.ts';
import { removeEmbeddedPostgres, runningEmbeddedPostgresUrl, startEmbeddedPostgres } from './index.ts';
import { readNote } from './placement.ts';
import { findPostmaster, type Postmaster, stopPostmaster } from './postmaster.ts';

const SETTINGS = { fsync: 'off', shared_buffers: '16MB' };

// Each test starts servers; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let parent: string;
/** Has a cluster already; for the tests that are not about making one. */
let initialised: string;
let dataDir: string;
let stranger: ChildProcess | undefined;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sir-embedded-'));
  initialised = await newDataDir('initialised');
  const postgres = await startEmbeddedPostgres({ dataDir: initialised, settings: SETTINGS });
  await ask(postgres.url, 'create table kept as select 42 as answer');
  await postgres.stop();
});
beforeEach(() => {
  dataDir = initialised;
});
afterEach(async () => {
  stranger?.kill('SIGKILL');
  stranger = undefined;
  const running = await findPostmaster(await clusterFolder());
  if (running !== undefined) await stopPostmaster(running);
});
afterAll(async () => {
  for (const name of await readdir(parent)) await removeEmbeddedPostgres(join(parent, name));
  await rm(parent, { recursive: true, force: true });
});

async function newDataDir(name: string): Promise<string> {
  const path = join(parent, name);
  await mkdir(path, { mode: 0o700 });
  return path;
}

async function start(): Promise<{ url: string; adopted: boolean; postmaster: Postmaster; steps: string[] }> {
  const steps: string[] = [];
  const { url, adopted } = await startEmbeddedPostgres({
    dataDir,
    settings: SETTINGS,
    onProgress: (text) => steps.push(text),
  });
  return { url, adopted, postmaster: await runningPostmaster(), steps };
}

async function runningPostmaster(): Promise<Postmaster> {
  const postmaster = await findPostmaster((await readNote(dataDir))?.clusterFolder ?? '');
  if (postmaster === undefined) throw new Error('no PostgreSQL runs');
  return postmaster;
}

async function clusterFolder(): Promise<string> {
  return String((await readNote(dataDir))?.clusterFolder);
}

async function kill(postmaster: Postmaster): Promise<void> {
  process.kill(postmaster.pid, 'SIGKILL');
  await waitForEnd(postmaster.pid, postmaster.identity, 5_000);
}

async function ask<Row>(url: string, query: string): Promise<Row | undefined> {
  const sql = connect(url, { max: 1, applicationName: 'sir-test' });
  try {
    const [row] = await sql.unsafe<Row[]>(query);
    return row;
  } finally {
    await sql.end();
  }
}

test('a first start makes a private UTF-8 database that is durable by default and listens on the loopback alone', async () => {
  dataDir = await newDataDir('first');
  const { url } = await startEmbeddedPostgres({ dataDir });
  const row = await ask<Record<string, string>>(
    url,
    `select current_database() as database, current_user as user, split_part(version(), ' ', 2) as version,
       current_setting('fsync') || current_setting('full_page_writes') || current_setting('synchronous_commit') as durable,
       current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets,
       pg_encoding_to_char(encoding) as encoding, datlocprovider::text || datlocale as locale, lower('ÄÖ') as lower
     from pg_database where datname = current_database()`,
  );
  expect(row).toEqual({
    database: 'sir',
    user: 'sir',
    version: expect.stringMatching(/^18\./),
    durable: 'ononon',
    listens: '127.0.0.1',
    sockets: '',
    encoding: 'UTF8',
    locale: 'bC.UTF-8',
    lower: 'äö',
  });
  expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(dataDir, 'postgres.log'))).mode & 0o777).toBe(0o600);
  expect((await stat(await clusterFolder())).mode & 0o777).toBe(0o700);
  const stolen = new URL(url);
  stolen.password = 'guessed';
  await expect(ask(stolen.href, 'select 1')).rejects.toThrow('password authentication failed');
});

test('a second start finds the data at the same address', async () => {
  const first = await start();
  await stopPostmaster(first.postmaster);
  expect(await runningEmbeddedPostgresUrl(dataDir)).toBeUndefined();
  const second = await start();
  expect(second).toMatchObject({ url: first.url, adopted: false, steps: ['Starting PostgreSQL'] });
  expect(await runningEmbeddedPostgresUrl(dataDir)).toBe(first.url);
  expect(await ask(second.url, 'select answer from kept')).toEqual({ answer: 42 });
});

test('a left-over that is healthy is adopted; one with other settings is started anew', async () => {
  const first = await start();
  const second = await start();
  expect(second).toMatchObject({ url: first.url, adopted: true, postmaster: first.postmaster, steps: [] });
  const third = await startEmbeddedPostgres({ dataDir, settings: { ...SETTINGS, max_connections: '33' } });
  expect(third.adopted).toBe(false);
  expect(await ask(third.url, 'show max_connections')).toEqual({ max_connections: '33' });
});

test('a left-over that hangs is stopped and started anew', async () => {
  const first = await start();
  process.kill(first.postmaster.pid, 'SIGSTOP');
  const second = await start();
  expect(second).toMatchObject({ adopted: false, steps: ['Stopping a left-over PostgreSQL', 'Starting PostgreSQL'] });
  expect(second.postmaster.pid).not.toBe(first.postmaster.pid);
});

test('after PostgreSQL itself was killed the next start recovers, also when a stranger has its process id by now', async () => {
  const first = await start();
  await kill(first.postmaster);
  const second = await start();
  expect(await ask(second.url, 'select answer from kept')).toEqual({ answer: 42 });

  await kill(second.postmaster);
  stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(stranger, 'spawn');
  const path = join(await clusterFolder(), 'postmaster.pid');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(/^\d+/, String(stranger.pid)));
  const third = await start();
  expect(await ask(third.url, 'select answer from kept')).toEqual({ answer: 42 });
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
});

test('a port that somebody else took meanwhile is given up', async () => {
  const first = await start();
  await stopPostmaster(first.postmaster);
  const taker = createServer().listen(first.postmaster.port, '127.0.0.1');
  await once(taker, 'listening');
  const second = await start();
  expect(second.postmaster.port).not.toBe(first.postmaster.port);
  taker.close();
});

test('what a start killed during the creation left is cleared away', async () => {
  dataDir = await newDataDir('killed');
  const first = await start();
  await stopPostmaster(first.postmaster);
  const cluster = await clusterFolder();
  await rename(cluster, `${cluster}.part`);
  await rm(join(`${cluster}.part`, 'PG_VERSION'));
  const second = await start();
  expect(second.steps).toEqual(['Creating the database', 'Starting PostgreSQL']);
  await expect(stat(`${cluster}.part`)).rejects.toThrow('ENOENT');
});

test('a lost password or a cluster of another version is told in one sentence', async () => {
  dataDir = await newDataDir('version');
  const first = await start();
  await stopPostmaster(first.postmaster);
  await rename(join(dataDir, 'postgres-password'), join(dataDir, 'lost'));
  await expect(start()).rejects.toThrow(/^The password of the database in .* is missing: put .* back\.$/);
  await rename(join(dataDir, 'lost'), join(dataDir, 'postgres-password'));
  await writeFile(join(await clusterFolder(), 'PG_VERSION'), '17\n');
  await expect(start()).rejects.toThrow(/^The database in .* was made by PostgreSQL 17, and this is 18\.$/);
});

test('a deleted data folder means a fresh start', async () => {
  dataDir = await newDataDir('deleted');
  const first = await start();
  const cluster = await clusterFolder();
  await ask(first.url, 'create table kept as select 42 as answer');
  await rm(dataDir, { recursive: true });
  await mkdir(dataDir, { mode: 0o700 });
  const second = await start();
  expect(await ask(second.url, `select to_regclass('kept') as found`)).toEqual({ found: null });
  if (process.getuid?.() === 0) {
    expect(second.steps[0]).toBe(`Setting the database of a deleted data folder aside: ${cluster}.deleted`);
    expect((await stat(`${cluster}.deleted`)).isDirectory()).toBe(true);
  }
});

test('a moved data folder takes its database along; as root, a copy without its database is refused', async () => {
  dataDir = await newDataDir('original');
  const first = await start();
  await ask(first.url, 'create table kept as select 42 as answer');
  const old = dataDir;
  dataDir = join(parent, 'moved');
  await rename(old, dataDir);
  const second = await start();
  expect(second.adopted).toBe(false);
  expect(await ask(second.url, 'select answer from kept')).toEqual({ answer: 42 });
  if (process.getuid?.() !== 0) return;
  await stopPostmaster(second.postmaster);
  await cp(dataDir, old, { recursive: true });
  const copied = startEmbeddedPostgres({ dataDir: old, settings: SETTINGS });
  await expect(copied).rejects.toThrow(/is a copy of .* and was not copied: use the original, or remove the copy\.$/);
  await rm(old, { recursive: true });
});
