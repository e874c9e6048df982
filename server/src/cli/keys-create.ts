import type { Environment } from '@sirgiving/contract';
import { Command } from 'commander';
import { createKey } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { environmentOption, examples, jsonOption, parseName } from './command-options.ts';
import { getPartner } from './get-partner.ts';
import { type CliSurroundings, sandboxOnly, withOperatorContext } from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  partner: string;
  name: string;
  environment?: Environment;
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
  const shown = await withOperatorContext(surroundings, async ({ sql, ids, clock, secretBox }) => {
    const partner = await getPartner(sql, options.partner);
    const wanted = { partnerId: partner.id, environment, name: options.name, createdAt: clock.now() };
    const key = await sql.begin((tx) => createKey(tx, ids, secretBox, wanted));
    const { publicKey, secretKey, hmacSecret } = key;
    return {
      id: publicId('key', key.id),
      partnerId: publicId('ptn', partner.id),
      name: options.name,
      environment,
      publicKey,
      secretKey,
      hmacSecret,
    };
  });
  printResult(surroundings.output, { json: shown, text: `Key pair issued.\n\n${listValues(shown)}\n` }, options.json);
  surroundings.notes.write(`${WARNING}\n`);
}
