import type { Sql } from '../platform/db.ts';
import {
  type AttemptKey,
  type AttemptKeys,
  forgetAttempts,
  networkOf,
  returnAttempt,
  takeAttempt,
  tooManyAttempts,
} from './attempts.ts';

/** A log-in that was let through to the password. */
export interface GuardedLogIn {
  /** Whether the account has logged in from this network before. */
  isKnown: boolean;
  /** The password was right, whatever else is missing: the attempt was no guess. */
  passwordFits(): Promise<void>;
  /** Somebody is logged in. */
  succeeded(now: Date): Promise<void>;
}

const KNOWN_MILLISECONDS = 90 * 86_400_000;

/** Counts a log-in for its account and network, and for the network (attempts.ts says why so). Throws 429 TOO_MANY_ATTEMPTS. */
export async function guardLogIn(
  sql: Sql,
  keys: AttemptKeys,
  { emailKey, ip, now }: { emailKey: string; ip: string; now: Date },
): Promise<GuardedLogIn> {
  const own = keys('accountFromNetwork', emailKey, networkOf(ip));
  const network = keys('network', networkOf(ip));
  const attempt = await takeAttempt(sql, own, now);
  if (!attempt.admitted) throw tooManyAttempts(attempt.waitSeconds);
  const { succeededAt } = attempt;
  const isKnown = succeededAt !== undefined && now.getTime() - succeededAt.getTime() < KNOWN_MILLISECONDS;
  const counted = isKnown ? [own] : [own, network];
  if (!isKnown) await takeOfNetwork(sql, network, own, now);
  return {
    isKnown,
    passwordFits: async () => void (await Promise.all(counted.map((key) => returnAttempt(sql, key)))),
    succeeded: (at) => forgetAttempts(sql, own, at),
  };
}

async function takeOfNetwork(sql: Sql, network: AttemptKey, own: AttemptKey, now: Date): Promise<void> {
  const attempt = await takeAttempt(sql, network, now);
  if (attempt.admitted) return;
  // It is not judged, so it was no guess at this account.
  await returnAttempt(sql, own);
  throw tooManyAttempts(attempt.waitSeconds);
}
