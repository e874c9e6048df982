import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';
import type { Failpoints } from '../platform/failpoints.ts';
import type { GuardedHttp } from '../platform/guarded-fetch.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { AttemptRecorder } from './attempt-recorder.ts';
import {
  type ClaimedDelivery,
  claimDeliveries,
  type EndpointRef,
  listDueEndpoints,
  releaseDeliveries,
} from './claim-deliveries.ts';
import type { Attempt } from './record-attempts.ts';
import { type SendDependencies, sendWebhook } from './send-webhook.ts';
import { type Share, shareSlots } from './share-slots.ts';

export interface DeliverDependencies {
  readonly sql: Sql;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly http: Pick<GuardedHttp, 'fetch'>;
  readonly secretBox: SecretBox;
  readonly random: () => number;
  readonly log: Pick<Logger, 'warn' | 'error'>;
  readonly allowInsecureLoopback: boolean;
  /** How long a claimed delivery is out of reach of other workers; bounds how long one stands still after a crash. */
  readonly leaseMilliseconds: number;
  readonly failpoints: Pick<Failpoints, 'reached'>;
}

/** One endpoint's place in this worker. */
interface Lane extends EndpointRef {
  inFlight: number;
  limit: number;
  /** Whether there may be more to claim: false once a claim came back with less than asked for. */
  hasWork: boolean;
  /** Counts wakes, so that one that comes during a claim is not forgotten. */
  wakes: number;
}

const MAX_IN_FLIGHT = 300;
const MAX_IN_FLIGHT_PER_ENDPOINT = 10;
const MAX_CLAIMS_AT_ONCE = 4;
const GATHER_MILLISECONDS = 1;
const TIMEOUT_MILLISECONDS = 15_000;
// An attempt must be recorded before its lease ends, else it is made a second time.
const TIMEOUT_SHARE_OF_LEASE = 0.75;
const SLOW_MILLISECONDS = 5_000;

/**
 * Sends the deliveries of one environment: claims what is due (a transaction), sends (none open), records (a transaction). Endpoints
 * get sending slots in turns (share-slots.ts), and one that fails slowly gets fewer, so that no endpoint delays another.
 */
export class WebhookDeliverer {
  readonly #deps: DeliverDependencies;
  readonly #sending: SendDependencies;
  readonly #recorder: AttemptRecorder;
  readonly #lanes = new Map<string, Lane>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #unsent: ClaimedDelivery[] = [];
  readonly #ending = new AbortController();
  #busy = 0;
  #turn = 0;
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #stopping = false;

  constructor(deps: DeliverDependencies) {
    this.#deps = deps;
    const timeoutMilliseconds = Math.min(TIMEOUT_MILLISECONDS, deps.leaseMilliseconds * TIMEOUT_SHARE_OF_LEASE);
    this.#sending = { ...deps, timeoutMilliseconds };
    this.#recorder = new AttemptRecorder(deps);
    setMaxListeners(0, this.#ending.signal);
  }

  /** Tells that these endpoints have deliveries to send now. */
  wake(endpoints: readonly EndpointRef[]): void {
    for (const endpoint of endpoints) {
      const lane = this.#laneOf(endpoint);
      lane.hasWork = true;
      lane.wakes++;
    }
    if (endpoints.length > 0) this.#claim();
  }

  /** Finds every endpoint with something due: retries, what a worker that died left behind, what a wake was lost for. */
  async sweep(): Promise<void> {
    this.wake(await listDueEndpoints(this.#deps.sql, this.#deps.environment, this.#deps.clock.now()));
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#claiming !== undefined || this.#underWay.size > 0) {
      await this.#claiming;
      await Promise.all(this.#underWay);
    }
  }

  /** Claims no more, lets what is under way end within the time given, cuts off the rest and gives it back to other workers. */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#stopping = true;
    const graceOver = new AbortController();
    await Promise.race([
      this.settled(),
      sleep(graceMilliseconds, undefined, { signal: graceOver.signal }).catch(() => {}),
    ]);
    graceOver.abort();
    this.#ending.abort();
    await this.settled();
    await releaseDeliveries(this.#deps.sql, this.#unsent);
  }

  #laneOf(endpoint: EndpointRef): Lane {
    const key = `${endpoint.partnerId}/${endpoint.endpointId}`;
    const lane = this.#lanes.get(key) ?? {
      partnerId: endpoint.partnerId,
      endpointId: endpoint.endpointId,
      inFlight: 0,
      limit: MAX_IN_FLIGHT_PER_ENDPOINT,
      hasWork: false,
      wakes: 0,
    };
    this.#lanes.set(key, lane);
    return lane;
  }

  #claim(): void {
    if (this.#stopping) return;
    this.#claimAgain = true;
    this.#claiming ??= this.#claimWhileFree().finally(() => {
      this.#claiming = undefined;
      this.#forgetIdleLanes();
    });
  }

  async #claimWhileFree(): Promise<void> {
    while (this.#claimAgain && !this.#stopping) {
      // Slots become free one by one, and a claim for ten costs little more than for one.
      if (this.#busy > 0) await sleep(GATHER_MILLISECONDS);
      this.#claimAgain = false;
      const hungry = [...this.#lanes.values()].filter((lane) => lane.hasWork && lane.inFlight < lane.limit);
      const shares = shareSlots(hungry, MAX_IN_FLIGHT - this.#busy, MAX_IN_FLIGHT, this.#turn++);
      const partners = [...byPartner(shares)];
      const worker = async () => {
        for (let next = partners.pop(); next !== undefined; next = partners.pop()) await this.#claimFor(...next);
      };
      await Promise.all(Array.from({ length: MAX_CLAIMS_AT_ONCE }, worker));
    }
  }

  async #claimFor(partnerId: string, shares: readonly Share<Lane>[]): Promise<void> {
    const wakes = shares.map(({ contender }) => contender.wakes);
    const now = this.#deps.clock.now();
    const wants = shares.map(({ contender, slots }) => ({ endpointId: contender.endpointId, slots }));
    const leasedUntil = new Date(now.getTime() + this.#deps.leaseMilliseconds);
    const { sql, environment } = this.#deps;
    // The slots are taken before the answer is there, since other partners' claims go on meanwhile.
    const taken = shares.reduce((sum, share) => sum + share.slots, 0);
    this.#busy += taken;
    try {
      const deliveries = await claimDeliveries(sql, { partnerId, environment, now, leasedUntil, wants });
      for (const [index, { contender: lane, slots }] of shares.entries()) {
        const own = deliveries.filter((delivery) => delivery.endpointId === lane.endpointId);
        if (own.length < slots && lane.wakes === wakes[index]) lane.hasWork = false;
        for (const delivery of own) this.#start(lane, delivery);
      }
    } catch (error) {
      // The lanes keep their work; the next sweep tries again.
      this.#deps.log.error({ err: error, partnerId }, 'webhook deliveries could not be claimed');
    } finally {
      this.#busy -= taken;
    }
  }

  #start(lane: Lane, delivery: ClaimedDelivery): void {
    lane.inFlight++;
    this.#busy++;
    const work = this.#sendAndRecord(lane, delivery).finally(() => {
      this.#busy--;
      this.#underWay.delete(work);
      this.#claim();
    });
    this.#underWay.add(work);
  }

  async #sendAndRecord(lane: Lane, delivery: ClaimedDelivery): Promise<void> {
    let attempt: Attempt;
    try {
      await this.#deps.failpoints.reached('webhook_before_send');
      attempt = await sendWebhook(this.#sending, delivery, this.#ending.signal);
      await this.#deps.failpoints.reached('webhook_after_send');
    } catch (error) {
      // Nothing was sent. It stays PENDING and comes back after its lease, however long mending this takes.
      this.#deps.log.error({ err: error, alarm: true, deliveryId: delivery.id }, 'a webhook could not be prepared');
      return;
    } finally {
      lane.inFlight--;
    }
    if (attempt.result.kind === 'failed' && attempt.result.reason === 'aborted') {
      this.#unsent.push(delivery);
      return;
    }
    adaptLimit(lane, attempt);
    this.#claim();
    try {
      await this.#recorder.record(attempt);
    } catch (error) {
      // It will be sent again after its lease: at least once is what is promised.
      this.#deps.log.error({ err: error, deliveryId: delivery.id }, 'a webhook attempt could not be recorded');
    }
  }

  #forgetIdleLanes(): void {
    for (const [key, lane] of this.#lanes) {
      const isIdle = !lane.hasWork && lane.inFlight === 0 && lane.limit === MAX_IN_FLIGHT_PER_ENDPOINT;
      if (isIdle) this.#lanes.delete(key);
    }
  }
}

/** A receiver that takes long only to fail binds slots for nothing: it gets half as many, and one more with each success. */
function adaptLimit(lane: Lane, attempt: Attempt): void {
  if (attempt.outcome.kind === 'delivered') lane.limit = Math.min(MAX_IN_FLIGHT_PER_ENDPOINT, lane.limit + 1);
  else if (attempt.result.durationMilliseconds >= SLOW_MILLISECONDS) {
    lane.limit = Math.max(1, Math.floor(lane.limit / 2));
  }
}

function byPartner(shares: readonly Share<Lane>[]): Map<string, Share<Lane>[]> {
  const groups = new Map<string, Share<Lane>[]>();
  for (const share of shares) {
    const group = groups.get(share.contender.partnerId);
    if (group === undefined) groups.set(share.contender.partnerId, [share]);
    else group.push(share);
  }
  return groups;
}
