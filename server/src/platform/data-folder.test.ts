import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataFolder, readOrCreatePrivateFile } from './data-folder.ts';
import { processIdentity } from './running-process.ts';

let parent: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sir-folder-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(parent, { recursive: true, force: true });
});

async function livingProcess(): Promise<ChildProcess & { pid: number }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return Object.assign(child, { pid: Number(child.pid) });
}

async function writeHolder(folder: string, number: number, pid: number, identity: string): Promise<void> {
  await writeFile(join(folder, 'lock', String(number)), JSON.stringify({ pid, identity }));
}

test('the folder is made for its owner alone, and so is every secret in it', async () => {
  const folder = await openDataFolder(join(parent, 'new', 'data'));
  expect((await stat(folder.path)).mode & 0o777).toBe(0o700);
  const path = join(folder.path, 'secret');
  expect(await readOrCreatePrivateFile(path, () => 'first')).toBe('first');
  expect(await readOrCreatePrivateFile(path, () => 'second')).toBe('first');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('one process at a time: the second is told who has it, and gets in after a release', async () => {
  const first = await openDataFolder(parent);
  await expect(openDataFolder(parent)).rejects.toThrow(`is in use by process ${process.pid}`);
  await first.release();
  const second = await openDataFolder(parent);
  await second.release();
});

test('a lock of a process that was killed holds nobody up, also when its process id is in use again', async () => {
  const first = await openDataFolder(parent);
  const stranger = await livingProcess();
  const identity = await processIdentity(stranger.pid);
  expect(identity).toBeDefined();
  const [number] = (await readdir(join(parent, 'lock'))).map(Number);
  await writeHolder(first.path, Number(number), stranger.pid, String(identity));
  await expect(openDataFolder(parent)).rejects.toThrow(`is in use by process ${stranger.pid}`);

  await writeHolder(first.path, Number(number), stranger.pid, `${identity} of an earlier one`);
  const taken = await openDataFolder(parent);
  await writeHolder(taken.path, Number(number) + 1, stranger.pid, String(identity));
  const ended = once(stranger, 'exit');
  stranger.kill('SIGKILL');
  await ended;
  await (await openDataFolder(parent)).release();
});

test('of many that find a stale lock at once exactly one gets in', async () => {
  const stale = await openDataFolder(parent);
  await writeHolder(stale.path, 1, 2 ** 30, 'gone');
  for (let round = 0; round < 5; round++) {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => openDataFolder(parent)));
    const winners = results.filter((result) => result.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect(await readdir(join(parent, 'lock'))).toHaveLength(1);
    await winners[0]?.value.release();
  }
});

test('a place where no folder can be is refused in one sentence', async () => {
  await writeFile(join(parent, 'file'), 'text');
  await expect(openDataFolder(join(parent, 'file', 'data'))).rejects.toThrow(
    /cannot be used \(ENOTDIR\): set SIR_DATA_DIR/,
  );
  expect(await readFile(join(parent, 'file'), 'utf8')).toBe('text');
});
