import { createHmac } from 'node:crypto';
import type { Queryable, Sql } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { addressToCount } from '../platform/trusted-proxy.ts';

/** How fast one counter slows down. */
export interface AttemptRule {
  /** Attempts without any wait. Behind them the wait doubles with each: 1 s, 2 s, 4 s … */
  free: number;
  longestWaitSeconds: number;
  /** One attempt is forgotten in this time. */
  forgetOneSeconds: number;
}

/**
 * Attempts count before they are judged, so that a thousand at once are not a thousand guesses; a success takes its own back.
 *
 * Nobody can lock another out, since nothing counts for an account as such: guesses count for the account *and* the network that they
 * come from, and those of a network for the network as a whole, which does not hold for accounts that have logged in from it before.
 * So a stranger slows down strangers. Guessing from many networks at once remains slow in each of them: some ten guesses, then four an
 * hour.
 */
export const ATTEMPT_RULES = {
  accountFromNetwork: { free: 10, longestWaitSeconds: 900, forgetOneSeconds: 900 },
  network: { free: 50, longestWaitSeconds: 900, forgetOneSeconds: 60 },
  /** A code has six digits: fewer tries, and for networks that the account is not known from one counter for all of them together. */
  otp: { free: 5, longestWaitSeconds: 900, forgetOneSeconds: 900 },
  /** What asks for the password within a session. */
  session: { free: 5, longestWaitSeconds: 900, forgetOneSeconds: 900 },
  /** Mails to one address: five at once, then one every twelve minutes, so that nobody's mailbox is flooded. */
  mailsTo: { free: 5, longestWaitSeconds: 720, forgetOneSeconds: 720 },
  /** Registrations and mails that one network asks for. */
  mailsFromNetwork: { free: 30, longestWaitSeconds: 900, forgetOneSeconds: 60 },
} as const satisfies Record<string, AttemptRule>;

export type AttemptKind = keyof typeof ATTEMPT_RULES;

/** What is counted together. */
export interface AttemptKey {
  rule: AttemptRule;
  hash: Buffer;
}

/** How an attempt stands. */
export type Attempt =
  | { admitted: true; succeededAt: Date | undefined }
  | { admitted: false; waitSeconds: number; succeededAt: Date | undefined };

/** Makes keys that name nobody: an HMAC of the kind and of what is counted. */
export function createAttemptKeys(secretBox: SecretBox) {
  const key = secretBox.macKey('attempt-counter');
  return (kind: AttemptKind, ...parts: readonly string[]): AttemptKey => ({
    rule: ATTEMPT_RULES[kind],
    hash: createHmac('sha256', key)
      .update(JSON.stringify([kind, ...parts]))
      .digest(),
  });
}

export type AttemptKeys = ReturnType<typeof createAttemptKeys>;

/** The part of an address that one sender has: of IPv6 a whole network. */
export const networkOf = addressToCount;

/** Counts an attempt if one is allowed now; one that is refused changes nothing, so that trying on does not prolong the wait. */
export async function takeAttempt(sql: Sql, { rule, hash }: AttemptKey, now: Date): Promise<Attempt> {
  const { free, longestWaitSeconds, forgetOneSeconds } = rule;
  const [taken] = await sql<{ succeededAt: Date | null }[]>`
    insert into attempt_counters as c (key_hash, attempts, last_attempt_at, blocked_until)
    values (${hash}, 1, ${now}, '-infinity')
    on conflict (key_hash) do update set
      attempts = ${left(sql, now, forgetOneSeconds)} + 1,
      last_attempt_at = ${now},
      blocked_until = case
        when ${left(sql, now, forgetOneSeconds)} + 1 < ${free} then '-infinity'
        else ${now}::timestamptz + make_interval(secs =>
          least(${longestWaitSeconds}, power(2, least(${left(sql, now, forgetOneSeconds)} + 1 - ${free}, 20))))
      end
    where c.blocked_until <= ${now}
    returning c.succeeded_at as "succeededAt"`;
  if (taken !== undefined) return { admitted: true, succeededAt: taken.succeededAt ?? undefined };
  const [blocked] = await sql<{ blockedUntil: Date; succeededAt: Date | null }[]>`
    select greatest(blocked_until, ${now}) as "blockedUntil", succeeded_at as "succeededAt"
    from attempt_counters where key_hash = ${hash}`;
  const waitMilliseconds = (blocked?.blockedUntil.getTime() ?? now.getTime()) - now.getTime();
  return {
    admitted: false,
    waitSeconds: Math.max(1, Math.ceil(waitMilliseconds / 1_000)),
    succeededAt: blocked?.succeededAt ?? undefined,
  };
}

/** What is left of the attempts after some time. */
function left(sql: Sql, now: Date, forgetOneSeconds: number) {
  return sql`greatest(0, c.attempts - floor(extract(epoch from ${now}::timestamptz - c.last_attempt_at) / ${forgetOneSeconds})::integer)`;
}

/** The attempt was the right person's: nothing is counted for them any more, and they are known from here. */
export async function forgetAttempts(sql: Queryable, { hash }: AttemptKey, now: Date): Promise<void> {
  await sql`
    insert into attempt_counters (key_hash, attempts, last_attempt_at, blocked_until, succeeded_at)
    values (${hash}, 0, ${now}, '-infinity', ${now})
    on conflict (key_hash) do update set attempts = 0, blocked_until = '-infinity', succeeded_at = ${now}`;
}

/** Takes back one attempt that was no guess. */
export async function returnAttempt(sql: Queryable, { hash }: AttemptKey): Promise<void> {
  await sql`
    update attempt_counters set attempts = greatest(0, attempts - 1), blocked_until = '-infinity'
    where key_hash = ${hash}`;
}

/** 429 TOO_MANY_ATTEMPTS with the seconds to wait. */
export function tooManyAttempts(waitSeconds: number) {
  return problem('TOO_MANY_ATTEMPTS', `Too many attempts from your network: wait ${waitSeconds} s.`, {
    headers: { 'Retry-After': String(waitSeconds) },
  });
}

/** Counts an attempt, or throws 429 TOO_MANY_ATTEMPTS. */
export async function requireAttempt(sql: Sql, key: AttemptKey, now: Date): Promise<void> {
  const attempt = await takeAttempt(sql, key, now);
  if (!attempt.admitted) throw tooManyAttempts(attempt.waitSeconds);
}
