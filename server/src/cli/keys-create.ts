import type { Environment } from '@sirgiving/contract';
import { Command } from 'commander';
import { createKey } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { asOption, environmentOption, examples, jsonOption, parseName, reasonOption } from './command-options.ts';
import { getPartner } from './get-partner.ts';
import {
  auditCommand,
  type CliSurroundings,
  operatorAccount,
  sandboxOnly,
  withOperatorContext,
} from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  partner: string;
  name: string;
  environment?: Environment;
  as?: string;
  reason?: string;
  json?: boolean;
}

const WARNING = 'secretKey and hmacSecret are shown this once. Keep them where only your server can read them.';

/** `keys create`: issues a key pair and shows its secrets once. */
export function keysCreate(surroundings: CliSurroundings): Command {
  return new Command('create')
    .description(
      'Issue a key pair: a publishable key, a secret key and an HMAC signing secret. The secrets are shown once.',
    )
    .requiredOption('--partner <slug|id>', 'whose key')
    .requiredOption('--name <name>', 'what the key is for', parseName)
    .addOption(environmentOption())
    .addOption(asOption())
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'keys create --partner bakery --name "Shop server"',
        'keys create --partner bakery --name "Shop server" --json > credentials.json',
      ),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  const environment = sandboxOnly(options.environment, surroundings);
  const shown = await withOperatorContext(surroundings, async (context) => {
    const { sql, ids, clock, secretBox } = context;
    const { id: partnerId } = await getPartner(sql, options.partner);
    const operator = await operatorAccount(sql, environment, options.as);
    const { name, reason } = options;
    return sql.begin(async (tx) => {
      const key = await createKey(tx, ids, secretBox, { partnerId, environment, name, createdAt: clock.now() });
      const { id: row, publicKey, ...secrets } = key;
      const id = publicId('key', row);
      const after = { publicKey };
      await auditCommand(tx, context, operator, {
        action: 'key.create',
        partnerId,
        environment,
        target: id,
        reason,
        after,
      });
      return { id, partnerId: publicId('ptn', partnerId), name, environment, publicKey, ...secrets };
    });
  });
  printResult(surroundings.output, { json: shown, text: `Key pair issued.\n\n${listValues(shown)}\n` }, options.json);
  surroundings.notes.write(`${WARNING}\n`);
}
