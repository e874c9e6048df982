import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { StartupError } from '../startup-error.ts';
import { type Binaries, copyBinaries } from './binaries.ts';

/** The account that PostgreSQL runs under when we are root. */
export interface RunAs {
  uid: number;
  gid: number;
}

/** Where one data folder's PostgreSQL stands and who runs it. */
export interface Placement {
  clusterFolder: string;
  programFolder: string;
  /** Undefined: ourselves. */
  runAs: RunAs | undefined;
  /** A folder of PostgreSQL's own outside of the data folder, if it needs one. */
  ownFolder: string | undefined;
}

/** What the data folder remembers about its database, in `postgres.json`. */
export interface DatabaseNote {
  dataFolder: string;
  clusterFolder: string;
  ownFolder?: string | undefined;
  port?: number | undefined;
}

const OWN_FOLDERS = '/var/lib/sir-giving';
const NAME_HEX_DIGITS = 16;

// PostgreSQL refuses to run as root. An account that exists is used, since making one on somebody's machine is not ours to do:
// the one that PostgreSQL packages make (macOS ships `_postgres`), else `nobody`. Its folder is mode 700, so what else may run
// under the same account is the only thing, besides root, that could read it.
const UNPRIVILEGED_ACCOUNTS = ['postgres', '_postgres', 'nobody', 'daemon'];

/** Reads the note of a data folder; undefined when there is none yet. */
export async function readNote(dataFolder: string): Promise<DatabaseNote | undefined> {
  const text = await readFile(join(dataFolder, 'postgres.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Writes the note whole or not at all. */
export async function writeNote(dataFolder: string, note: DatabaseNote): Promise<void> {
  const path = join(dataFolder, 'postgres.json');
  await writeFile(`${path}.new`, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/**
 * Decides where the cluster of a data folder (given as real path) lives and under which account it runs. Ours runs as ourselves
 * inside the data folder. As root it runs as an unprivileged account that can enter neither our data folder (mode 700) nor, often,
 * node_modules (a clone under a mode-700 home), so its cluster, and a copy of the binaries where needed, live in a folder of its own.
 */
export async function placeCluster(
  dataFolder: string,
  binaries: Binaries,
  onProgress: (text: string) => void,
): Promise<Placement> {
  const inside = join(dataFolder, 'postgres');
  const programFolder = join(binaries.folder, 'bin');
  if (process.getuid?.() !== 0) return { clusterFolder: inside, programFolder, runAs: undefined, ownFolder: undefined };

  const starter = await ownerOf(inside);
  if (starter !== undefined && starter.uid !== 0) {
    // Somebody else's earlier start made it: it goes on under that account, or its owner could not open it again.
    if (await canRun(programFolder, starter))
      return { clusterFolder: inside, programFolder, runAs: starter, ownFolder: undefined };
    throw new StartupError(`The database in ${inside} belongs to user id ${starter.uid}: start as that user.`);
  }

  const ownFolder = join(OWN_FOLDERS, createHash('sha256').update(dataFolder).digest('hex').slice(0, NAME_HEX_DIGITS));
  await mkdir(OWN_FOLDERS, { recursive: true, mode: 0o755 });
  await followMovedDataFolder(dataFolder, ownFolder);
  const runAs = await prepareOwnFolder(ownFolder);
  await nameDataFolder(ownFolder, dataFolder);
  const real = await realpath(ownFolder);
  return {
    clusterFolder: join(real, 'postgres'),
    programFolder: (await canRun(programFolder, runAs))
      ? programFolder
      : await copyFor(real, binaries, runAs, onProgress),
    runAs,
    ownFolder: real,
  };
}

async function ownerOf(path: string): Promise<RunAs | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() ? { uid: found.uid, gid: found.gid } : undefined;
}

/** The own folder is named after the data folder's path: where that was moved, the name changes with it. */
async function followMovedDataFolder(dataFolder: string, ownFolder: string): Promise<void> {
  const note = await readNote(dataFolder);
  if (note?.ownFolder === undefined || note.ownFolder === ownFolder) return;
  if (await exists(note.dataFolder)) {
    throw new StartupError(
      `${dataFolder} is a copy of ${note.dataFolder}, whose database is in ${note.ownFolder} and was not copied: use the original, or remove the copy.`,
    );
  }
  if (await exists(note.ownFolder)) await rename(note.ownFolder, ownFolder);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function prepareOwnFolder(folder: string): Promise<RunAs> {
  const owner = await ownerOf(folder);
  if (owner !== undefined && owner.uid !== 0) return owner;
  const runAs = await unprivilegedAccount();
  if (owner === undefined) await mkdir(folder, { mode: 0o700 });
  await chmod(folder, 0o700);
  await lchown(folder, runAs.uid, runAs.gid);
  return runAs;
}

/** Tells an operator whose database this is. Made anew each time, so that it cannot be led elsewhere by a link of that account's. */
async function nameDataFolder(ownFolder: string, dataFolder: string): Promise<void> {
  const path = join(ownFolder, 'data-folder.txt');
  await rm(path, { force: true });
  await writeFile(path, `${dataFolder}\n`, { flag: 'wx' });
}

async function unprivilegedAccount(): Promise<RunAs> {
  for (const name of UNPRIVILEGED_ACCOUNTS) {
    const [uid, gid] = [await idOf('-u', name), await idOf('-g', name)];
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new StartupError(
    `PostgreSQL refuses to run as root and this machine has none of the accounts ${UNPRIVILEGED_ACCOUNTS.join(', ')}: start as an ordinary user, or set DATABASE_URL.`,
  );
}

async function idOf(kind: '-u' | '-g', name: string): Promise<number | undefined> {
  const { status, output } = await run('/usr/bin/id', [kind, name], undefined);
  const id = Number(output.trim());
  return status === 0 && Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

/** Tried rather than computed from modes: access lists, mounts and containers have a say too. */
async function canRun(programFolder: string, account: RunAs): Promise<boolean> {
  return (await run(join(programFolder, 'postgres'), ['--version'], account)).status === 0;
}

async function copyFor(
  ownFolder: string,
  binaries: Binaries,
  runAs: RunAs,
  onProgress: (text: string) => void,
): Promise<string> {
  const target = join(ownFolder, `binaries-${binaries.version}`);
  if (!(await exists(target))) {
    onProgress('Copying PostgreSQL to where its account can read it');
    const part = join(ownFolder, 'binaries.part');
    await rm(part, { recursive: true, force: true });
    await copyBinaries(binaries.folder, part);
    for (const name of await readdir(part, { recursive: true })) await lchown(join(part, name), runAs.uid, runAs.gid);
    await lchown(part, runAs.uid, runAs.gid);
    await rename(part, target);
  }
  return join(target, 'bin');
}

interface Run {
  status: number | undefined;
  output: string;
}

/**
 * Runs one of PostgreSQL's programs, or the like, to its end under an account. Its working folder is the root folder, since ours
 * may be closed to that account; its environment is empty, so that none of the caller's PG* variables or locales reach it.
 */
export async function run(
  program: string,
  programArguments: readonly string[],
  account: RunAs | undefined,
): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }, ...account };
    const child = execFile(program, programArguments, options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (child.exitCode ?? undefined), output: `${stdout}${stderr}` });
    });
  });
}
