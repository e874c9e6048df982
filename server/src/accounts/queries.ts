import type { Account } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';

/** A person as the other capabilities know them. */
export interface AccountRow {
  /** The row's id. */
  id: string;
  /** Null for who came by an outside issuer only. */
  email: string | null;
  emailVerifiedAt: Date | null;
  passwordHash: string | null;
  firstName: string | null;
  lastName: string | null;
  isAdmin: boolean;
  mustChangePassword: boolean;
  sandboxOnly: boolean;
  disabledAt: Date | null;
  totpSeedEncrypted: Buffer | null;
  totpConfirmedAt: Date | null;
  createdAt: Date;
}

/** What an address of mail is found by: people do not mind upper and lower case, and no provider tells them apart. */
export function emailKeyOf(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

/** Finds an account by its e-mail address, whatever its case. */
export async function findAccountByEmail(sql: Queryable, email: string): Promise<AccountRow | undefined> {
  const [row] = await sql<AccountRow[]>`
    select ${accountColumns(sql)} from accounts where email_key = ${emailKeyOf(email)}`;
  return row;
}

/** Finds an account by its row id. */
export async function findAccount(sql: Queryable, accountId: string): Promise<AccountRow | undefined> {
  const [row] = await sql<AccountRow[]>`select ${accountColumns(sql)} from accounts where id = ${accountId}`;
  return row;
}

function accountColumns(sql: Queryable) {
  return sql`
    id, email, email_verified_at as "emailVerifiedAt", password_hash as "passwordHash", first_name as "firstName",
    last_name as "lastName", is_admin as "isAdmin", must_change_password as "mustChangePassword", sandbox_only as "sandboxOnly", disabled_at as "disabledAt",
    totp_seed_encrypted as "totpSeedEncrypted", totp_confirmed_at as "totpConfirmedAt", created_at as "createdAt"`;
}

/** An account as it is shown to its person. */
export function presentAccount(row: AccountRow): Account {
  return {
    id: publicId('acc', row.id),
    email: row.email,
    emailVerified: row.emailVerifiedAt !== null,
    ...(row.firstName === null ? {} : { firstName: row.firstName }),
    ...(row.lastName === null ? {} : { lastName: row.lastName }),
    totpEnabled: row.totpConfirmedAt !== null,
    mustChangePassword: row.mustChangePassword,
    createdAt: row.createdAt.toISOString(),
  };
}
