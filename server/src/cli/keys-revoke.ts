import { Argument, Command } from 'commander';
import { findKey, revokeKey } from '../partners/index.ts';
import { publicId } from '../platform/ids.ts';
import { asOption, examples, jsonOption, reasonOption } from './command-options.ts';
import {
  auditCommand,
  type CliSurroundings,
  CommandFailed,
  operatorAccount,
  withOperatorContext,
} from './operator-context.ts';
import { printResult } from './print-result.ts';

interface Options {
  as?: string;
  reason?: string;
  json?: boolean;
}

/** `keys revoke`: takes a key pair out of use for ever. */
export function keysRevoke(surroundings: CliSurroundings): Command {
  return new Command('revoke')
    .description('Revoke a key pair for ever. Every server refuses it within a second.')
    .addArgument(new Argument('<key>', 'its id (key_…) or its publishable key (pk_…)'))
    .addOption(asOption())
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'keys revoke key_01h455vb4pex5vsknk084sn02q',
        'keys revoke pk_live_4f1c… --as ops@example.org --reason leaked',
      ),
    )
    .action((key: string, options: Options) => run(surroundings, key, options));
}

async function run(surroundings: CliSurroundings, name: string, options: Options): Promise<void> {
  if (name.startsWith('sk_')) {
    throw new CommandFailed('Name the key by its id or its publishable key: secrets do not belong on a command line.');
  }
  const shown = await withOperatorContext(surroundings, async (context) => {
    const { sql, clock } = context;
    const key = await findKey(sql, name);
    if (key === undefined) throw new CommandFailed(`There is no key ${name}.`);
    const { partnerId, environment, keyId } = key;
    const operator = await operatorAccount(sql, environment, options.as);
    const id = publicId('key', keyId);
    const revoked = await sql.begin(async (tx) => {
      const isDone = await revokeKey(tx, key, clock.now());
      const { reason } = options;
      const change = { before: { revoked: false }, after: { revoked: true } };
      const entry = { action: 'key.revoke', partnerId, environment, target: id, reason, ...change };
      if (isDone) await auditCommand(tx, context, operator, entry);
      return isDone;
    });
    return { id, alreadyRevoked: !revoked };
  });
  const text = shown.alreadyRevoked ? `${shown.id} was revoked already.` : `${shown.id} is revoked.`;
  printResult(surroundings.output, { json: shown, text }, options.json);
}
