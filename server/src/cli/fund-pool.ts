import type { Environment } from '@sirgiving/contract';
import { Command, Option } from 'commander';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { createPool, findDefaultPoolId, fundPool } from '../pools/index.ts';
import { environmentOption, examples, jsonOption, parseName, parseTokens } from './command-options.ts';
import { getPartner } from './get-partner.ts';
import {
  type CliSurroundings,
  CommandFailed,
  type OperatorContext,
  sandboxOnly,
  withOperatorContext,
} from './operator-context.ts';
import { printResult } from './print-result.ts';

interface Options {
  partner: string;
  tokens: number;
  pool?: string;
  create?: string;
  environment?: Environment;
  json?: boolean;
}

/** `fund-pool`: allocates tokens to a token pool of the sandbox. */
export function fundPoolCommand(surroundings: CliSurroundings): Command {
  return new Command('fund-pool')
    .description('Allocate tokens to a token pool: the default one unless another is named or created.')
    .requiredOption('--partner <slug|id>', 'whose pool')
    .requiredOption('--tokens <number>', 'whole SIR tokens', parseTokens)
    .addOption(new Option('--pool <id>', 'a certain pool (pool_…)'))
    .addOption(new Option('--create <name>', 'create a pool of this name').argParser(parseName).conflicts('pool'))
    .addOption(environmentOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'fund-pool --partner bakery --tokens 1000000 --create "Main pool"',
        'fund-pool --partner bakery --tokens 5000',
        'fund-pool --partner bakery --tokens 5000 --pool pool_01h455vb4pex5vsknk084sn02q --json',
      ),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  const environment = sandboxOnly(options.environment, surroundings);
  const shown = await withOperatorContext(surroundings, async (context) => {
    const partner = await getPartner(context.sql, options.partner);
    return context.sql.begin((tx) => fund(tx, context, { partnerId: partner.id, environment }, options));
  });
  const text = `${shown.tokens} SIR were allocated to ${shown.poolId}; its balance is ${shown.balance} SIR.`;
  printResult(surroundings.output, { json: shown, text }, options.json);
}

async function fund(tx: Tx, { ids, clock }: OperatorContext, tenant: Tenant, options: Options) {
  const now = clock.now();
  const poolId =
    options.create === undefined
      ? await choosePool(tx, tenant, options)
      : (await createPool(tx, ids, { ...tenant, name: options.create }, now)).poolId;
  const { transactionId, balance } = await fundPool(tx, ids, { ...tenant, poolId, tokens: options.tokens }, now);
  return {
    poolId: publicId('pool', poolId),
    transactionId: publicId('txn', transactionId),
    tokens: options.tokens,
    balance,
    created: options.create !== undefined,
  };
}

async function choosePool(tx: Tx, tenant: Tenant, { partner, pool }: Options): Promise<string> {
  if (pool !== undefined) {
    const poolId = rowId('pool', pool);
    if (poolId === undefined) throw new CommandFailed(`${pool} is not the id of a token pool (pool_…).`);
    return poolId;
  }
  const poolId = await findDefaultPoolId(tx, tenant);
  if (poolId === undefined) {
    throw new CommandFailed(`${partner} has no token pool in the ${tenant.environment} yet: add --create "Main pool".`);
  }
  return poolId;
}
