import { Command, CommanderError } from 'commander';
import { sqlState } from '../platform/db.ts';
import { Problem } from '../platform/problem-json.ts';
import { StartupError } from '../platform/startup-error.ts';
import { PoolFundingRefused } from '../pools/index.ts';
import { examples } from './command-options.ts';
import { createAdmin } from './create-admin.ts';
import { fundPoolCommand } from './fund-pool.ts';
import { keysCreate } from './keys-create.ts';
import { keysRevoke } from './keys-revoke.ts';
import { keysRewrap } from './keys-rewrap.ts';
import { LedgerBroken, ledgerVerify } from './ledger-verify.ts';
import { migrateCommand } from './migrate-command.ts';
import { type CliSurroundings, CommandFailed } from './operator-context.ts';
import { partnersCreate } from './partners-create.ts';

/** What a command ends with. */
const EXIT_CODES = { done: 0, failed: 1, wrongUsage: 2, ledgerBroken: 3 } as const;

/** Runs one command of `sir-server` and answers its exit code. Nothing is thrown. */
export async function runCli(args: readonly string[], surroundings: CliSurroundings): Promise<number> {
  try {
    await buildProgram(surroundings).parseAsync([...args], { from: 'user' });
    return EXIT_CODES.done;
  } catch (error) {
    // Commander has written what there is to say, also when it was asked for help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.wrongUsage;
    if (error instanceof LedgerBroken) return EXIT_CODES.ledgerBroken;
    surroundings.notes.write(`sir-server: ${sentence(error)}\n`);
    return EXIT_CODES.failed;
  }
}

function buildProgram(surroundings: CliSurroundings): Command {
  const program = new Command('sir-server')
    .description('Operates a SIR Giving server. It uses the same variables as the server (docs/configuration.md).')
    .addHelpText(
      'after',
      `${examples(
        'partners create --name "Corner Bakery"',
        'keys create --partner corner-bakery --name "Shop server"',
        'fund-pool --partner corner-bakery --tokens 1000000 --create "Main pool"',
        'ledger verify',
      )}\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 the ledger is broken.`,
    );
  const partners = new Command('partners').description('Partners.').addCommand(partnersCreate(surroundings));
  const keys = new Command('keys')
    .description('Key pairs that requests are signed with.')
    .addCommand(keysCreate(surroundings))
    .addCommand(keysRevoke(surroundings))
    .addCommand(keysRewrap(surroundings));
  const ledger = new Command('ledger').description('The book of all tokens.').addCommand(ledgerVerify(surroundings));
  const rest = [createAdmin(surroundings), fundPoolCommand(surroundings), ledger, migrateCommand(surroundings)];
  for (const command of [partners, keys, ...rest]) program.addCommand(command);
  throwInsteadOfExit(program, surroundings);
  return program;
}

/** Settings are inherited by commands that are made by their parent, which ours are not. */
function throwInsteadOfExit(command: Command, surroundings: CliSurroundings): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => surroundings.output.write(text),
    writeErr: (text) => surroundings.notes.write(text),
  });
  for (const child of command.commands) throwInsteadOfExit(child, surroundings);
}

/** What is said about an error: the sentence that it was made with, or, for one that nobody foresaw, where it comes from. */
function sentence(error: unknown): string {
  if (error instanceof StartupError || error instanceof CommandFailed || error instanceof PoolFundingRefused) {
    return error.message;
  }
  if (error instanceof Problem) return error.detail;
  if (!(error instanceof Error)) return String(error);
  const state = sqlState(error);
  return state === undefined ? (error.stack ?? error.message) : `The database refused (${state}): ${error.message}`;
}
