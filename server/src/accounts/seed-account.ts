import type { Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { createAccount } from './create-account.ts';
import { emailKeyOf } from './queries.ts';

/**
 * Creates a log-in for trying things out, which no process lets near production data (contract §1); one that is there gets the new
 * password. Answers its row id. Throws when the address is a real person's.
 */
export async function seedAccount(
  tx: Tx,
  ids: Ids,
  wanted: { email: string; passwordHash: string; isAdmin: boolean; createdAt: Date },
): Promise<string> {
  const created = await createAccount(tx, ids, { ...wanted, sandboxOnly: true });
  if (created !== undefined) return created;
  const [row] = await tx<{ id: string }[]>`
    update accounts set password_hash = ${wanted.passwordHash}
    where email_key = ${emailKeyOf(wanted.email)} and sandbox_only
    returning id`;
  if (row === undefined) throw new Error(`${wanted.email} belongs to a person`);
  return row.id;
}
