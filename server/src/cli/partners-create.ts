import type { Environment } from '@sirgiving/contract';
import { Command } from 'commander';
import { createPartner } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { environmentOption, examples, jsonOption, parseName } from './command-options.ts';
import { type CliSurroundings, sandboxOnly, withOperatorContext } from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  name: string;
  slug?: string;
  environment?: Environment;
  json?: boolean;
}

/** `partners create`: a partner for the sandbox, which waits for approval as far as production is concerned. */
export function partnersCreate(surroundings: CliSurroundings): Command {
  return new Command('create')
    .description('Create a partner.')
    .requiredOption('--name <name>', 'what people call it', parseName)
    .option('--slug <slug>', 'its name in addresses and commands (default: made from the name)')
    .addOption(environmentOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('partners create --name "Corner Bakery"', 'partners create --name "Corner Bakery" --slug bakery --json'),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  sandboxOnly(options.environment, surroundings);
  const partner = await withOperatorContext(surroundings, ({ sql, ids, clock }) => {
    const { name, slug } = options;
    const wanted = { name, slug, status: 'PENDING_APPROVAL', createdAt: clock.now() } as const;
    return sql.begin((tx) => createPartner(tx, ids, wanted));
  });
  const { name, slug, status, tier } = partner;
  const shown = { id: publicId('ptn', partner.id), name, slug, status, tier };
  printResult(
    surroundings.output,
    {
      json: shown,
      text: `Partner created.\n\n${listValues(shown)}\n\nNext: sir-server keys create --partner ${slug} --name "My server"`,
    },
    options.json,
  );
}
