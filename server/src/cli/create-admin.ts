import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { createAccount, findAccountByEmail, hashPassword, setAdmin } from '../accounts/index.ts';
import type { Tx } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';
import { asOption, examples, jsonOption, reasonOption } from './command-options.ts';
import {
  auditCommand,
  type CliSurroundings,
  CommandFailed,
  type OperatorContext,
  operatorAccount,
  withOperatorContext,
} from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  email: string;
  promote?: boolean;
  as?: string;
  reason?: string;
  json?: boolean;
}

const PASSWORD_BYTES = 18;
const OTP_NEEDED = 'turn on one-time passwords: production data needs them.';
const AFTER_CREATING = `The password is shown this once, and only opens its own change. Log in with it, choose another (POST /v1/admin/auth/change-password), and ${OTP_NEEDED}`;
const AFTER_PROMOTING = `The password stays as it is, and every session has ended. Log in to the administration and, if that is still to do, ${OTP_NEEDED}`;

/** `create-admin`: an account for one of SIR Giving's people, or the administration for an account that is there. */
export function createAdmin(surroundings: CliSurroundings): Command {
  return new Command('create-admin')
    .description('Create an account for the administration. Its first password is shown once and has to be changed.')
    .requiredOption('--email <address>', 'whose account; it is taken to be the person’s own')
    .option('--promote', 'give the administration to the account that this address has')
    .addOption(asOption('the admin who gives the command; there may be none yet'))
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'create-admin --email ops@example.org',
        'create-admin --email jane@example.org --promote --as ops@example.org --reason "on call"',
      ),
    )
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, options: Options): Promise<void> {
  const { email } = options;
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) || email.length > 254) {
    throw new CommandFailed(`${email} is not an e-mail address.`);
  }
  const { shown, text, next } = await withOperatorContext(surroundings, (context) =>
    options.promote === true ? promote(context, options) : create(context, options),
  );
  printResult(surroundings.output, { json: shown, text }, options.json);
  if (next !== undefined) surroundings.notes.write(`${next}\n`);
}

interface Done {
  shown: Record<string, string | boolean>;
  text: string;
  /** What the person has to do now. */
  next?: string;
}

async function create(context: OperatorContext, options: Options): Promise<Done> {
  const { email } = options;
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const passwordHash = await hashPassword(password);
  const wanted = { email, passwordHash, isAdmin: true, mustChangePassword: true, createdAt: context.clock.now() };
  return context.sql.begin(async (tx) => {
    const accountId = await createAccount(tx, context.ids, wanted);
    if (accountId === undefined) {
      throw new CommandFailed(`${email} has an account already: add --promote to make its person an admin.`);
    }
    const id = await auditAdmin(tx, context, options, accountId, { after: { admin: true } });
    const shown = { id, email, password };
    return { shown, text: `Admin created.\n\n${listValues(shown)}\n`, next: AFTER_CREATING };
  });
}

async function promote(context: OperatorContext, options: Options): Promise<Done> {
  const { email } = options;
  return context.sql.begin<Done>(async (tx) => {
    const account = await findAccountByEmail(tx, email);
    if (account === undefined) throw new CommandFailed(`${email} has no account: leave --promote out to create one.`);
    if (account.disabledAt !== null) throw new CommandFailed(`The account of ${email} is disabled.`);
    // Its password stands in a file.
    if (account.sandboxOnly) throw new CommandFailed(`The account of ${email} was made for trying things out.`);
    const shown = { id: publicId('acc', account.id), email };
    if (!(await setAdmin(tx, account.id, true, context.clock.now()))) {
      return { shown: { ...shown, alreadyAdmin: true }, text: `${email} is an admin already.` };
    }
    await auditAdmin(tx, context, options, account.id, { before: { admin: false }, after: { admin: true } });
    return { shown: { ...shown, alreadyAdmin: false }, text: `${email} is an admin now.`, next: AFTER_PROMOTING };
  });
}

/** Answers the public id of the account. */
async function auditAdmin(
  tx: Tx,
  context: OperatorContext,
  { as, reason }: Options,
  accountId: string,
  change: { before?: object; after: object },
): Promise<string> {
  const { environment } = context.config;
  const target = publicId('acc', accountId);
  // The first admin is made by nobody who could be named.
  const operator = as === undefined ? undefined : await operatorAccount(tx, environment, as);
  await auditCommand(tx, context, operator, { action: 'admin.create', environment, target, reason, ...change });
  return target;
}
