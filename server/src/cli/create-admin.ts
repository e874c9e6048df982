import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { createAccount, hashPassword } from '../accounts/index.ts';
import { publicId } from '../platform/ids.ts';
import { examples, jsonOption } from './command-options.ts';
import { auditCommand, type CliSurroundings, CommandFailed, withOperatorContext } from './operator-context.ts';
import { listValues, printResult } from './print-result.ts';

interface Options {
  email: string;
  json?: boolean;
}

const PASSWORD_BYTES = 18;
const NEXT_STEPS =
  'The password is shown this once. Log in with it, change it, and turn on one-time passwords: production data needs them.';

/** `create-admin`: an account for one of SIR Giving's people. */
export function createAdmin(surroundings: CliSurroundings): Command {
  return new Command('create-admin')
    .description('Create an account for the administration. Its first password is shown once.')
    .requiredOption('--email <address>', 'whose account; it is taken to be the person’s own')
    .addOption(jsonOption())
    .addHelpText('after', examples('create-admin --email ops@example.org'))
    .action((options: Options) => run(surroundings, options));
}

async function run(surroundings: CliSurroundings, { email, json }: Options): Promise<void> {
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) || email.length > 254) {
    throw new CommandFailed(`${email} is not an e-mail address.`);
  }
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const passwordHash = await hashPassword(password);
  const shown = await withOperatorContext(surroundings, (context) =>
    context.sql.begin(async (tx) => {
      const wanted = { email, passwordHash, isAdmin: true, createdAt: context.clock.now() };
      const accountId = await createAccount(tx, context.ids, wanted);
      if (accountId === undefined) throw new CommandFailed(`${email} has an account already. Nothing was changed.`);
      const target = publicId('acc', accountId);
      const { environment } = context.config;
      await auditCommand(tx, context, undefined, {
        action: 'admin.create',
        environment,
        target,
        after: { admin: true },
      });
      return { id: target, email, password };
    }),
  );
  printResult(surroundings.output, { json: shown, text: `Admin created.\n\n${listValues(shown)}\n` }, json);
  surroundings.notes.write(`${NEXT_STEPS}\n`);
}
