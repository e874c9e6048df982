import type { Queryable, Tx } from '../platform/db.ts';

/** Whom an access token is for: the portal of partners, or the people of SIR Giving. */
export type Audience = 'partner' | 'admin';

/** Why a session ended before its time. */
export type EndReason = 'LOG_OUT' | 'REUSE' | 'PASSWORD' | 'ROLE' | 'DISABLED';

/** One log-in of one person: a family of refresh tokens, of which one is current. */
export interface Session {
  /** The row's id. */
  id: string;
  accountId: string;
  audience: Audience;
  /** The refresh token is only ever set as a cookie. */
  byCookie: boolean;
  /** How the person proved to be themselves (RFC 8176). */
  amr: readonly string[];
  otpAt: Date | undefined;
  /** How often its refresh token was renewed. */
  generation: number;
  createdAt: Date;
  /** When the current generation began. */
  refreshedAt: Date;
  expiresAt: Date;
}

const DAY_MILLISECONDS = 86_400_000;
const HOUR_MILLISECONDS = 3_600_000;
/** A partner's session lives as long as it is used within 30 days, and ends after 90 days all the same. An admin's is one working day. */
const LIFETIMES: Record<Audience, { unusedMilliseconds: number; inAllMilliseconds: number }> = {
  partner: { unusedMilliseconds: 30 * DAY_MILLISECONDS, inAllMilliseconds: 90 * DAY_MILLISECONDS },
  admin: { unusedMilliseconds: 12 * HOUR_MILLISECONDS, inAllMilliseconds: 12 * HOUR_MILLISECONDS },
};

/** When a session that is used now ends. */
export function sessionEnd(audience: Audience, createdAt: Date, now: Date): Date {
  const { unusedMilliseconds, inAllMilliseconds } = LIFETIMES[audience];
  return new Date(Math.min(now.getTime() + unusedMilliseconds, createdAt.getTime() + inAllMilliseconds));
}

export interface NewSession {
  id: string;
  accountId: string;
  audience: Audience;
  byCookie: boolean;
  amr: readonly string[];
  otpAt: Date | undefined;
}

/** Begins a session. */
export async function openSession(tx: Tx, wanted: NewSession, now: Date): Promise<Session> {
  const { id, accountId, audience, byCookie, amr, otpAt } = wanted;
  const expiresAt = sessionEnd(audience, now, now);
  await tx`
    insert into account_sessions (id, account_id, audience, by_cookie, amr, otp_at, created_at, refreshed_at, expires_at)
    values (${id}, ${accountId}, ${audience}, ${byCookie}, ${[...amr]}, ${otpAt ?? null}, ${now}, ${now}, ${expiresAt})`;
  return { ...wanted, generation: 0, createdAt: now, refreshedAt: now, expiresAt };
}

export type SessionRow = Omit<Session, 'otpAt'> & { otpAt: Date | null };

/** The columns of a session, from a table or an alias of it. */
export function sessionColumns(sql: Queryable) {
  return sql`
    s.id, s.account_id as "accountId", s.audience, s.by_cookie as "byCookie", s.amr, s.otp_at as "otpAt", s.generation,
    s.created_at as "createdAt", s.refreshed_at as "refreshedAt", s.expires_at as "expiresAt"`;
}

export function sessionOf({ otpAt, ...row }: SessionRow): Session {
  return { ...row, otpAt: otpAt ?? undefined };
}
