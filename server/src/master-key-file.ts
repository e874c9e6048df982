import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { readOrCreatePrivateFile, writePrivateFile } from './platform/data-folder.ts';
import type { Queryable } from './platform/db.ts';
import { checkMasterKey } from './platform/secret-box.ts';
import { StartupError, systemErrorCode } from './platform/startup-error.ts';

// A rewrap changes a database and a file, which nothing can do at once. So the next key is written down before it seals anything, and
// takes the place of the old one afterwards; the check value in the database says which of the two counts.
const FILE = 'master.key';
const NEXT_FILE = 'master.key.new';

/** The master key of a data folder, 64 hex digits; made where there is none. Throws StartupError when the file holds something else. */
export async function readMasterKey(dataFolder: string): Promise<string> {
  const path = join(dataFolder, FILE);
  const key = (await readOrCreatePrivateFile(path, () => `${randomBytes(32).toString('hex')}\n`)).trim();
  if (!/^[0-9a-f]{64}$/.test(key))
    throw new StartupError(`${path} does not hold 64 hex digits: put the original back.`);
  return key;
}

/** Keeps the key that the secrets are about to be sealed with, so that it is not lost whatever happens then. */
export async function keepNextMasterKey(dataFolder: string, key: string): Promise<void> {
  await writePrivateFile(join(dataFolder, NEXT_FILE), `${key.toLowerCase()}\n`);
  // Its name too has to survive a power cut.
  const folder = await open(dataFolder);
  await folder.sync().finally(() => folder.close());
}

/** Puts the next key in the place of the old one, once every secret is sealed with it. Somebody else may have done it already. */
export async function putNextMasterKey(dataFolder: string): Promise<void> {
  await rename(join(dataFolder, NEXT_FILE), join(dataFolder, FILE)).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
}

/**
 * Answers which key of a data folder the database belongs to: `key`, or, where a rewrap was killed after its COMMIT, the next one, which
 * is put in place. Throws StartupError when it is neither.
 */
export async function settleMasterKey(sql: Queryable, dataFolder: string, key: string): Promise<string> {
  try {
    await checkMasterKey(sql, key);
    return key;
  } catch (error) {
    const next = error instanceof StartupError ? await readNextMasterKey(dataFolder) : undefined;
    if (next === undefined) throw error;
    await checkMasterKey(sql, next);
    await putNextMasterKey(dataFolder);
    return next;
  }
}

async function readNextMasterKey(dataFolder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataFolder, NEXT_FILE), 'utf8')).trim();
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
