import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import { purgeAccounts } from './accounts/index.ts';
import { reprocessFailedActions, type SubmissionQueue } from './actions/index.ts';
import { countEvents } from './dashboard/index.ts';
import { purgeInvitations, warnOfExpiringKeys } from './partners/index.ts';
import type { Clock } from './platform/clock.ts';
import type { Sql } from './platform/db.ts';
import { Failpoints } from './platform/failpoints.ts';
import { type GuardedHttp, guardedFetch } from './platform/guarded-fetch.ts';
import { purgeIdempotentRequests } from './platform/idempotent-request.ts';
import type { Ids } from './platform/ids.ts';
import type { MailOutbox } from './platform/mail-outbox.ts';
import { type Job, repeatJob } from './platform/repeating-job.ts';
import type { SecretBox } from './platform/secret-box.ts';
import type { WakeUp } from './platform/wake-up.ts';
import { refillPools } from './pools/index.ts';
import { purgeRequests } from './request-log/index.ts';
import { fanOut, passUnheard, WebhookDeliverer } from './webhooks/index.ts';

export interface WorkerDependencies {
  /** A pool of the worker's own, so that a busy API does not hold up deliveries; 8 connections are enough. */
  readonly sql: Sql;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly secretBox: SecretBox;
  readonly wakeUp: Pick<WakeUp, 'onWake'>;
  /** Where actions go that are processed again. */
  readonly submissions: Pick<SubmissionQueue, 'submit'>;
  readonly log: Logger;
  readonly allowInsecureLoopback: boolean;
  /** Mails that wait; none are sent when left out. */
  readonly mailOutbox?: Pick<MailOutbox, 'sendDue' | 'queue' | 'isConfigured'>;
  /** How long what a worker has claimed is out of reach of the others; 60 s when left out. */
  readonly leaseMilliseconds?: number;
  /** The process's guarded fetch when left out. */
  readonly http?: Pick<GuardedHttp, 'fetch'>;
  /** From 0 to below 1: spreads retries. Math.random when left out. */
  readonly random?: () => number;
  /** For fault tests; none are armed when left out. */
  readonly failpoints?: Failpoints;
}

export interface Worker {
  /** Takes on no more work, lets what is under way end within 7 s, and gives the rest back to other workers. */
  stop(): Promise<void>;
}

const SECOND_MILLISECONDS = 1_000;
const POOL_SWEEP_MILLISECONDS = 5_000;
const DASHBOARD_MILLISECONDS = 5_000;
const HOUR_MILLISECONDS = 3_600_000;
const LEASE_MILLISECONDS = 60_000;
// Less than the 8 s that a stop gives requests and background work, so that what is cut off is given back in time.
const STOP_GRACE_MILLISECONDS = 7_000;

/**
 * The background work of one environment, and of what is of none: every job and its interval. Each job finds its work in the tables, so
 * that a nudge may be lost and a process may die; nudges only make it prompt (docs/decisions/0011-waking-the-worker.md).
 */
export function startWorker(deps: WorkerDependencies): Worker {
  const { sql, clock, log, wakeUp } = deps;
  const deliverer = new WebhookDeliverer({
    ...deps,
    http: deps.http ?? { fetch: guardedFetch },
    random: deps.random ?? Math.random,
    failpoints: deps.failpoints ?? new Failpoints(undefined),
    leaseMilliseconds: deps.leaseMilliseconds ?? LEASE_MILLISECONDS,
  });

  const fanOutEvents: Job = {
    name: 'fan out events',
    everyMilliseconds: SECOND_MILLISECONDS,
    run: async () => deliverer.wake(await fanOut(deps)),
  };
  const ofThisEnvironment: readonly Job[] = [
    { name: 'pass events that nobody hears', everyMilliseconds: SECOND_MILLISECONDS, run: () => passUnheard(deps) },
    { name: 'deliver webhooks', everyMilliseconds: SECOND_MILLISECONDS, run: () => deliverer.sweep() },
    // Not woken by nudges: those come with every action, and a mail may take a second.
    {
      name: 'send mails',
      everyMilliseconds: SECOND_MILLISECONDS,
      run: async () => deps.mailOutbox?.sendDue(sql, log),
    },
    {
      name: 'count events for the dashboard',
      everyMilliseconds: DASHBOARD_MILLISECONDS,
      run: async () => void (await countEvents(deps)),
    },
    { name: 'refill token pools', everyMilliseconds: POOL_SWEEP_MILLISECONDS, run: () => refillPools(deps) },
    {
      name: 'process failed actions again',
      everyMilliseconds: POOL_SWEEP_MILLISECONDS,
      run: () => reprocessFailedActions(deps),
    },
    {
      name: 'warn of expiring keys',
      everyMilliseconds: HOUR_MILLISECONDS,
      run: async () => void (await warnOfExpiringKeys(deps)),
    },
    {
      name: 'purge kept answers',
      everyMilliseconds: HOUR_MILLISECONDS,
      run: async () => void (await purgeIdempotentRequests(sql, clock, deps.environment)),
    },
    {
      name: 'purge request log',
      everyMilliseconds: HOUR_MILLISECONDS,
      run: async () => void (await purgeRequests(sql, clock, deps.environment)),
    },
  ];
  const ofNoEnvironment: readonly Job[] = [
    { name: 'purge invitations', everyMilliseconds: HOUR_MILLISECONDS, run: () => purgeInvitations(sql, clock) },
    { name: 'purge accounts', everyMilliseconds: HOUR_MILLISECONDS, run: () => purgeAccounts(sql, clock) },
  ];

  const promptly = repeatJob(fanOutEvents, log);
  const stopWaking = wakeUp.onWake(promptly.wake);
  const running = [promptly, ...[...ofThisEnvironment, ...ofNoEnvironment].map((job) => repeatJob(job, log))];
  return {
    stop: async () => {
      stopWaking();
      await Promise.all([...running.map((job) => job.stop()), deliverer.stop(STOP_GRACE_MILLISECONDS)]);
    },
  };
}
