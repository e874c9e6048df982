import { spawn } from 'node:child_process';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPostgresOf, processIdentity, waitForEnd } from '../running-process.ts';
import { StartupError } from '../startup-error.ts';
import type { Placement } from './placement.ts';

/** A running PostgreSQL server process, ours or left over. */
export interface Postmaster {
  pid: number;
  identity: string;
  port: number;
}

const POLL_MILLISECONDS = 5;
const SLOW_START_MILLISECONDS = 3_000;
const FAST_STOP_MILLISECONDS = 20_000;
const IMMEDIATE_STOP_MILLISECONDS = 5_000;
const LOG_LIMIT_BYTES = 10_000_000;

interface PostmasterFile {
  pid: number;
  port: number;
  status: string;
}

/** `postmaster.pid`: pid, folder, start, port, socket folder, address, shared memory, status (utils/pidfile.h). */
async function readPostmasterFile(clusterFolder: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(clusterFolder, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const lines = text?.split('\n');
  const pid = Number(lines?.[0]);
  if (lines === undefined || !Number.isSafeInteger(pid) || pid <= 1) return undefined;
  return { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? '' };
}

/** The PostgreSQL that still serves the cluster, if one does: left by a process of ours that was killed. */
export async function findPostmaster(clusterFolder: string): Promise<Postmaster | undefined> {
  const file = await readPostmasterFile(clusterFolder);
  if (file === undefined || !(await isPostgresOf(file.pid, clusterFolder))) return undefined;
  const identity = await processIdentity(file.pid);
  return identity === undefined ? undefined : { pid: file.pid, identity, port: file.port };
}

/** Whether the postmaster was started with exactly these arguments; PostgreSQL notes them in `postmaster.opts`. */
export async function runsWith(placement: Placement, programArguments: readonly string[]): Promise<boolean> {
  const noted = await readFile(join(placement.clusterFolder, 'postmaster.opts'), 'utf8').catch(() => '');
  return noted.trimEnd().endsWith(programArguments.map((argument) => `"${argument}"`).join(' '));
}

/** The command line: everything is set here, so that no file in the cluster has to be written by us. */
export function postmasterArguments(
  clusterFolder: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): string[] {
  const pairs = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', clusterFolder, '-p', String(port), ...pairs];
}

/** A TCP port of the loopback that is free now: the preferred one, or one chosen by the system. */
export async function freePort(preferred: number | undefined): Promise<number> {
  const tryPort = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
        const address = server.address();
        server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
      });
    });
  const port = (preferred === undefined ? undefined : await tryPort(preferred)) ?? (await tryPort(0));
  if (port === undefined) throw new StartupError('No TCP port of 127.0.0.1 is free for PostgreSQL.');
  return port;
}

/** PostgreSQL did not come up; `output` is what it said. */
export class PostmasterFailed extends Error {
  readonly output: string;
  constructor(output: string) {
    super('PostgreSQL did not start');
    this.output = output;
  }
}

/**
 * Starts PostgreSQL in a session of its own, so that a Ctrl-C at the console reaches us alone and we drain before it stops, and
 * waits until it accepts connections. Throws PostmasterFailed.
 */
export async function startPostmaster(
  placement: Placement,
  programArguments: readonly string[],
  logPath: string,
  onProgress: (text: string) => void,
): Promise<Postmaster> {
  await forgetForeignPid(placement.clusterFolder);
  const logStart = await shortenLog(logPath);
  const log = await open(logPath, 'a', 0o600);
  const child = spawn(join(placement.programFolder, 'postgres'), programArguments, {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    ...placement.runAs,
  });
  let ended = false;
  child.once('error', () => {
    ended = true;
  });
  child.once('exit', () => {
    ended = true;
  });
  child.unref();
  await log.close();

  const slow = setTimeout(() => onProgress('PostgreSQL is recovering from its last run'), SLOW_START_MILLISECONDS);
  try {
    while (!ended) {
      const file = await readPostmasterFile(placement.clusterFolder);
      const identity =
        file?.pid === child.pid && file?.status === 'ready' ? await processIdentity(file.pid) : undefined;
      if (file !== undefined && identity !== undefined) return { pid: file.pid, identity, port: file.port };
      await sleep(POLL_MILLISECONDS);
    }
  } finally {
    clearTimeout(slow);
  }
  const output = await readFile(logPath, 'utf8');
  throw new PostmasterFailed(output.slice(logStart));
}

/**
 * After a crash the process number in `postmaster.pid` may by now belong to somebody else's process, and PostgreSQL would refuse
 * to start because of it. Our own number is put in its place: PostgreSQL takes its parent's number for a left-over, and still looks
 * by the file's other lines whether an orphan of the old server uses the cluster's shared memory.
 */
async function forgetForeignPid(clusterFolder: string): Promise<void> {
  const path = join(clusterFolder, 'postmaster.pid');
  const file = await readPostmasterFile(clusterFolder);
  if (
    file === undefined ||
    (await processIdentity(file.pid)) === undefined ||
    (await isPostgresOf(file.pid, clusterFolder))
  )
    return;
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(/^\d+/, String(process.pid)), { flag: 'r+' });
  await truncate(path, Buffer.byteLength(text.replace(/^\d+/, String(process.pid))));
}

async function shortenLog(path: string): Promise<number> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size <= LOG_LIMIT_BYTES) return size;
  await truncate(path, 0);
  return 0;
}

/** Stops PostgreSQL: connections are cut and everything is written (fast); if it hangs, without a checkpoint; in the end by force. */
export async function stopPostmaster({ pid, identity }: Postmaster): Promise<void> {
  const steps: [NodeJS.Signals, number][] = [
    ['SIGINT', FAST_STOP_MILLISECONDS],
    ['SIGQUIT', IMMEDIATE_STOP_MILLISECONDS],
    ['SIGKILL', IMMEDIATE_STOP_MILLISECONDS],
  ];
  for (const [signal, milliseconds] of steps) {
    if ((await processIdentity(pid)) !== identity) return;
    try {
      process.kill(pid, signal);
      // A process that somebody has stopped would see the signal only when it goes on.
      process.kill(pid, 'SIGCONT');
    } catch {
      // It has ended between the look and the signal.
    }
    if (await waitForEnd(pid, identity, milliseconds)) return;
  }
  throw new StartupError(`The PostgreSQL with process id ${pid} cannot be stopped: end it, then start again.`);
}
