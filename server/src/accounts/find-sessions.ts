import type { Queryable } from '../platform/db.ts';
import type { Found } from '../platform/watched-cache.ts';
import type { Audience } from './session.ts';

/** What is known about the session that an access token names. Everything but its end by time is as of one snapshot. */
export interface SessionState {
  accountId: string;
  audience: Audience;
  /** Not ended, its account not disabled and, for admins, still one. */
  isLive: boolean;
  /** Unix milliseconds. */
  expiresAt: number;
  sandboxOnly: boolean;
  mustChangePassword: boolean;
}

/** What is known about the subject of an outside issuer. */
export interface IdentityState {
  accountId: string;
  isLive: boolean;
  /** Unix milliseconds: tokens issued before do not count. */
  notBefore: number;
  sandboxOnly: boolean;
  mustChangePassword: boolean;
}

type SnapshotRow<Row> = { change: number } & ({ key: null } | ({ key: string } & Row));

interface SessionSnapshot {
  accountId: string;
  audience: Audience;
  isLive: boolean;
  expiresAt: Date;
  sandboxOnly: boolean;
  mustChangePassword: boolean;
}

/** Looks up sessions by row id, in one snapshot with the counter of credential changes. */
export async function findSessions(sql: Queryable, sessionIds: readonly string[]): Promise<Found<SessionState>> {
  const rows = await sql<SnapshotRow<SessionSnapshot>[]>`
    select c.value as change, f.*
    from credential_changes c
    left join (
      select s.id::text as key, s.account_id as "accountId", s.audience, s.expires_at as "expiresAt",
        s.ended_at is null and a.disabled_at is null and (s.audience <> 'admin' or a.is_admin) as "isLive",
        a.sandbox_only as "sandboxOnly", a.must_change_password as "mustChangePassword"
      from account_sessions s
      join accounts a on a.id = s.account_id
      where s.id = any (${[...sessionIds]}::uuid[])
    ) f on true`;
  return found(rows, ({ expiresAt, accountId, audience, isLive, sandboxOnly, mustChangePassword }) => ({
    accountId,
    audience,
    isLive,
    sandboxOnly,
    mustChangePassword,
    expiresAt: expiresAt.getTime(),
  }));
}

interface IdentitySnapshot {
  accountId: string;
  isLive: boolean;
  notBefore: Date | null;
  sandboxOnly: boolean;
  mustChangePassword: boolean;
}

/** Looks up subjects of one outside issuer, in one snapshot with the counter of credential changes. */
export async function findIdentities(
  sql: Queryable,
  issuer: string,
  subjects: readonly string[],
): Promise<Found<IdentityState>> {
  const rows = await sql<SnapshotRow<IdentitySnapshot>[]>`
    select c.value as change, f.*
    from credential_changes c
    left join (
      select i.subject as key, i.account_id as "accountId", i.not_before as "notBefore",
        a.disabled_at is null as "isLive", a.sandbox_only as "sandboxOnly", a.must_change_password as "mustChangePassword"
      from account_identities i
      join accounts a on a.id = i.account_id
      where i.issuer = ${issuer} and i.subject = any (${[...subjects]}::text[])
    ) f on true`;
  return found(rows, ({ accountId, isLive, notBefore, sandboxOnly, mustChangePassword }) => ({
    accountId,
    isLive,
    sandboxOnly,
    mustChangePassword,
    notBefore: notBefore?.getTime() ?? Number.NEGATIVE_INFINITY,
  }));
}

function found<Row, State>(rows: readonly SnapshotRow<Row>[], stateOf: (row: Row) => State): Found<State> {
  const [first] = rows;
  if (first === undefined) throw new Error('credential_changes is empty, and it must hold one row');
  const byKey = new Map<string, State | Error>();
  for (const row of rows) if (row.key !== null) byKey.set(row.key, stateOf(row));
  return { change: first.change, byKey };
}
