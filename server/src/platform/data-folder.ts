import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { processIdentity } from './running-process.ts';
import { StartupError, systemErrorCode } from './startup-error.ts';

/** The folder with everything a laptop's installation keeps: mode 700, and one process at a time. */
export interface DataFolder {
  /** Its real path. */
  path: string;
  /** Lets the next process in. */
  release(): Promise<void>;
}

interface Holder {
  pid: number;
  identity: string;
}

const PRIVATE_FOLDER_MODE = 0o700;
const PRIVATE_FILE_MODE = 0o600;
// Inside a private folder. Its owner must be able to read who holds it also when that is root.
const LOCK_FILE_MODE = 0o644;

/** Makes the folder where there is none and takes it for this process. Throws StartupError when another living process has it. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const wanted = resolve(path);
  try {
    await mkdir(wanted, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    await chmod(wanted, PRIVATE_FOLDER_MODE);
    const real = await realpath(wanted);
    const release = await takeLock(real);
    return { path: real, release };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new StartupError(
      `The data folder ${wanted} cannot be used (${code}): set SIR_DATA_DIR to a folder that you may write to.`,
    );
  }
}

/** Writes a file that only we may read, whole or not at all. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await writeWhole(path, text, PRIVATE_FILE_MODE);
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  const file = await open(part, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
}

/** Reads a private file, and makes it first where there is none. */
export async function readOrCreatePrivateFile(path: string, create: () => string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    const text = create();
    await writePrivateFile(path, text);
    return text;
  }
}

/**
 * Node offers no file locks of the operating system, so the folder `lock` holds numbered files that name who has the data folder. The
 * highest number counts. Taking it means making the next number, which only one process can do, and the highest is never deleted:
 * so there is no moment at which a lock found stale can be taken away from one who has just taken it. A holder that has ended is
 * told from a living one by process id and start, since ids are used again.
 */
async function takeLock(dataFolder: string): Promise<() => Promise<void>> {
  const folder = join(dataFolder, 'lock');
  await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const identity = await processIdentity(process.pid);
  if (identity === undefined)
    throw new StartupError('This machine does not tell when a process started (ps or /proc).');
  const mine = join(folder, `${process.pid}.${randomBytes(6).toString('hex')}`);
  await writeWhole(mine, JSON.stringify({ pid: process.pid, identity }), LOCK_FILE_MODE);
  try {
    for (;;) {
      const highest = await highestNumber(folder);
      const holder = await readHolder(join(folder, String(highest)));
      if (holder !== undefined && (await processIdentity(holder.pid)) === holder.identity) {
        throw new StartupError(
          `The data folder ${dataFolder} is in use by process ${holder.pid}: stop that one, or set SIR_DATA_DIR to another folder.`,
        );
      }
      const number = highest + 1;
      if (!(await linkNew(mine, join(folder, String(number))))) continue;
      await clear(folder, number);
      return () => writeWhole(join(folder, String(number)), JSON.stringify(null), LOCK_FILE_MODE);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function highestNumber(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
  return Math.max(0, ...numbers);
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) ?? undefined;
  } catch (error) {
    // There is none yet, or its holder's successor has cleared it away since we looked.
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function clear(folder: string, current: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\d+$/.test(name) && Number(name) < current) await rm(join(folder, name), { force: true });
  }
}
