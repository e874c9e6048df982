import type { Sql, Tx } from '../platform/db.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { endSession } from './end-sessions.ts';
import { type Session, type SessionRow, sessionColumns, sessionEnd, sessionOf } from './session.ts';
import type { RefreshClaims } from './session-tokens.ts';

/** Two tabs, or a retry after a lost answer, may send the same token: for this long after its first use it still counts. */
const GRACE_MILLISECONDS = 10_000;

type FoundSession = SessionRow & { rotatedAt: Date[]; isLive: boolean };

/**
 * Uses a refresh token: the session goes on with the next generation. A token that was used within the last 10 s answers the session
 * as it is now, so that all who sent it hold the same next token; used before that it was copied, and the whole family ends. Answers
 * undefined when there is no session to continue.
 */
export async function refreshSession(sql: Sql, claims: RefreshClaims, now: Date): Promise<Session | undefined> {
  return inTransaction(sql, async (tx) => {
    const found = await lockSession(tx, claims, now);
    if (found === undefined || !found.isLive || claims.generation > found.generation) return undefined;
    if (claims.generation === found.generation) return rotate(tx, found, now);
    if (isWithinGrace(found, claims.generation, now)) return sessionOf(found);
    await endSession(tx, found.id, 'REUSE', now);
    return undefined;
  });
}

async function lockSession(tx: Tx, { sessionId, audience }: RefreshClaims, now: Date) {
  const [row] = await tx<FoundSession[]>`
    select ${sessionColumns(tx)}, s.rotated_at as "rotatedAt",
      s.ended_at is null and s.expires_at > ${now} and a.disabled_at is null
        and (s.audience <> 'admin' or a.is_admin) as "isLive"
    from account_sessions s
    join accounts a on a.id = s.account_id
    where s.id = ${sessionId} and s.audience = ${audience}
    for no key update of s`;
  return row;
}

async function rotate(tx: Tx, found: FoundSession, now: Date): Promise<Session> {
  const recent = found.rotatedAt.filter((at) => now.getTime() - at.getTime() <= GRACE_MILLISECONDS);
  // The driver takes arrays of text, not of dates.
  const rotatedAt = [...recent, now].map((at) => at.toISOString());
  const generation = found.generation + 1;
  const expiresAt = sessionEnd(found.audience, found.createdAt, now);
  await tx`
    update account_sessions
    set generation = ${generation}, rotated_at = ${rotatedAt}::timestamptz[], refreshed_at = ${now}, expires_at = ${expiresAt}
    where id = ${found.id}`;
  return sessionOf({ ...found, generation, refreshedAt: now, expiresAt });
}

/** Whether a generation that is over was first used a moment ago. The moments of the last ones are kept, the newest last. */
function isWithinGrace({ generation, rotatedAt }: FoundSession, presented: number, now: Date): boolean {
  const firstUsed = rotatedAt[rotatedAt.length - (generation - presented)];
  return firstUsed !== undefined && now.getTime() - firstUsed.getTime() <= GRACE_MILLISECONDS;
}
