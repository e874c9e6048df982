/**
 * The text that a request signature is made over, and the shapes its parts must have. Pure and without imports, so that
 * Node and browsers share it. The rule is the documented one of the Partner API:
 * `X-Timestamp + METHOD + pathWithQueryString + bodyHash`, without separators.
 */

/** How far a timestamp may lie from the verifier's clock, either way, in seconds. */
export const TIMESTAMP_TOLERANCE_SECONDS = 300;

/** Lowercase hex SHA-256 of the empty string: the body hash of every request without a body. */
export const EMPTY_BODY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** What a signature covers. `method` is upper case; `path` is the raw request target, query string included. */
export interface SignedParts {
  readonly timestamp: string | number;
  readonly method: string;
  readonly path: string;
  readonly bodyHash: string;
}

/** What `signRequest` needs. `timestamp` is in Unix seconds; a body given as a string is signed as UTF-8. */
export interface RequestToSign {
  readonly hmacSecret: string;
  readonly timestamp: string | number;
  readonly method: string;
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
}

const SHA256_HEX = /^[0-9a-f]{64}$/;
// Fifteen digits hold milliseconds too: such a timestamp is well formed and far outside the window, which is what its
// sender has to be told. It also stays a safe integer.
const UNIX_SECONDS = /^[0-9]{1,15}$/;
const METHOD = /^[A-Z]+$/;
// A request target begins with a slash and is printable ASCII without space or fragment: a client that escapes the path
// only after signing would send another one than it signed.
const REQUEST_TARGET = /^\/[\x21\x22\x24-\x7e]*$/;

/** Whether `text` has the one shape of a signature or body hash: 64 lowercase hex digits. */
export function isSha256Hex(text: string): boolean {
  return SHA256_HEX.test(text);
}

/** Reads a timestamp header (Unix seconds, digits only). Anything else is undefined; the window is not judged here. */
export function parseTimestamp(text: string): number | undefined {
  return UNIX_SECONDS.test(text) ? Number(text) : undefined;
}

/** Joins the parts to the signed text exactly as given. Nothing is normalised: a verifier must see what was sent. */
export function signedPayload(parts: SignedParts): string {
  return `${parts.timestamp}${parts.method}${parts.path}${parts.bodyHash}`;
}

/**
 * Checks what is about to be signed and returns its parts without the body hash; the method is raised to upper case.
 * @throws TypeError naming the part that could never verify.
 */
export function partsToSign(request: RequestToSign): Omit<SignedParts, 'bodyHash'> {
  const method = request.method.toUpperCase();
  if (request.hmacSecret === '') throw new TypeError('hmacSecret is empty');
  if (parseTimestamp(String(request.timestamp)) === undefined) {
    throw new TypeError('timestamp must be Unix seconds, digits only');
  }
  if (!METHOD.test(method)) throw new TypeError('method must be an HTTP method');
  if (!REQUEST_TARGET.test(request.path)) {
    throw new TypeError('path must be the request target: it begins with "/", is escaped and has no fragment');
  }
  return { timestamp: request.timestamp, method, path: request.path };
}
