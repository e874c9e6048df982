import type { Queryable, Tx } from '../platform/db.ts';

/** A person as the team of a partner sees them. */
export interface Person {
  /** The account's row id. */
  id: string;
  /** Null for who came by an outside issuer only. */
  email: string | null;
  isEmailVerified: boolean;
  firstName: string | null;
  lastName: string | null;
  sandboxOnly: boolean;
}

const personColumns = (sql: Queryable) => sql`
  id, email, email_verified_at is not null as "isEmailVerified", first_name as "firstName", last_name as "lastName",
  sandbox_only as "sandboxOnly"`;

/** Reads an account under its row lock, so that what the person does at once happens one by one. Undefined: it is no more. */
export async function lockPerson(tx: Tx, accountId: string): Promise<Person | undefined> {
  const [person] = await tx<Person[]>`
    select ${personColumns(tx)} from accounts where id = ${accountId} and disabled_at is null for no key update`;
  return person;
}

/** The people with these row ids, by id. */
export async function findPeople(sql: Queryable, accountIds: readonly string[]): Promise<ReadonlyMap<string, Person>> {
  if (accountIds.length === 0) return new Map();
  const people = await sql<Person[]>`
    select ${personColumns(sql)} from accounts where id = any (${[...accountIds]}::uuid[])`;
  return new Map(people.map((person) => [person.id, person]));
}
