import type { Environment } from '@sirgiving/contract';
import { findAccountByEmail } from '../accounts/index.ts';
import { type AuditEntry, recordAudit } from '../admin/index.ts';
import { type Progress, showProgress } from '../announce.ts';
import { type Config, loadConfig, type Variables } from '../config.ts';
import { joinDatabase } from '../open-database.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { connect, type Queryable, type Sql, type Tx } from '../platform/db.ts';
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
  config: Config;
  /** 64 hex digits. */
  masterKey: string;
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
        const { masterKey } = database;
        return await work({ sql, clock: systemClock, ids: randomIds, secretBox, progress, config, masterKey });
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
 * The environment of a command that is for sandbox data only: partners and live keys of production come by the portal and the
 * administration. Judged before the database is opened, since opening migrates it.
 */
export function sandboxOnly(named: Environment | undefined, { variables }: CliSurroundings): 'sandbox' {
  const environment = named ?? loadConfig(variables).environment;
  if (environment === 'sandbox') return environment;
  throw new CommandFailed('Production data cannot be changed from the command line: use --environment sandbox.');
}

/** The environment that a command is about, which may be production. */
export function environmentOf(named: Environment | undefined, { variables }: CliSurroundings): Environment {
  return named ?? loadConfig(variables).environment;
}

/**
 * Who gives a command. In production that is one of SIR Giving's admins, named by e-mail address, so that the four-eyes rule knows the
 * operator as a person too; in the sandbox nobody needs to be named. Answers the account's row id. Throws CommandFailed.
 */
export async function operatorAccount(
  sql: Queryable,
  environment: Environment,
  email: string | undefined,
): Promise<string | undefined> {
  if (email === undefined) {
    if (environment === 'sandbox') return undefined;
    throw new CommandFailed('Production data is changed in the name of an admin: add --as <e-mail address>.');
  }
  const account = await findAccountByEmail(sql, email);
  if (
    account?.isAdmin !== true ||
    account.disabledAt !== null ||
    (account.sandboxOnly && environment === 'production')
  ) {
    throw new CommandFailed(`${email} is no admin for ${environment} data.`);
  }
  return account.id;
}

/** Writes down what a command changed; the last write of its transaction. */
export function auditCommand(
  tx: Tx,
  { ids, clock }: OperatorContext,
  accountId: string | undefined,
  entry: Omit<AuditEntry, 'actor' | 'requestId'>,
): Promise<void> {
  return recordAudit(tx, ids, { ...entry, actor: { kind: 'OPERATOR', accountId } }, clock.now());
}
