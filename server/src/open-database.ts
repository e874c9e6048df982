import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { checkDatabase } from './platform/check-database.ts';
import { type DataFolder, openDataFolder, readOrCreatePrivateFile } from './platform/data-folder.ts';
import { connect } from './platform/db.ts';
import { runningEmbeddedPostgresUrl, startEmbeddedPostgres } from './platform/embedded-postgres/index.ts';
import { migrate } from './platform/migrate.ts';
import { checkMasterKey } from './platform/secret-box.ts';
import { StartupError } from './platform/startup-error.ts';

/** A database that is reachable and migrated, and the key to its secrets. */
export interface OpenDatabase {
  url: string;
  /** 64 hex digits. */
  masterKey: string;
  /** Stops what was started for it. Call it after the last connection has ended. */
  close(): Promise<void>;
}

type OnProgress = (text: string) => void;

/**
 * Starts the embedded PostgreSQL of a data folder that this process has taken, or goes to DATABASE_URL when there is no such folder;
 * then migrates. Throws StartupError, with everything it had started stopped again.
 */
export async function openDatabase(
  config: Config,
  folder: DataFolder | undefined,
  onProgress: OnProgress,
): Promise<OpenDatabase> {
  if (folder === undefined) return openGivenDatabase(config, onProgress);
  const masterKey = config.masterKey ?? (await readMasterKey(folder.path));
  const postgres = await startEmbeddedPostgres({ dataDir: folder.path, onProgress });
  try {
    await prepare(config, postgres.url, masterKey, onProgress);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  return { url: postgres.url, masterKey, close: () => postgres.stop() };
}

/** The data folder, taken for this process; undefined where the database is not an embedded one and several processes may share it. */
export async function takeDataFolder(config: Config): Promise<DataFolder | undefined> {
  return config.databaseUrl === undefined ? openDataFolder(config.dataDir) : undefined;
}

/**
 * For the command line: joins the database of a server that runs on the data folder, and opens it like a server does when none runs.
 */
export async function joinDatabase(config: Config, onProgress: OnProgress): Promise<OpenDatabase> {
  const url = config.databaseUrl === undefined ? await runningEmbeddedPostgresUrl(config.dataDir) : undefined;
  if (url === undefined) {
    const folder = await takeDataFolder(config);
    const database = await openDatabase(config, folder, onProgress);
    const close = async () => {
      await database.close();
      await folder?.release();
    };
    return { ...database, close };
  }
  const masterKey = config.masterKey ?? (await readMasterKey(config.dataDir));
  return { url, masterKey, close: async () => {} };
}

async function openGivenDatabase(config: Config, onProgress: OnProgress): Promise<OpenDatabase> {
  // loadConfig has seen to it that both are there together.
  const { databaseUrl, masterKey } = config;
  if (databaseUrl === undefined || masterKey === undefined)
    throw new StartupError('DATABASE_URL and SIR_MASTER_KEY must be set.');
  await prepare(config, databaseUrl, masterKey, onProgress);
  return { url: databaseUrl, masterKey, close: async () => {} };
}

async function prepare(config: Config, url: string, masterKey: string, onProgress: OnProgress): Promise<void> {
  const sql = connect(url, { max: 1, applicationName: 'sir-migrate' });
  try {
    await checkDatabase(sql, { production: config.environment === 'production' });
    await migrate(sql, { onProgress });
    await checkMasterKey(sql, masterKey);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function readMasterKey(dataFolder: string): Promise<string> {
  const path = join(dataFolder, 'master.key');
  const key = (await readOrCreatePrivateFile(path, () => `${randomBytes(32).toString('hex')}\n`)).trim();
  if (!/^[0-9a-f]{64}$/.test(key))
    throw new StartupError(`${path} does not hold 64 hex digits: put the original back.`);
  return key;
}
