import type { Answered, Failed } from '../platform/guarded-fetch.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long to wait after the first, second, … failure, in milliseconds (contract §7, Delivery). */
export const RETRY_WAITS_MILLISECONDS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
export const MAX_ATTEMPTS = RETRY_WAITS_MILLISECONDS.length + 1;
const LONGEST_RETRY_AFTER_MILLISECONDS = 24 * HOUR;
/** A wait is its nominal length ± this share, so that what failed together does not come back together. */
const JITTER = 0.1;

const HTTP_GONE = 410;

/** What an attempt means for its delivery. `error` is one sentence for the partner, shown with the attempt. */
export type DeliveryOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retryAt'; readonly at: Date; readonly error: string }
  /** The address is one that webhooks may not be sent to. It counts as a failure: a name can point elsewhere later. */
  | { readonly kind: 'blocked'; readonly at: Date; readonly error: string }
  /** The receiver asked for no more. The endpoint is paused; the delivery stays in its queue, due at `at` once it is active again. */
  | { readonly kind: 'endpointGone'; readonly at: Date; readonly error: string }
  /** The last attempt has failed. `endpointGone`: and the receiver asked for no more. */
  | { readonly kind: 'exhausted'; readonly endpointGone: boolean; readonly error: string };

export interface FinishedAttempt {
  readonly result: Answered | Failed;
  /** 1 for the first. */
  readonly attempt: number;
  readonly finishedAt: Date;
  /** From 0 to below 1: places the wait within its jitter. */
  readonly random: number;
}

/** Decides what follows from an attempt: 2xx in time is success, everything else a failure (contract §7). Pure. */
export function deliveryOutcome(finished: FinishedAttempt): DeliveryOutcome {
  const { result, attempt } = finished;
  if (result.kind === 'answered' && isSuccess(result.status)) return { kind: 'delivered' };
  const error = describeFailure(result);
  const endpointGone = result.kind === 'answered' && result.status === HTTP_GONE;
  const wait = waitAfter(attempt, finished.random);
  if (wait === undefined) return { kind: 'exhausted', endpointGone, error };
  const asked = result.kind === 'answered' ? retryAfterMilliseconds(result, finished.finishedAt) : 0;
  const at = new Date(finished.finishedAt.getTime() + Math.max(wait, asked));
  if (endpointGone) return { kind: 'endpointGone', at, error };
  if (result.kind === 'failed' && result.reason === 'refused_destination') return { kind: 'blocked', at, error };
  return { kind: 'retryAt', at, error };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function waitAfter(attempt: number, random: number): number | undefined {
  const wait = RETRY_WAITS_MILLISECONDS[attempt - 1];
  return wait === undefined ? undefined : Math.round(wait * (1 - JITTER + 2 * JITTER * random));
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), at most 24 h; 0 where there is none that can be read. */
function retryAfterMilliseconds(answer: Answered, now: Date): number {
  const text = answer.headers['retry-after']?.trim();
  if (text === undefined || text === '') return 0;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * SECOND : Date.parse(text) - now.getTime();
  if (Number.isNaN(milliseconds)) return 0;
  return Math.min(Math.max(milliseconds, 0), LONGEST_RETRY_AFTER_MILLISECONDS);
}

function describeFailure(result: Answered | Failed): string {
  if (result.kind === 'answered') {
    const redirect = result.status >= 300 && result.status <= 399 ? '; redirects are not followed' : '';
    return `The answer had status ${result.status}, and only 2xx counts as received${redirect}.`;
  }
  const status = result.status === undefined ? '' : ` after an answer with status ${result.status} had begun`;
  return `${FAILURES[result.reason]}${status}: ${result.detail}.`;
}

const FAILURES: Readonly<Record<Failed['reason'], string>> = {
  refused_destination: 'The address may not be sent to',
  dns: 'The host name was not found',
  tls: 'TLS failed',
  connection: 'The connection failed',
  timeout: 'The time was up',
  aborted: 'The attempt was given up',
  too_large: 'The answer was too large',
  invalid_answer: 'The answer was not HTTP',
  invalid_request: 'The request could not be sent',
};
