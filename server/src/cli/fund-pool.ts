import type { Environment } from '@sirgiving/contract';
import { Command, Option } from 'commander';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { createPool, filePoolRequest, findDefaultPoolId, fundPool } from '../pools/index.ts';
import {
  asOption,
  environmentOption,
  examples,
  jsonOption,
  parseName,
  parseTokens,
  reasonOption,
} from './command-options.ts';
import { getPartner } from './get-partner.ts';
import {
  auditCommand,
  type CliSurroundings,
  CommandFailed,
  environmentOf,
  type OperatorContext,
  operatorAccount,
  withOperatorContext,
} from './operator-context.ts';
import { printResult } from './print-result.ts';

interface Options {
  partner: string;
  tokens: number;
  pool?: string;
  create?: string;
  environment?: Environment;
  as?: string;
  reason?: string;
  json?: boolean;
}

/** `fund-pool`: allocates tokens to a token pool of the sandbox; in production it files a request, which admins approve. */
export function fundPoolCommand(surroundings: CliSurroundings): Command {
  return new Command('fund-pool')
    .description(
      'Allocate tokens to a token pool: the default one unless another is named or created. In production it asks for them.',
    )
    .requiredOption('--partner <slug|id>', 'whose pool')
    .requiredOption('--tokens <number>', 'whole SIR tokens', parseTokens)
    .addOption(new Option('--pool <id>', 'a certain pool (pool_…)'))
    .addOption(new Option('--create <name>', 'create a pool of this name').argParser(parseName).conflicts('pool'))
    .addOption(environmentOption())
    .addOption(asOption())
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'fund-pool --partner bakery --tokens 1000000 --create "Main pool"',
        'fund-pool --partner bakery --tokens 5000',
        'fund-pool --partner bakery --tokens 5000 --pool pool_01h455vb4pex5vsknk084sn02q --json',
        'fund-pool --partner bakery --tokens 5000 --environment production --as ops@example.org',
      ),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  const environment = environmentOf(options.environment, surroundings);
  const shown = await withOperatorContext(surroundings, async (context) => {
    const partner = await getPartner(context.sql, options.partner);
    const operator = await operatorAccount(context.sql, environment, options.as);
    const tenant = { partnerId: partner.id, environment };
    return context.sql.begin<Funded | Requested>(async (tx) =>
      operator !== undefined && environment === 'production'
        ? fileRequest(tx, context, { ...tenant, operator }, options)
        : fund(tx, context, { ...tenant, operator }, options),
    );
  });
  const text =
    'balance' in shown
      ? `${shown.tokens} SIR were allocated to ${shown.poolId}; its balance is ${shown.balance} SIR.`
      : `${shown.tokens} SIR were asked for in ${shown.poolRequestId}: another admin has to approve it.`;
  printResult(surroundings.output, { json: { ...shown }, text }, options.json);
}

interface Funded {
  poolId: string;
  transactionId: string;
  tokens: number;
  balance: number;
  created: boolean;
}

interface Requested {
  status: 'REQUESTED';
  poolRequestId: string;
  tokens: number;
}

type Operated = Tenant & { operator: string | undefined };

async function fund(tx: Tx, context: OperatorContext, { operator, ...tenant }: Operated, options: Options) {
  const { ids, clock } = context;
  const now = clock.now();
  const poolId =
    options.create === undefined
      ? await choosePool(tx, tenant, options)
      : (await createPool(tx, ids, { ...tenant, name: options.create }, now)).poolId;
  const { transactionId, balance } = await fundPool(tx, ids, { ...tenant, poolId, tokens: options.tokens }, now);
  const shown = {
    poolId: publicId('pool', poolId),
    transactionId: publicId('txn', transactionId),
    tokens: options.tokens,
    balance,
    created: options.create !== undefined,
  };
  const { poolId: target, ...after } = shown;
  await auditCommand(tx, context, operator, { action: 'pool.fund', ...tenant, target, reason: options.reason, after });
  return shown;
}

/** Whoever asks here cannot approve it as an admin (contract §9). */
async function fileRequest(
  tx: Tx,
  context: OperatorContext,
  { operator, ...tenant }: Tenant & { operator: string },
  options: Options,
): Promise<Requested> {
  const { tokens, reason, create: poolName } = options;
  const poolId = options.pool === undefined ? undefined : await choosePool(tx, tenant, options);
  const requester = { kind: 'ADMIN', id: operator } as const;
  const wanted = { ...tenant, poolId, poolName, tokens, reason, requester };
  const request = await filePoolRequest(tx, context.ids, wanted, context.clock.now());
  const poolRequestId = publicId('preq', request.id);
  const after = { tokens };
  const entry = { action: 'pool.request_funding', ...tenant, target: poolRequestId, reason, after };
  await auditCommand(tx, context, operator, entry);
  return { status: 'REQUESTED', poolRequestId, tokens };
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
