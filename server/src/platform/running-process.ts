import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MILLISECONDS = 10;

interface LinuxStat {
  state: string;
  startTicks: string;
}

async function linuxStat(pid: number): Promise<LinuxStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields?.[0];
  const startTicks = fields?.[19];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

async function ps(pid: number, columns: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      'ps',
      ['-o', columns, '-p', String(pid)],
      { env: { LC_ALL: 'C', PATH: '/bin:/usr/bin' } },
      (error, stdout) => {
        const text = stdout.trim();
        resolve(error || text === '' ? undefined : text);
      },
    );
  });
}

/**
 * What tells a running process from every other that has or had its number: the boot and the moment it started. Undefined when
 * no such process runs (a zombie does not run). A number alone is given to another process sooner or later.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'lstart=');
  const stat = await linuxStat(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${boot.trim()} ${stat.startTicks}`;
}

/** Whether the process is a PostgreSQL that serves the given cluster folder (a postmaster works in its folder). */
export async function isPostgresOf(pid: number, clusterFolder: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    const command = await ps(pid, 'command=');
    return command?.includes('postgres') === true && command.includes(clusterFolder);
  }
  const workingFolder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  const program = await readlink(`/proc/${pid}/exe`).catch(() => undefined);
  // The kernel marks a program whose file was replaced meanwhile (after `npm ci`, say).
  return workingFolder === clusterFolder && basename(program?.replace(/ \(deleted\)$/, '') ?? '') === 'postgres';
}

/** Waits until the process with this identity has ended; false when it still runs after the time given. */
export async function waitForEnd(pid: number, identity: string, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while ((await processIdentity(pid)) === identity) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}
