import type { Clock } from '../../platform/clock.ts';
import type { Sql } from '../../platform/db.ts';
import { inTransaction } from '../../platform/in-transaction.ts';

/** Housekeeping for the worker: invitations that have become too old lose the address, and links that lead nowhere are forgotten. */
export async function purgeInvitations(sql: Sql, clock: Clock): Promise<void> {
  const now = clock.now();
  await inTransaction(sql, async (tx) => {
    await tx`
      update partner_invitations set status = 'REVOKED', decided_at = ${now}, email = null, email_key = null
      where status = 'PENDING' and expires_at <= ${now}`;
    // In two steps: a reference table is not written by a statement that reads a distributed one.
    const links = await tx<{ tokenHash: Buffer }[]>`
      select l.token_hash as "tokenHash" from partner_invitation_lookup l
      join partner_invitations i on i.partner_id = l.partner_id and i.id = l.invitation_id
      where i.status <> 'PENDING'`;
    const hashes = links.map(({ tokenHash }) => tokenHash.toString('hex'));
    await tx`
      delete from partner_invitation_lookup
      where token_hash = any (array(select decode(h, 'hex') from unnest(${hashes}::text[]) as h))`;
  });
}
