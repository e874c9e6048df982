import type { Queryable, Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { emailKeyOf } from './queries.ts';

export interface NewAccount {
  email: string;
  /** Of `hashPassword`, made before the transaction begins: hashing takes long. */
  passwordHash: string;
  firstName?: string | null;
  lastName?: string | null;
  isAdmin?: boolean;
  /** Somebody else has made the password, and the person has to choose another. */
  mustChangePassword?: boolean;
  /** Made by a seed: never for production data (contract §1). */
  sandboxOnly?: boolean;
  createdAt: Date;
}

/**
 * Creates an account whose e-mail address is known to be the person's own. Answers its row id, undefined when the address has an
 * account already.
 */
export async function createAccount(tx: Tx, ids: Ids, wanted: NewAccount): Promise<string | undefined> {
  const { email, passwordHash, firstName = null, lastName = null } = wanted;
  const { isAdmin = false, mustChangePassword = false, sandboxOnly = false } = wanted;
  const id = ids.uuid();
  const { count } = await tx`
    insert into accounts
      (id, email, email_key, email_verified_at, password_hash, first_name, last_name, is_admin, must_change_password,
       sandbox_only, created_at)
    values
      (${id}, ${email}, ${emailKeyOf(email)}, ${wanted.createdAt}, ${passwordHash}, ${firstName}, ${lastName}, ${isAdmin},
       ${mustChangePassword}, ${sandboxOnly}, ${wanted.createdAt})
    on conflict (email_key) do nothing`;
  return count === 1 ? id : undefined;
}

/** Whether an address has an account. */
export async function hasAccount(sql: Queryable, email: string): Promise<boolean> {
  const rows = await sql`select from accounts where email_key = ${emailKeyOf(email)}`;
  return rows.length > 0;
}
