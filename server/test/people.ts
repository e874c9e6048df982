import { randomBytes } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import { createAccount } from '../src/accounts/index.ts';
import { type Audience, openSession } from '../src/accounts/session.ts';
import { createSessionTokens } from '../src/accounts/session-tokens.ts';
import { addMember } from '../src/partners/index.ts';
import type { Role } from '../src/platform/caller.ts';
import type { Clock } from '../src/platform/clock.ts';
import { raiseCredentialChanges } from '../src/platform/credential-changes.ts';
import type { Sql } from '../src/platform/db.ts';
import { publicId, randomIds } from '../src/platform/ids.ts';
import type { SecretBox } from '../src/platform/secret-box.ts';

/** Somebody who is logged in. */
export interface TestPerson {
  /** Row ids. */
  accountId: string;
  sessionId: string;
  email: string;
  accessToken: string;
}

export interface NewPersonOptions {
  email?: string;
  /** Of SIR Giving, logged in for the administration. */
  admin?: boolean;
  /** Whether a one-time password was given at log-in; always for admins when left out. */
  otp?: boolean;
  sandboxOnly?: boolean;
}

export interface PersonOptions {
  headers?: Record<string, string>;
  /** `X-Partner-Environment`. */
  environment?: Environment;
  /** The row id of the partner for `X-Partner-Id`. */
  partnerId?: string;
}

interface Parts {
  sql: Sql;
  secretBox: SecretBox;
  clock: Clock;
}

/** Makes people with an account and a session, as a log-in would leave them. No password opens their accounts: hashing takes long. */
export function personMaker({ sql, secretBox, clock }: Parts) {
  const tokens = createSessionTokens(secretBox, clock);
  return async (options: NewPersonOptions = {}): Promise<TestPerson> => {
    const { admin = false, otp = admin, sandboxOnly = false } = options;
    const email = options.email ?? `person-${randomBytes(6).toString('hex')}@example.org`;
    const now = clock.now();
    const wanted = { email, passwordHash: 'none', isAdmin: admin, sandboxOnly, createdAt: now };
    const session = await sql.begin(async (tx) => {
      const accountId = await createAccount(tx, randomIds, wanted);
      if (accountId === undefined) throw new Error(`${email} has an account already`);
      const audience: Audience = admin ? 'admin' : 'partner';
      const amr = otp ? ['pwd', 'otp'] : ['pwd'];
      const otpAt = otp ? now : undefined;
      return openSession(tx, { id: randomIds.uuid(), accountId, audience, byCookie: false, amr, otpAt }, now);
    });
    const { accountId, id: sessionId } = session;
    return { accountId, sessionId, email, accessToken: await tokens.issueAccess(session, now) };
  };
}

/** Lets a person belong to the team of a partner. */
export async function joinTeam(
  sql: Sql,
  clock: Clock,
  partnerId: string,
  accountId: string,
  role: Role,
): Promise<void> {
  await sql.begin(async (tx) => {
    await addMember(tx, { partnerId, accountId, role }, clock.now());
    await raiseCredentialChanges(tx);
  });
}

/** The headers of a person's request. */
export function headersOfPerson(person: TestPerson, { headers, environment, partnerId }: PersonOptions = {}) {
  return {
    authorization: `Bearer ${person.accessToken}`,
    ...(environment === undefined ? {} : { 'x-partner-environment': environment }),
    ...(partnerId === undefined ? {} : { 'x-partner-id': publicId('ptn', partnerId) }),
    ...headers,
  };
}
