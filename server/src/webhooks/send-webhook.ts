import { signWebhook } from '@sirgiving/signature';
import type { Clock } from '../platform/clock.ts';
import type { GuardedHttp } from '../platform/guarded-fetch.ts';
import { publicId } from '../platform/ids.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ClaimedDelivery } from './claim-deliveries.ts';
import { deliveryOutcome } from './delivery-outcome.ts';
import { openHeaders, openSecret } from './endpoint-secrets.ts';
import { envelope } from './envelope.ts';
import type { Attempt } from './record-attempts.ts';

export interface SendDependencies {
  readonly clock: Clock;
  readonly http: Pick<GuardedHttp, 'fetch'>;
  readonly secretBox: SecretBox;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly allowInsecureLoopback: boolean;
  /** For everything together, from the host name to the last byte of the answer. */
  readonly timeoutMilliseconds: number;
}

const USER_AGENT = 'SIRGiving-Webhooks/1.0';

/**
 * Makes one attempt: signs anew, sends, and decides what follows. No transaction may be open. Throws SecretNotOpened when the secret
 * does not open, before anything was sent; failures of the network are outcomes.
 */
export async function sendWebhook(
  deps: SendDependencies,
  delivery: ClaimedDelivery,
  signal: AbortSignal,
): Promise<Attempt> {
  const { event } = delivery;
  const place = { partnerId: delivery.partnerId, environment: event.environment, endpointId: delivery.endpointId };
  const body = envelope(event, delivery.sequence);
  const startedAt = deps.clock.now();
  const signature = signWebhook({
    secret: openSecret(deps.secretBox, place, delivery.secretEncrypted),
    id: publicId('evt', event.id),
    timestamp: Math.floor(startedAt.getTime() / 1_000),
    body,
  });
  const result = await deps.http.fetch({
    url: delivery.url,
    method: 'POST',
    headers: {
      ...openHeaders(deps.secretBox, place, delivery.headersEncrypted),
      'Content-Type': 'application/json',
      'User-Agent': USER_AGENT,
      ...signature,
    },
    body,
    allowInsecureLoopback: deps.allowInsecureLoopback,
    timeoutMilliseconds: deps.timeoutMilliseconds,
    signal,
  });
  const finishedAt = deps.clock.now();
  const attempt = delivery.attempts + 1;
  const outcome = deliveryOutcome({ result, attempt, finishedAt, random: deps.random() });
  return { delivery, startedAt, finishedAt, result, outcome };
}
