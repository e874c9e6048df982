import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { undoLater } from './cleanup.mjs';
import { BenchError } from './options.mjs';

/**
 * @typedef {object} Running
 * @property {number} pid
 * @property {() => Promise<unknown>} stop asks it to end, and ends it when it does not
 */

const POLL_MILLISECONDS = 10;
const START_LIMIT_MILLISECONDS = 60_000;
const STOP_LIMIT_MILLISECONDS = 15_000;
// sysconf(_SC_CLK_TCK) of Linux on every machine that Node runs on.
const TICKS_PER_SECOND = 100;

/**
 * Runs a program to its end and answers what it printed.
 * @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
export async function run(program, args, env = process.env) {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = undoLater(async () => child.kill('SIGKILL'));
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const [code] = await once(child, 'close');
  await stop();
  return { code, output, errors };
}

/** The same, where anything but success ends the bench. @param {Parameters<typeof run>} call */
export async function runOrFail(...call) {
  const { code, output, errors } = await run(...call);
  if (code !== 0)
    throw new BenchError(`${call[0]} failed: ${(errors || output).trim().split('\n').slice(-3).join(' ')}`);
  return output;
}

/**
 * Starts a program in a process group of its own and waits until it is ready.
 * @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} env
 * @param {() => Promise<boolean>} isReady asked every 10 ms
 * @returns {Promise<Running>}
 */
export async function startProcess(program, args, env, isReady) {
  const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-4_000)));
  const ended = once(child, 'close');
  const pid = child.pid;
  if (pid === undefined) throw new BenchError(`${program} does not start.`);
  const stop = undoLater(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    signalGroup(pid, 'SIGTERM');
    const tooLate = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_LIMIT_MILLISECONDS);
    await ended;
    clearTimeout(tooLate);
  });
  const deadline = performance.now() + START_LIMIT_MILLISECONDS;
  while (!(await isReady())) {
    const over = child.exitCode !== null || performance.now() > deadline;
    if (over) throw new BenchError(`${program} ${args.join(' ')} did not get ready: ${errors.trim()}`);
    await sleep(POLL_MILLISECONDS);
  }
  return { pid, stop };
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** A port of the loopback that is free at this moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Seconds of CPU that a process has used; 0 where there is no /proc or no such process. @param {number} pid */
export function cpuSeconds(pid) {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Seconds of CPU of every program that this process has run to its end. */
export function cpuSecondsOfEndedChildren() {
  const fields = statFields(process.pid);
  return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / TICKS_PER_SECOND;
}

/** The fields of /proc/…/stat behind the name, which may hold spaces. @param {number} pid */
function statFields(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
