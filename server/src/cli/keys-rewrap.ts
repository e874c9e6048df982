import { Command } from 'commander';
import { keepNextMasterKey, putNextMasterKey } from '../master-key-file.ts';
import type { Queryable } from '../platform/db.ts';
import { Failpoints } from '../platform/failpoints.ts';
import { examples, jsonOption } from './command-options.ts';
import { type CliSurroundings, CommandFailed, type OperatorContext, withOperatorContext } from './operator-context.ts';
import { printResult } from './print-result.ts';
import { rewrapSecrets, takeNewMasterKey } from './rewrap-secrets.ts';

const SERVERS = ['sir-api', 'sir-worker'];

/** `keys rewrap`: from one master key to another. */
export function keysRewrap(surroundings: CliSurroundings): Command {
  return new Command('rewrap')
    .description(
      'Seal every secret in the database anew: from SIR_MASTER_KEY to SIR_NEW_MASTER_KEY. Stop all servers first; people log in again.',
    )
    .addOption(jsonOption())
    .addHelpText('after', examples('keys rewrap'))
    .action((options: { json?: boolean }) => run(surroundings, options.json));
}

async function run(surroundings: CliSurroundings, asJson: boolean | undefined): Promise<void> {
  const { SIR_NEW_MASTER_KEY: newKey = '' } = surroundings.variables;
  if (!/^[0-9a-f]{64}$/i.test(newKey)) {
    throw new CommandFailed('SIR_NEW_MASTER_KEY must be 64 hex digits: "openssl rand -hex 32" makes one.');
  }
  const { counts, dataFolder } = await withOperatorContext(surroundings, (context) => rewrap(context, newKey));
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const next =
    dataFolder === undefined
      ? 'Start the servers with it as SIR_MASTER_KEY.'
      : `It stands in ${dataFolder} now, and the next start finds it there.`;
  const text = `${total} secrets are sealed with the new key. ${next}`;
  printResult(surroundings.output, { json: { rewrapped: total, columns: counts }, text }, asJson);
}

/** `dataFolder`: where the key stands in a file; undefined where it is given as a variable. */
async function rewrap(context: OperatorContext, newKey: string) {
  const { sql, masterKey, config } = context;
  if (masterKey.toLowerCase() === newKey.toLowerCase()) throw new CommandFailed('Both keys are the same.');
  const isInFile = config.databaseUrl === undefined && config.masterKey === undefined;
  const dataFolder = isInFile ? config.dataDir : undefined;
  const failpoints = new Failpoints(config.failpoint);
  await assertNoServers(sql);
  const counts = await sql.begin(async (tx) => {
    await takeNewMasterKey(tx, masterKey, newKey);
    // None that has started since can open the database now.
    await assertNoServers(tx);
    // Only now, since another rewrap that is just ending may need the key that it has left there.
    if (dataFolder !== undefined) await keepNextMasterKey(dataFolder, newKey);
    const done = await rewrapSecrets(tx, masterKey, newKey);
    await failpoints.reached('rewrap_before_commit');
    return done;
  });
  await failpoints.reached('rewrap_after_commit');
  if (dataFolder !== undefined) await putNextMasterKey(dataFolder);
  return { counts, dataFolder };
}

/** A server that runs would go on sealing with the old key. */
async function assertNoServers(sql: Queryable): Promise<void> {
  const running = await sql`
    select from pg_stat_activity where datname = current_database() and application_name in ${sql(SERVERS)}`;
  if (running.length > 0) throw new CommandFailed('A server runs on this database: stop all of them first.');
}
