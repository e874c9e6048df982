import type { Environment } from '@sirgiving/contract';
import { Command } from 'commander';
import { createPartner } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { asOption, environmentOption, examples, jsonOption, parseName, reasonOption } from './command-options.ts';
import {
  auditCommand,
  type CliSurroundings,
  operatorAccount,
  sandboxOnly,
  withOperatorContext,
} from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  name: string;
  slug?: string;
  environment?: Environment;
  as?: string;
  reason?: string;
  json?: boolean;
}

/** `partners create`: a partner for the sandbox, which waits for approval as far as production is concerned. */
export function partnersCreate(surroundings: CliSurroundings): Command {
  return new Command('create')
    .description('Create a partner.')
    .requiredOption('--name <name>', 'what people call it', parseName)
    .option('--slug <slug>', 'its name in addresses and commands (default: made from the name)')
    .addOption(environmentOption())
    .addOption(asOption())
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('partners create --name "Corner Bakery"', 'partners create --name "Corner Bakery" --slug bakery --json'),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  const environment = sandboxOnly(options.environment, surroundings);
  const shown = await withOperatorContext(surroundings, async (context) => {
    const { sql, ids, clock } = context;
    const { reason } = options;
    const operator = await operatorAccount(sql, environment, options.as);
    const wanted = {
      name: options.name,
      slug: options.slug,
      status: 'PENDING_APPROVAL',
      createdAt: clock.now(),
    } as const;
    return sql.begin(async (tx) => {
      const { id: partnerId, name, slug, status, tier } = await createPartner(tx, ids, wanted);
      const id = publicId('ptn', partnerId);
      const after = { slug, status, tier };
      await auditCommand(tx, context, operator, {
        action: 'partner.create',
        partnerId,
        environment,
        target: id,
        reason,
        after,
      });
      return { id, name, ...after };
    });
  });
  printResult(
    surroundings.output,
    {
      json: shown,
      text: `Partner created.\n\n${listValues(shown)}\n\nNext: sir-server keys create --partner ${shown.slug} --name "My server"`,
    },
    options.json,
  );
}
