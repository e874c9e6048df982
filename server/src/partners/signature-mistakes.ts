import { createHmac, timingSafeEqual } from 'node:crypto';
import { EMPTY_BODY_HASH, hashBody, isSha256Hex, type SignedParts, signedPayload } from '@sirgiving/signature';

/** Ways of signing that people get wrong, and that can be told from the signature they sent (contract §3). */
export type SignatureMistake =
  | 'BODY_RESERIALIZED'
  | 'SIGNATURE_IN_BASE64'
  | 'QUERY_STRING_MISSING'
  | 'TIMESTAMP_IN_MILLISECONDS'
  | 'SECRET_KEY_AS_HMAC_SECRET'
  | 'METHOD_IN_LOWER_CASE'
  | 'OTHER_KEY_PAIR';

/** A signature that did not verify, and what is needed to find out why. */
export interface FailedSignature {
  /** As the server saw them. */
  parts: SignedParts;
  /** The header as it came. */
  signature: string;
  rawBody: Uint8Array | undefined;
  presentedKey: string;
  hmacSecret: string;
  /** HMAC secrets of the partner's other key pairs in this environment. */
  otherHmacSecrets: readonly string[];
}

/** Bodies that are signed by hand are small; trying the spellings of a longer one would cost more than the hint is worth. */
const MAX_RESERIALIZED_BYTES = 16_384;
const MAX_DEPTH = 32;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/_-]{43}=?$/;

/** Finds the one mistake that explains a signature, if a known one does. The work is bounded: some twenty HMACs and one small body. */
export function findSignatureMistake(failed: FailedSignature): SignatureMistake | undefined {
  const { parts, hmacSecret, presentedKey } = failed;
  const signature = signatureBytes(failed.signature);
  if (signature === undefined) return undefined;
  const madeWith = (secret: string, changed: Partial<SignedParts> = {}): boolean =>
    timingSafeEqual(signature, hmac(secret, { ...parts, ...changed }));

  const path = parts.path.split('?', 1)[0] ?? '';
  if (path !== parts.path && madeWith(hmacSecret, { path })) return 'QUERY_STRING_MISSING';
  if (madeWith(hmacSecret, { method: parts.method.toLowerCase() })) return 'METHOD_IN_LOWER_CASE';
  if (madeWith(presentedKey)) return 'SECRET_KEY_AS_HMAC_SECRET';
  if (failed.otherHmacSecrets.some((secret) => madeWith(secret))) return 'OTHER_KEY_PAIR';
  if (bodyHashesOfOtherSpellings(failed).some((bodyHash) => madeWith(hmacSecret, { bodyHash }))) {
    return 'BODY_RESERIALIZED';
  }
  return isHex(failed.signature) ? undefined : 'SIGNATURE_IN_BASE64';
}

function isHex(signature: string): boolean {
  return isSha256Hex(signature.toLowerCase());
}

function signatureBytes(text: string): Buffer | undefined {
  if (isHex(text)) return Buffer.from(text, 'hex');
  // Node reads the URL-safe alphabet too.
  if (BASE64_OF_32_BYTES.test(text)) return Buffer.from(text, 'base64');
  return undefined;
}

function hmac(secret: string, parts: SignedParts): Buffer {
  return createHmac('sha256', secret).update(signedPayload(parts)).digest();
}

function bodyHashesOfOtherSpellings({ rawBody, parts }: FailedSignature): string[] {
  if (rawBody === undefined || rawBody.length === 0 || rawBody.length > MAX_RESERIALIZED_BYTES) return [];
  const text = Buffer.from(rawBody).toString('utf8');
  const hashes = new Set([EMPTY_BODY_HASH, ...otherSpellings(text).map((spelling) => hashBody(spelling))]);
  hashes.delete(parts.bodyHash);
  return [...hashes];
}

/** The same JSON as the usual serialisers write it, since a framework often writes the body anew after it was signed. */
function otherSpellings(text: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (isDeeperThan(value, MAX_DEPTH)) return [];
  const sorted = sortKeys(value);
  const spaced = [value, sorted].map((json) => writeSpaced(json));
  const written = [
    JSON.stringify(value),
    JSON.stringify(sorted),
    ...spaced,
    JSON.stringify(value, null, 2),
    JSON.stringify(value, null, 4),
  ];
  return [text.trim(), `${text.trim()}\n`, ...written, ...written.map(escapeNonAscii)];
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, item]) => [key, sortKeys(item)]));
}

/** With a blank after each comma and colon, as Python does. */
function writeSpaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(writeSpaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${writeSpaced(item)}`);
  return `{${members.join(', ')}}`;
}

function escapeNonAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
