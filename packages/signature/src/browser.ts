import { EMPTY_BODY_HASH, partsToSign, type RequestToSign, signedPayload } from './canonical.ts';

export {
  EMPTY_BODY_HASH,
  type RequestToSign,
  type SignedParts,
  signedPayload,
  TIMESTAMP_TOLERANCE_SECONDS,
} from './canonical.ts';

/** Lowercase hex SHA-256 of the exact bytes of a body; a string is hashed as UTF-8, no body as the empty string. */
export async function hashBody(body: string | Uint8Array = ''): Promise<string> {
  if (body.length === 0) return EMPTY_BODY_HASH;
  return toHex(await subtle().digest('SHA-256', toBytes(body)));
}

/** Lowercase hex HMAC-SHA256 of a signed payload, keyed with the hmacSecret string as UTF-8. */
export async function signPayload(hmacSecret: string, payload: string): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await subtle().importKey('raw', toBytes(hmacSecret), algorithm, false, ['sign']);
  return toHex(await subtle().sign('HMAC', key, toBytes(payload)));
}

/**
 * The value of `X-Signature` for a request.
 * @throws TypeError when a part has a shape that no server would accept.
 */
export async function signRequest(request: RequestToSign): Promise<string> {
  const parts = partsToSign(request);
  return signPayload(request.hmacSecret, signedPayload({ ...parts, bodyHash: await hashBody(request.body) }));
}

type Subtle = typeof globalThis.crypto.subtle;

function subtle(): Subtle {
  // Browsers hide WebCrypto on pages that came over plain http from anywhere but this machine.
  const available: Subtle | undefined = globalThis.crypto?.subtle;
  if (available === undefined) throw new Error('Signing needs WebCrypto: open this page over https or on localhost.');
  return available;
}

/** A copy in a buffer of its own: WebCrypto does not take views of shared memory. */
function toBytes(data: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
}

function toHex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
