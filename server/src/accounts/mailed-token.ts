import { createHash, randomBytes } from 'node:crypto';

const TOKEN_BYTES = 32;
/** How long a link of a mail works. */
const LINK_LIFE_MILLISECONDS = 30 * 60_000;

/** A new token for a link of a mail: 43 characters of 256 random bits. Only its hash is kept. */
export function newMailedToken(): { token: string; hash: Buffer } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, hash: mailedTokenHash(token) };
}

/** What a token is found by. A fast hash is enough for random bits. */
export function mailedTokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** When a link that is mailed now stops working. */
export function linkEnd(now: Date): Date {
  return new Date(now.getTime() + LINK_LIFE_MILLISECONDS);
}
