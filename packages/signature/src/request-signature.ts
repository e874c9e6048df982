import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import {
  EMPTY_BODY_HASH,
  isSha256Hex,
  parseTimestamp,
  partsToSign,
  type RequestToSign,
  type SignedParts,
  signedPayload,
} from './canonical.ts';

/** What `verifyRequestSignature` judges: the headers and request target as they came in, and the hash of the raw body. */
export interface RequestToVerify extends SignedParts {
  readonly hmacSecret: string;
  readonly timestamp: string;
  readonly signature: string;
}

/** Lowercase hex SHA-256 of the exact bytes of a body; a string is hashed as UTF-8, no body as the empty string. */
export function hashBody(body: string | Uint8Array = ''): string {
  // The one-shot function takes 0.3 µs for 300 bytes where createHash takes 0.7 µs, and reads need no hash at all.
  return body.length === 0 ? EMPTY_BODY_HASH : hash('sha256', body, 'hex');
}

/** Lowercase hex HMAC-SHA256 of a signed payload, keyed with the hmacSecret string as UTF-8. */
export function signPayload(hmacSecret: string, payload: string): string {
  return createHmac('sha256', hmacSecret).update(payload).digest('hex');
}

/**
 * The value of `X-Signature` for a request.
 * @throws TypeError when a part has a shape that no server would accept.
 */
export function signRequest(request: RequestToSign): string {
  const bodyHash = hashBody(request.body);
  return signPayload(request.hmacSecret, signedPayload({ ...partsToSign(request), bodyHash }));
}

/**
 * Whether a signature was made over exactly these parts with this secret. Shapes are judged first, since a comparison in
 * constant time needs equal lengths; then raw bytes are compared. It does not judge the age of the timestamp, so that
 * a caller can tell a wrong signature from a late one (see `parseTimestamp` and `TIMESTAMP_TOLERANCE_SECONDS`).
 */
export function verifyRequestSignature(request: RequestToVerify): boolean {
  if (!isSha256Hex(request.signature) || !isSha256Hex(request.bodyHash)) return false;
  if (parseTimestamp(request.timestamp) === undefined || request.hmacSecret === '') return false;
  const expected = createHmac('sha256', request.hmacSecret).update(signedPayload(request)).digest();
  return timingSafeEqual(expected, Buffer.from(request.signature, 'hex'));
}
