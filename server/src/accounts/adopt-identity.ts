import type { Sql } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';

/**
 * Gives a subject of an outside issuer an account of its own when it comes for the first time. Whatever e-mail address the issuer
 * tells, an existing account is never found by it: it is linked only by a log-in to it (link-identity.ts).
 */
export async function adoptIdentity(
  sql: Sql,
  ids: Ids,
  { issuer, subject }: { issuer: string; subject: string },
  now: Date,
): Promise<void> {
  await inTransaction(sql, async (tx) => {
    const accountId = ids.uuid();
    await tx`insert into accounts (id, created_at) values (${accountId}, ${now})`;
    const { count } = await tx`
      insert into account_identities (issuer, subject, account_id, created_at)
      values (${issuer}, ${subject}, ${accountId}, ${now})
      on conflict do nothing`;
    // Another request of the same person was quicker.
    if (count === 0) await tx`delete from accounts where id = ${accountId}`;
  });
}
