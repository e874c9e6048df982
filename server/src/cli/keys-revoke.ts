import { Argument, Command } from 'commander';
import { findKey, revokeKey } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { examples, jsonOption } from './command-options.ts';
import { type CliSurroundings, CommandFailed, sandboxOnly, withOperatorContext } from './operator-context.ts';
import { printResult } from './print-result.ts';

/** `keys revoke`: takes a key pair out of use for ever. */
export function keysRevoke(surroundings: CliSurroundings): Command {
  return new Command('revoke')
    .description('Revoke a key pair for ever. Every server refuses it within a second.')
    .addArgument(new Argument('<key>', 'its id (key_…) or its publishable key (pk_…)'))
    .addOption(jsonOption())
    .addHelpText('after', examples('keys revoke key_01h455vb4pex5vsknk084sn02q', 'keys revoke pk_test_4f1c… --json'))
    .action((key: string, options: { json?: boolean }) => run(surroundings, key, options.json));
}

async function run(surroundings: CliSurroundings, name: string, asJson: boolean | undefined): Promise<void> {
  if (name.startsWith('sk_')) {
    throw new CommandFailed('Name the key by its id or its publishable key: secrets do not belong on a command line.');
  }
  const shown = await withOperatorContext(surroundings, async ({ sql, clock }) => {
    const key = await findKey(sql, name);
    if (key === undefined) throw new CommandFailed(`There is no key ${name}.`);
    sandboxOnly(key.environment, surroundings);
    const revoked = await sql.begin((tx) => revokeKey(tx, key, clock.now()));
    return { id: publicId('key', key.keyId), alreadyRevoked: !revoked };
  });
  const text = shown.alreadyRevoked ? `${shown.id} was revoked already.` : `${shown.id} is revoked.`;
  printResult(surroundings.output, { json: shown, text }, asJson);
}
