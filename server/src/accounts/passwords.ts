import { hash, verify } from '@node-rs/argon2';
import { problem } from '../platform/problem-json.ts';

/** argon2id, as OWASP recommends it for servers: 19 MiB, two passes, one lane. Some 10 ms of a core each. */
const MEMORY_KIBIBYTES = 19_456;
const PASSES = 2;
const LANES = 1;
/** So that log-ins never take more than two cores and 38 MiB of a process that serves other requests too. */
const AT_ONCE = 2;
/** Half a second of work on an idle machine. */
const MAX_WAITING = 100;
const MIN_DIFFERENT_CHARACTERS = 5;

/** The hash of a password that nobody has: compared with where there is no account, which takes as long. */
const NOBODYS_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$KmYL9XODg9fZiQ+v4vOTvA$WFl7/vjQ/9sk/bd/xmnRT4vF1PGZo+UdYNHu4lvhovo';

/** Hashes a password for keeping. Throws 503 OVERLOADED when too many wait. */
export function hashPassword(password: string): Promise<string> {
  const options = { memoryCost: MEMORY_KIBIBYTES, timeCost: PASSES, parallelism: LANES };
  return inTurn(() => hash(normalised(password), options));
}

/**
 * Whether a password is the one of a hash. Takes the same time for an account without a password and for none at all. Throws 503
 * OVERLOADED when too many wait.
 */
export async function isPassword(password: string, passwordHash: string | undefined): Promise<boolean> {
  const fits = await inTurn(() => verify(passwordHash ?? NOBODYS_HASH, normalised(password)));
  return fits && passwordHash !== undefined;
}

/**
 * Throws 400 INVALID_REQUEST for a password that would be guessed first, or that is the present one; the schema has judged its length.
 */
export function assertGoodPassword(
  password: string,
  email: string,
  path: '/password' | '/newPassword',
  present?: string,
): void {
  const isPresent = present !== undefined && normalised(password) === normalised(present);
  const message = isPresent ? 'must be another one than the present' : weakness(password, email);
  if (message === undefined) return;
  throw problem('INVALID_REQUEST', `The password ${message}.`, { errors: [{ path, message }] });
}

function weakness(password: string, email: string): string | undefined {
  const lowerCase = password.toLowerCase();
  const [person = ''] = email.toLowerCase().split('@');
  if (lowerCase === email.toLowerCase() || lowerCase === person) return 'must not be the e-mail address';
  if (new Set(lowerCase).size < MIN_DIFFERENT_CHARACTERS) {
    return `must have at least ${MIN_DIFFERENT_CHARACTERS} different characters`;
  }
  return undefined;
}

/** Keyboards write the same letter in several ways. */
function normalised(password: string): string {
  return password.normalize('NFKC');
}

let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) {
    if (waiting.length >= MAX_WAITING) {
      throw problem('OVERLOADED', 'Too many people are logging in at the moment. Nothing was done.');
    }
    // Whoever leaves hands over the place, so that it is never free in between.
    await new Promise<void>((go) => waiting.push(go));
  } else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
