import { createHmac, timingSafeEqual } from 'node:crypto';
import { isSha256Hex, parseTimestamp, TIMESTAMP_TOLERANCE_SECONDS } from './canonical.ts';

/** What a delivery is signed over. `timestamp` is in Unix seconds; `body` are the exact bytes that are sent. */
export interface WebhookToSign {
  readonly secret: string;
  readonly id: string;
  readonly timestamp: string | number;
  readonly body: string | Uint8Array;
}

/** The signature headers of one delivery: the documented pair and the three of Standard Webhooks. */
export interface WebhookHeaders {
  readonly 'X-SIR-Timestamp': string;
  readonly 'X-SIR-Signature': string;
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
}

/** Received headers: a fetch `Headers`, Node's `IncomingHttpHeaders` or any plain object, in whatever letter case. */
export type ReceivedHeaders =
  | { readonly get: (name: string) => string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** What `verifyWebhook` judges. `nowSeconds` is the receiver's clock in Unix seconds. */
export interface WebhookToVerify {
  readonly secret: string;
  readonly headers: ReceivedHeaders;
  readonly body: string | Uint8Array;
  readonly nowSeconds: number;
  readonly toleranceSeconds?: number;
}

/** Why a delivery is not to be trusted. `timestamp_out_of_range` means that the signature itself was right. */
export type WebhookRefusal = 'missing_headers' | 'malformed_headers' | 'wrong_signature' | 'timestamp_out_of_range';

/** `id` is there only when the signature covers it, which the documented header alone does not. */
export type WebhookVerdict =
  | { readonly valid: true; readonly scheme: 'standard'; readonly id: string; readonly timestamp: number }
  | { readonly valid: true; readonly scheme: 'sir'; readonly timestamp: number }
  | { readonly valid: false; readonly reason: WebhookRefusal };

const SECRET = /^whsec_[0-9a-f]{64}$/;
const SIR_SIGNATURE_PREFIX = 'sha256=';
const STANDARD_SIGNATURE_PREFIX = 'v1,';
// Base64 of 32 bytes.
const STANDARD_SIGNATURE = /^[A-Za-z0-9+/]{43}=$/;

/**
 * The signature headers of a delivery.
 * `X-SIR-Signature` is keyed with the whole secret string, as documented; `webhook-signature` with the base64-decoded
 * part after `whsec_`, as the Standard Webhooks libraries do it.
 * @throws TypeError for a secret that is not `whsec_` and 64 hex digits, or an unusable id or timestamp.
 */
export function signWebhook(webhook: WebhookToSign): WebhookHeaders {
  const timestamp = String(webhook.timestamp);
  if (parseTimestamp(timestamp) === undefined) throw new TypeError('timestamp must be Unix seconds, digits only');
  // A dot in the id would move the border between id and timestamp in the signed text.
  if (!/^[\x21-\x2d\x2f-\x7e]+$/.test(webhook.id)) throw new TypeError('id must be printable and hold no dot or space');
  const sir = sirSignature(webhook.secret, timestamp, webhook.body).toString('hex');
  const standard = standardSignature(webhook.secret, webhook.id, timestamp, webhook.body).toString('base64');
  return {
    'X-SIR-Timestamp': timestamp,
    'X-SIR-Signature': `${SIR_SIGNATURE_PREFIX}${sir}`,
    'webhook-id': webhook.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `${STANDARD_SIGNATURE_PREFIX}${standard}`,
  };
}

/**
 * Judges a received delivery by whichever of the two header kinds is there. One that verifies is enough: while a secret
 * is being rotated, only `webhook-signature` carries both signatures. Comparison is in constant time over raw bytes.
 * @throws TypeError for a secret that is not `whsec_` and 64 hex digits: that is the receiver's mistake, not the sender's.
 */
export function verifyWebhook(webhook: WebhookToVerify): WebhookVerdict {
  assertSecret(webhook.secret);
  const standard = verifyStandard(webhook);
  if (standard.valid) return standard;
  const sir = verifySir(webhook);
  if (sir.valid) return sir;
  return standard.reason === 'missing_headers' ? sir : standard;
}

function verifyStandard(webhook: WebhookToVerify): WebhookVerdict {
  const id = header(webhook.headers, 'webhook-id');
  const timestamp = header(webhook.headers, 'webhook-timestamp');
  const signatures = header(webhook.headers, 'webhook-signature');
  if (id === undefined || timestamp === undefined || signatures === undefined) return refuse('missing_headers');
  const candidates = signatures
    .split(' ')
    .filter((item) => item.startsWith(STANDARD_SIGNATURE_PREFIX))
    .map((item) => item.slice(STANDARD_SIGNATURE_PREFIX.length))
    .filter((item) => STANDARD_SIGNATURE.test(item));
  const seconds = parseTimestamp(timestamp);
  if (seconds === undefined || candidates.length === 0) return refuse('malformed_headers');
  const expected = standardSignature(webhook.secret, id, timestamp, webhook.body);
  if (!candidates.some((candidate) => timingSafeEqual(expected, Buffer.from(candidate, 'base64')))) {
    return refuse('wrong_signature');
  }
  if (!isWithinTolerance(webhook, seconds)) return refuse('timestamp_out_of_range');
  return { valid: true, scheme: 'standard', id, timestamp: seconds };
}

function verifySir(webhook: WebhookToVerify): WebhookVerdict {
  const timestamp = header(webhook.headers, 'x-sir-timestamp');
  const signature = header(webhook.headers, 'x-sir-signature');
  if (timestamp === undefined || signature === undefined) return refuse('missing_headers');
  const seconds = parseTimestamp(timestamp);
  const hex = signature.startsWith(SIR_SIGNATURE_PREFIX) ? signature.slice(SIR_SIGNATURE_PREFIX.length) : '';
  if (seconds === undefined || !isSha256Hex(hex)) return refuse('malformed_headers');
  if (!timingSafeEqual(sirSignature(webhook.secret, timestamp, webhook.body), Buffer.from(hex, 'hex'))) {
    return refuse('wrong_signature');
  }
  if (!isWithinTolerance(webhook, seconds)) return refuse('timestamp_out_of_range');
  return { valid: true, scheme: 'sir', timestamp: seconds };
}

function sirSignature(secret: string, timestamp: string, body: string | Uint8Array): Buffer {
  assertSecret(secret);
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
}

function standardSignature(secret: string, id: string, timestamp: string, body: string | Uint8Array): Buffer {
  assertSecret(secret);
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}

function assertSecret(secret: string): void {
  if (!SECRET.test(secret)) throw new TypeError('a webhook secret is "whsec_" followed by 64 lowercase hex digits');
}

function isWithinTolerance(webhook: WebhookToVerify, seconds: number): boolean {
  return Math.abs(webhook.nowSeconds - seconds) <= (webhook.toleranceSeconds ?? TIMESTAMP_TOLERANCE_SECONDS);
}

function refuse(reason: WebhookRefusal): { readonly valid: false; readonly reason: WebhookRefusal } {
  return { valid: false, reason };
}

/** One header's value. A header that came more than once is treated as absent: nobody can tell which one was signed. */
function header(headers: ReceivedHeaders, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined;
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  const value = found.length === 1 ? found[0]?.[1] : undefined;
  if (typeof value === 'string') return value;
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string' ? value[0] : undefined;
}
