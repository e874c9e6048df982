import type { Environment } from '@sirgiving/contract';
import { Command } from 'commander';
import { verifyTraces } from '../actions/index.ts';
import { verifyAudit } from '../admin/index.ts';
import { type Scope, type VerificationReport, verifyLedger } from '../ledger/index.ts';
import { environmentOption, examples, jsonOption } from './command-options.ts';
import { getPartner } from './get-partner.ts';
import { type CliSurroundings, withOperatorContext } from './operator-context.ts';
import { printResult } from './print-result.ts';

interface Options {
  partner?: string;
  environment?: Environment;
  json?: boolean;
}

/** The verification ran to its end and found the book broken: exit code 3. What is broken has been printed. */
export class LedgerBroken extends Error {
  override name = 'LedgerBroken';
}

/** `ledger verify`: checks the invariants of the book. It reads only, so production data may be verified too. */
export function ledgerVerify(surroundings: CliSurroundings): Command {
  return new Command('verify')
    .description('Check the invariants of the ledger on one snapshot, while writers go on. Nothing is changed.')
    .option('--partner <slug|id>', 'the book of one partner only')
    .addOption(environmentOption('one environment only: sandbox or production (default: both)'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${examples('ledger verify', 'ledger verify --partner bakery --environment sandbox --json')}

Exit codes: 0 all invariants hold, 1 it could not be checked, 2 wrong usage, 3 an invariant is broken.`,
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, { partner, environment, json }: Options): Promise<void> {
  const report = await withOperatorContext(surroundings, async ({ sql, progress }) => {
    const scope: Scope = environment === undefined ? {} : { environment };
    if (partner !== undefined) scope.partnerId = (await getPartner(sql, partner)).id;
    return verifyLedger(sql, { ...scope, moreChecks: [verifyTraces, verifyAudit], onProgress: progress.step });
  });
  printResult(surroundings.output, { json: { ...report }, text: describeReport(report) }, json);
  if (!report.ok) throw new LedgerBroken('an invariant of the ledger is broken');
}

function describeReport({
  ok,
  checkedTransactions,
  durationMilliseconds,
  violations,
  findings,
}: VerificationReport): string {
  const checked = `${checkedTransactions.toLocaleString('en')} transactions in ${(durationMilliseconds / 1000).toFixed(1)} s`;
  if (ok) return `All invariants hold (${checked}).`;
  const lines = Object.entries(violations).flatMap(([invariant, count]) => {
    const shown = findings.filter((finding) => finding.invariant === invariant);
    const details = shown.map(
      ({ partnerId, environment, detail }) => `  ${detail} (partner ${partnerId}, ${environment})`,
    );
    const more = count - shown.length;
    return [`${invariant} is broken ${count} times:`, ...details, ...(more > 0 ? [`  and ${more} more`] : [])];
  });
  return `The ledger is broken (${checked}).\n\n${lines.join('\n')}`;
}
