import { type Sql, sqlState } from './db.ts';
import { StartupError, systemErrorCode } from './startup-error.ts';

const REACH_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name cannot be looked up',
  ETIMEDOUT: 'it does not answer',
  CONNECT_TIMEOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ECONNRESET: 'it cut the connection',
  CONNECTION_CLOSED: 'it cut the connection',
  '28000': 'it refuses this user',
  '28P01': 'it refuses this user and password',
  '3D000': 'it has no database of that name',
  '42501': 'this user lacks the rights',
  '53300': 'it has no connection to spare',
  '57P03': 'it is starting up or shutting down',
};

const DURABILITY_SETTINGS = ['fsync', 'full_page_writes', 'synchronous_commit'];

/**
 * Looks whether the database can be used, before anything is done with it. Throws a StartupError that says in one sentence why it
 * is out of reach; in production also when a setting would let it lose a commit that was answered (bars.md, Reliability).
 */
export async function checkDatabase(sql: Sql, options: { production: boolean }): Promise<void> {
  const weak = await askForWeakSettings(sql);
  if (options.production && weak.length > 0) {
    const names = weak.join(', ');
    throw new StartupError(
      `The database could lose answered actions, since ${names} is off: production needs ${names}=on.`,
    );
  }
}

async function askForWeakSettings(sql: Sql): Promise<string[]> {
  try {
    const rows = await sql<{ name: string }[]>`
      select name from pg_settings where name in ${sql(DURABILITY_SETTINGS)} and setting = 'off' order by name`;
    return rows.map(({ name }) => name);
  } catch (error) {
    const code = sqlState(error) ?? systemErrorCode(error) ?? '';
    const reason = REACH_ERRORS[code];
    if (reason === undefined) throw error;
    // Host and port only: the rest of the URL may be secret.
    const { host, port } = sql.options;
    throw new StartupError(`The database at ${host[0]}:${port[0]} cannot be used: ${reason} (${code}).`);
  }
}
