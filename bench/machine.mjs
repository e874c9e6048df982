import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inDatabase } from './cluster.mjs';
import { run } from './processes.mjs';
import { medianOf } from './rounds.mjs';

/**
 * @typedef {import('./cluster.mjs').Cluster} Cluster
 * @typedef {import('./tools.mjs').Tools} Tools
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMMITS = 1_000;
const SETTINGS = [
  ...['fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'commit_delay', 'data_checksums'],
  ...[
    'shared_buffers',
    'max_wal_size',
    'checkpoint_timeout',
    'wal_compression',
    'autovacuum',
    'jit',
    'max_connections',
  ],
];

/**
 * What the figures depend on, as lines to print beside them.
 * @param {Cluster} cluster @param {Tools} tools @returns {Promise<Record<string, string>>}
 */
export async function describeMachine(cluster, tools) {
  const [about] = await cluster.admin`
    select split_part(version(), ' ', 2) as version, current_setting('data_directory') as folder`;
  const folder = String(about?.folder);
  return {
    Date: new Date().toISOString(),
    Commit:
      git('rev-parse', '--short=12', 'HEAD') +
      (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', changed'),
    Machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    Kernel: `${type()} ${release()}`,
    Versions: `Node ${process.versions.node}, PostgreSQL ${about?.version}, ${await versionOf(tools.pgbench)}, wrk with 1 thread`,
    'Commit latency': `${(await commitLatency(cluster)).toFixed(2)} ms, median of ${COMMITS} one-row commits on one connection`,
    'Disk flush': await flushTime(tools, folder),
    PostgreSQL: await settings(cluster),
  };
}

/** @param {string[]} args */
function git(...args) {
  try {
    return execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

/** @param {string} program */
async function versionOf(program) {
  const { output } = await run(program, ['--version']);
  return output.replace(/[()]/g, '').split(' ').slice(0, 3).join(' ').trim();
}

/** Milliseconds. @param {Cluster} cluster */
async function commitLatency(cluster) {
  return inDatabase(cluster, 'postgres', async (sql) => {
    await sql`create table commits (n int)`;
    await sql`insert into commits values (0)`;
    const times = [];
    for (let commit = 0; commit < COMMITS; commit++) {
      const begin = performance.now();
      await sql`update commits set n = n + 1`;
      times.push(performance.now() - begin);
    }
    await sql`drop table commits`;
    return medianOf(times);
  });
}

/** The time of one fdatasync of 8 kB on the disk of the cluster, and the kind of its file system. @param {Tools} tools @param {string} clusterFolder */
async function flushTime({ pgTestFsync }, clusterFolder) {
  const folder = dirname(clusterFolder);
  const kind = (await run('stat', ['-f', '-c', '%T', folder])).output.trim();
  if (pgTestFsync === undefined) return `pg_test_fsync is not here; file system ${kind}`;
  const { output } = await run(pgTestFsync, ['-s', '1', '-f', join(folder, 'pg_test_fsync.out')]);
  const microseconds = /^\s*fdatasync\s+[\d.]+ ops\/sec\s+(\d+) usecs\/op/m.exec(output)?.[1];
  return `fdatasync ${(Number(microseconds) / 1_000).toFixed(2)} ms (pg_test_fsync), file system ${kind}`;
}

/** @param {Cluster} cluster */
async function settings(cluster) {
  const rows =
    await cluster.admin`select name, current_setting(name) as value from pg_settings where name = any(${SETTINGS})`;
  const values = new Map(rows.map((row) => [row.name, row.value]));
  return SETTINGS.map((name) => `${name}=${values.get(name)}`).join(' ');
}
