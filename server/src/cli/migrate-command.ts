import { Command } from 'commander';
import { migrate } from '../platform/migrate.ts';
import { examples, jsonOption } from './command-options.ts';
import { type CliSurroundings, withOperatorContext } from './operator-context.ts';
import { printResult } from './print-result.ts';

/** `migrate`: brings the database up to this version, as a start of the server does. */
export function migrateCommand(surroundings: CliSurroundings): Command {
  return new Command('migrate')
    .description('Bring the database up to this version. A server does the same when it starts.')
    .addOption(jsonOption())
    .addHelpText('after', examples('migrate'))
    .action((options: { json?: boolean }) => run(surroundings, options.json));
}

async function run(surroundings: CliSurroundings, asJson: boolean | undefined): Promise<void> {
  // Opening a database migrates it; one that a running server has opened may still be at an older version.
  await withOperatorContext(surroundings, ({ sql, progress }) => migrate(sql, { onProgress: progress.step }));
  printResult(surroundings.output, { json: { migrated: true }, text: 'The database is up to date.' }, asJson);
}
