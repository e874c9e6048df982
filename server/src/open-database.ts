import type { Config } from './config.ts';
import { readMasterKey, settleMasterKey } from './master-key-file.ts';
import { checkDatabase } from './platform/check-database.ts';
import { type DataFolder, openDataFolder } from './platform/data-folder.ts';
import { connect, type Sql } from './platform/db.ts';
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
  const judgeKey = await masterKeyOf(config, folder.path);
  const postgres = await startEmbeddedPostgres({ dataDir: folder.path, onProgress });
  try {
    const masterKey = await prepare(config, postgres.url, judgeKey, onProgress);
    return { url: postgres.url, masterKey, close: () => postgres.stop() };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
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
  const judgeKey = await masterKeyOf(config, config.dataDir);
  const masterKey = await withConnection(url, judgeKey);
  return { url, masterKey, close: async () => {} };
}

async function openGivenDatabase(config: Config, onProgress: OnProgress): Promise<OpenDatabase> {
  // loadConfig has seen to it that both are there together.
  const { databaseUrl, masterKey } = config;
  if (databaseUrl === undefined || masterKey === undefined)
    throw new StartupError('DATABASE_URL and SIR_MASTER_KEY must be set.');
  await prepare(config, databaseUrl, judgeGivenKey(masterKey), onProgress);
  return { url: databaseUrl, masterKey, close: async () => {} };
}

/** Answers the master key of a database that is migrated. Throws StartupError when there is none that it belongs to. */
type JudgeKey = (sql: Sql) => Promise<string>;

const judgeGivenKey =
  (masterKey: string): JudgeKey =>
  async (sql) => {
    await checkMasterKey(sql, masterKey);
    return masterKey;
  };

/** The file is read at once: what is wrong with it is found before anything is started. */
async function masterKeyOf({ masterKey }: Config, dataFolder: string): Promise<JudgeKey> {
  if (masterKey !== undefined) return judgeGivenKey(masterKey);
  const key = await readMasterKey(dataFolder);
  return (sql) => settleMasterKey(sql, dataFolder, key);
}

function prepare(config: Config, url: string, judgeKey: JudgeKey, onProgress: OnProgress): Promise<string> {
  return withConnection(url, async (sql) => {
    await checkDatabase(sql, { production: config.environment === 'production' });
    await migrate(sql, { onProgress });
    return judgeKey(sql);
  });
}

async function withConnection<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connect(url, { max: 1, applicationName: 'sir-migrate' });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
