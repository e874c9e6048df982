import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { examples, jsonOption } from './command-options.ts';
import { type CliSurroundings, CommandFailed, type OperatorContext, withOperatorContext } from './operator-context.ts';
import { printResult } from './print-result.ts';
import { rewrapSecrets } from './rewrap-secrets.ts';

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
  const counts = await withOperatorContext(surroundings, async (context) => {
    const { sql, masterKey, config } = context;
    if (masterKey.toLowerCase() === newKey.toLowerCase()) throw new CommandFailed('Both keys are the same.');
    await assertNoServers(context);
    // Written first, so that the new key is never lost; put in place once everything is sealed with it.
    const file =
      config.databaseUrl === undefined && config.masterKey === undefined
        ? join(config.dataDir, 'master.key')
        : undefined;
    if (file !== undefined) await writeFile(`${file}.new`, `${newKey.toLowerCase()}\n`, { mode: 0o600, flush: true });
    const done = await sql.begin((tx) => rewrapSecrets(tx, masterKey, newKey));
    if (file !== undefined) await rename(`${file}.new`, file);
    return done;
  });
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const text = `${total} secrets are sealed with the new key. Start the servers with it as SIR_MASTER_KEY.`;
  printResult(surroundings.output, { json: { rewrapped: total, columns: counts }, text }, asJson);
}

/** A server that runs would go on sealing with the old key. */
async function assertNoServers({ sql }: OperatorContext): Promise<void> {
  const running = await sql`
    select from pg_stat_activity where datname = current_database() and application_name in ${sql(SERVERS)}`;
  if (running.length > 0) throw new CommandFailed('A server runs on this database: stop all of them first.');
}
