import type { Environment } from '@sirgiving/contract';
import { type Progress, showProgress } from '../announce.ts';
import { loadConfig, type Variables } from '../config.ts';
import { joinDatabase } from '../open-database.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { connect, type Sql } from '../platform/db.ts';
import { type Ids, randomIds } from '../platform/ids.ts';
import { checkMasterKey, createSecretBox, type SecretBox } from '../platform/secret-box.ts';

/** What the command line reads and writes. */
export interface CliSurroundings {
  variables: Variables;
  /** Results only, so that they can be piped. */
  output: NodeJS.WritableStream;
  /** Progress, warnings and errors. */
  notes: NodeJS.WriteStream;
}

/** What a command works with. */
export interface OperatorContext {
  sql: Sql;
  clock: Clock;
  ids: Ids;
  secretBox: SecretBox;
  progress: Progress;
}

/** Why a command did not do what it was told, in one sentence for the person at the console: exit code 1. */
export class CommandFailed extends Error {
  override name = 'CommandFailed';
}

const CONNECTIONS = 2;
const CLOSE_TIMEOUT_SECONDS = 5;

/**
 * Runs a command on the database that the server uses: DATABASE_URL, or the embedded one of the data folder, which is joined when a
 * server runs and else started for as long as the command takes.
 */
export async function withOperatorContext<T>(
  { variables, notes }: CliSurroundings,
  work: (context: OperatorContext) => Promise<T>,
): Promise<T> {
  const config = loadConfig(variables);
  const progress = showProgress(notes);
  try {
    const database = await joinDatabase(config, progress.step);
    try {
      const sql = connect(database.url, { max: CONNECTIONS, applicationName: 'sir-server' });
      try {
        await checkMasterKey(sql, database.masterKey);
        const secretBox = createSecretBox(database.masterKey);
        return await work({ sql, clock: systemClock, ids: randomIds, secretBox, progress });
      } finally {
        await sql.end({ timeout: CLOSE_TIMEOUT_SECONDS });
      }
    } finally {
      await database.close();
    }
  } finally {
    progress.clear();
  }
}

/**
 * The environment that a command is about: the one it names, else that of SIR_ENVIRONMENT. Production data is not for this command
 * line: changes there need a named operator, an audit entry and, for tokens, a second person (contract §9, §10). Judged before the
 * database is opened, since opening migrates it.
 */
export function sandboxOnly(named: Environment | undefined, { variables }: CliSurroundings): 'sandbox' {
  const environment = named ?? loadConfig(variables).environment;
  if (environment === 'sandbox') return environment;
  throw new CommandFailed('Production data cannot be changed from the command line: use --environment sandbox.');
}
