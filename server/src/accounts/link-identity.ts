import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';

/** Whether an account belongs to a partner: then it is not given up for another one. */
export type IsInUse = (tx: Tx, accountId: string) => Promise<boolean>;

/**
 * From now on the subject of an outside issuer stands for this account; the caller has just logged in to it. The account that the
 * subject had of its own is deleted. Throws 409 IDENTITY_IN_USE when that one belongs to a partner or is another person's.
 */
export async function linkIdentity(
  tx: Tx,
  identity: { issuer: string; subject: string },
  accountId: string,
  options: { isInUse: IsInUse; now: Date },
): Promise<void> {
  const { issuer, subject } = identity;
  const [before] = await tx<{ accountId: string; isPerson: boolean }[]>`
    select i.account_id as "accountId", a.email is not null as "isPerson"
    from account_identities i
    join accounts a on a.id = i.account_id
    where i.issuer = ${issuer} and i.subject = ${subject}
    for update of i`;
  if (before?.accountId === accountId) return;
  if (before === undefined) {
    await tx`
      insert into account_identities (issuer, subject, account_id, created_at)
      values (${issuer}, ${subject}, ${accountId}, ${options.now})`;
    return;
  }
  if (before.isPerson || (await options.isInUse(tx, before.accountId))) {
    throw problem('IDENTITY_IN_USE', 'This identity already stands for an account that is in use.');
  }
  await tx`
    update account_identities set account_id = ${accountId}
    where issuer = ${issuer} and subject = ${subject}`;
  await tx`delete from accounts where id = ${before.accountId}`;
  await raiseCredentialChanges(tx);
}
