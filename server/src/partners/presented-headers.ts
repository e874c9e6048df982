import type { IncomingHttpHeaders } from 'node:http';
import type { Environment } from '@sirgiving/contract';
import { isSha256Hex, parseTimestamp, TIMESTAMP_TOLERANCE_SECONDS } from '@sirgiving/signature';
import { type FieldError, type Problem, type ProblemOptions, problem } from '../platform/problem-json.ts';
import type { SignatureMistake } from './signature-mistakes.ts';

/** The three headers of a signed request, as they came. */
export interface PresentedHeaders {
  key: string;
  timestamp: string;
  signature: string;
}

/** Why a signature is refused. */
export interface Refusal {
  problem(options: ProblemOptions): Problem;
  /** Whether the sandbox tells what was seen. */
  deservesHint: boolean;
  /** When it is known without trying. */
  mistake?: SignatureMistake;
}

const KEY_SHAPE = /^[ps]k_(?:test|live)_[0-9a-f]{64}$/;
const KEY_WORDS: Record<Environment, string> = { sandbox: 'test', production: 'live' };
const KEY_WORD_START = 3;
const MILLISECONDS_PER_SECOND = 1_000;

/**
 * Reads the headers and judges what they tell by themselves. Throws AUTHENTICATION_REQUIRED, INVALID_API_KEY, WRONG_ENVIRONMENT or
 * SECRET_KEY_IN_BROWSER; nothing of it depends on whether the key exists.
 */
export function readPresentedHeaders(
  request: { headers: IncomingHttpHeaders; host: string | undefined },
  environment: Environment,
  baseUrls: Readonly<Record<Environment, string>>,
): PresentedHeaders {
  const { headers } = request;
  const key = headers['x-partner-key'];
  const timestamp = headers['x-timestamp'];
  const signature = headers['x-signature'];
  // A secret key in a page is a leak, whatever else is wrong with the request.
  if (typeof key === 'string' && key.startsWith('sk_')) judgeOrigin(headers.origin, request.host);
  if (typeof key !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string') {
    throw missing('Sign the request: X-Partner-Key, X-Timestamp and X-Signature.', {
      'X-Partner-Key': key,
      'X-Timestamp': timestamp,
      'X-Signature': signature,
    });
  }
  judgeKey(key, environment, baseUrls);
  return { key, timestamp, signature };
}

/** Reads the key of a request that shows nothing else. Throws as `readPresentedHeaders` does. */
export function readPresentedKey(
  request: { headers: IncomingHttpHeaders; host: string | undefined },
  environment: Environment,
  baseUrls: Readonly<Record<Environment, string>>,
): string {
  const key = request.headers['x-partner-key'];
  if (typeof key !== 'string') throw missing('Send the publishable key in X-Partner-Key.', { 'X-Partner-Key': key });
  if (key.startsWith('sk_')) judgeOrigin(request.headers.origin, request.host);
  judgeKey(key, environment, baseUrls);
  return key;
}

function judgeKey(key: string, environment: Environment, baseUrls: Readonly<Record<Environment, string>>): void {
  if (!KEY_SHAPE.test(key)) throw invalidKey();
  if (!key.startsWith(KEY_WORDS[environment], KEY_WORD_START)) throw wrongEnvironment(environment, baseUrls);
}

/** Judges the shapes of timestamp and signature and the age of the timestamp (either way at most 300 whole seconds). */
export function refusalByShape(presented: PresentedHeaders, nowMilliseconds: number): Refusal | undefined {
  const timestamp = parseTimestamp(presented.timestamp);
  if (timestamp === undefined) {
    return malformed('X-Timestamp', 'Unix seconds, digits only');
  }
  const serverTime = Math.floor(nowMilliseconds / MILLISECONDS_PER_SECOND);
  const skewSeconds = timestamp - serverTime;
  if (Math.abs(skewSeconds) > TIMESTAMP_TOLERANCE_SECONDS) {
    return outOfRange(serverTime, skewSeconds, isInWindow(timestamp / MILLISECONDS_PER_SECOND, serverTime));
  }
  if (!isSha256Hex(presented.signature)) {
    return malformed('X-Signature', '64 lower-case hex digits');
  }
  return undefined;
}

/** The answer to every key that does not work, so that nothing tells one that never was from one that is no more. */
export function invalidKey(): Problem {
  return problem('INVALID_API_KEY', 'This key is unknown, revoked, switched off or expired.');
}

function malformed(header: string, message: string): Refusal {
  const errors: FieldError[] = [{ path: header, message }];
  return {
    problem: (options) => problem('INVALID_SIGNATURE', `${header}: ${message}.`, { errors, ...options }),
    deservesHint: true,
  };
}

function isInWindow(seconds: number, serverTime: number): boolean {
  return Math.abs(seconds - serverTime) <= TIMESTAMP_TOLERANCE_SECONDS;
}

function outOfRange(serverTime: number, skewSeconds: number, inMilliseconds: boolean): Refusal {
  const direction = skewSeconds < 0 ? 'behind' : 'ahead of';
  const detail = `X-Timestamp is ${Math.abs(skewSeconds)} s ${direction} this server’s clock; at most ${TIMESTAMP_TOLERANCE_SECONDS} s are accepted.`;
  return {
    problem: ({ extensions }) =>
      problem('TIMESTAMP_OUT_OF_RANGE', detail, { extensions: { serverTime, skewSeconds, ...extensions } }),
    // Otherwise serverTime and skewSeconds say it all.
    deservesHint: inMilliseconds,
    ...(inMilliseconds ? { mistake: 'TIMESTAMP_IN_MILLISECONDS' } : {}),
  };
}

function missing(detail: string, headers: Record<string, unknown>): Problem {
  const errors = Object.entries(headers)
    .filter(([, value]) => typeof value !== 'string')
    .map(([path]) => ({ path, message: 'missing' }));
  return problem('AUTHENTICATION_REQUIRED', detail, { errors });
}

function wrongEnvironment(environment: Environment, baseUrls: Readonly<Record<Environment, string>>): Problem {
  const other = environment === 'sandbox' ? 'production' : 'sandbox';
  return problem(
    'WRONG_ENVIRONMENT',
    `This host is the ${environment}. Keys with ${KEY_WORDS[other]} in them belong to ${baseUrls[other]}.`,
  );
}

function judgeOrigin(origin: string | undefined, host: string | undefined): void {
  if (origin === undefined || isOwnOrigin(origin, host)) return;
  throw problem(
    'SECRET_KEY_IN_BROWSER',
    'A secret key came from a web page. Keep it on your server, and replace it: whoever opened the page may have it.',
  );
}

/** Compared by host and port: a proxy in front may have taken TLS off. */
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  const own = `${protocol}//${host}`;
  return URL.canParse(own) && originHost !== '' && new URL(own).host === originHost;
}
