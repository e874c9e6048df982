import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Clock } from '../platform/clock.ts';
import type { Queryable, Sql } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';
import { Problem } from '../platform/problem-json.ts';
import { readFailedActions } from './failed-actions.ts';
import type { Submission } from './submission.ts';
import type { SubmissionQueue } from './submission-queue.ts';

export interface ReprocessDependencies {
  readonly sql: Sql;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'error' | 'warn'>;
  readonly submissions: Pick<SubmissionQueue, 'submit'>;
}

/** A default pool whose partner wants failed actions processed again. */
interface WatchedPool {
  partnerId: string;
  poolId: string;
  since: Date;
}

/** A pool that was funded since its fundings were last followed up, up to the event of this position. */
interface FundedPool extends WatchedPool {
  position: number;
}

/** What a worker has taken on; the run goes on behind `afterActionId` and counts for the fundings up to `targetPosition`. */
interface Run {
  targetPosition: number;
  afterActionId: string | null;
}

const DAY_MILLISECONDS = 86_400_000;
/** Whoever waited for longer has been helped in another way by now. */
const MAX_AGE_DAYS = 30;
const BATCH_ACTIONS = 256;
/** A job run ends after so many batches of a pool, so that the worker can stop; the next one goes on where it left off. */
const MAX_BATCHES_PER_RUN = 4;
const LEASE_MILLISECONDS = 60_000;

/**
 * Follows up `token_pool.funded`: processes actions again that failed only for want of tokens, where the partner has switched that on,
 * oldest first. It goes through the same queue as a retry by the partner would, so whatever happens at once (a retry, another worker, a
 * crash and a second run) an action is rewarded at most once. A run ends when all were tried or a whole batch was refused for want of tokens. A pool
 * that fails is logged and hurts no other.
 */
export async function reprocessFailedActions(deps: ReprocessDependencies): Promise<void> {
  for (const pool of await listFundedPools(deps)) {
    try {
      await followUp(deps, pool);
    } catch (error) {
      deps.log.error({ err: error, partnerId: pool.partnerId, poolId: pool.poolId }, 'failed actions stay unprocessed');
    }
  }
}

async function listFundedPools({ sql, environment }: ReprocessDependencies): Promise<FundedPool[]> {
  const watched = await sql<WatchedPool[]>`
    select p.partner_id as "partnerId", p.id as "poolId", p.reprocess_actions_since as since
    from token_pools p
    join partners o on o.id = p.partner_id and o.status <> 'SUSPENDED'
    where p.environment = ${environment} and p.reprocess_actions_since is not null and p.is_default and p.status = 'ACTIVE'
    order by p.partner_id`;
  if (watched.length === 0) return [];
  // Events name pools by their public ids, which only the application can make.
  return sql<FundedPool[]>`
    select w.partner_id as "partnerId", w.pool_id as "poolId", w.since, e.position
    from unnest(
      ${watched.map((w) => w.partnerId)}::uuid[], ${watched.map((w) => w.poolId)}::uuid[],
      ${watched.map((w) => publicId('pool', w.poolId))}::text[], ${watched.map((w) => w.since.toISOString())}::timestamptz[]
    ) as w (partner_id, pool_id, public_id, since)
    left join reprocessing_cursors c on c.partner_id = w.partner_id and c.pool_id = w.pool_id
    cross join lateral (
      select max(e.position) as position from events e
      where e.partner_id = w.partner_id and e.environment = ${environment} and e.type = 'token_pool.funded'
        and e.position > coalesce(c.position, 0) and e.created_at >= w.since and e.data ->> 'poolId' = w.public_id
    ) e
    where e.position is not null
    order by w.partner_id`;
}

async function followUp(deps: ReprocessDependencies, pool: FundedPool): Promise<void> {
  const { sql, clock, environment } = deps;
  const run = await claimRun(deps, pool);
  if (run === undefined) return;
  const notBefore = new Date(clock.now().getTime() - MAX_AGE_DAYS * DAY_MILLISECONDS);
  let { afterActionId } = run;
  let isDone = false;
  try {
    for (let batch = 0; batch < MAX_BATCHES_PER_RUN && !isDone; batch++) {
      const tenant = { partnerId: pool.partnerId, environment };
      const failed = await readFailedActions(sql, tenant, { afterActionId, notBefore, limit: BATCH_ACTIONS });
      const counts = await submitAll(deps, failed.submissions);
      if (counts === undefined) return;
      afterActionId = failed.lastId ?? afterActionId;
      isDone = failed.lastId === undefined || (counts.rewarded === 0 && counts.short > 0);
    }
  } finally {
    await leaveRun(sql, pool, run, { afterActionId, isDone });
  }
}

/**
 * Submits in order, and answers how many were rewarded and how many found too few tokens still; undefined where the queue could not
 * take them, so that a later run tries again.
 */
async function submitAll(
  { submissions, log }: ReprocessDependencies,
  batch: readonly Submission[],
): Promise<{ rewarded: number; short: number } | undefined> {
  const settled = await Promise.allSettled(batch.map((submission) => submissions.submit(submission)));
  let rewarded = 0;
  let short = 0;
  for (const outcome of settled) {
    if (outcome.status === 'fulfilled') {
      const { result } = outcome.value;
      if (result.kind === 'completed') rewarded += 1;
      else if (result.problem.code === 'INSUFFICIENT_POOL') short += 1;
    } else if (outcome.reason instanceof Problem) {
      log.warn({ code: outcome.reason.code }, 'failed actions are processed again later');
      return undefined;
    } else {
      throw outcome.reason;
    }
  }
  return { rewarded, short };
}

/** Takes the pool's run for this worker, the one that was left or a new one; undefined where another worker has it. */
async function claimRun(
  { sql, environment, clock }: ReprocessDependencies,
  pool: FundedPool,
): Promise<Run | undefined> {
  const { partnerId, poolId, position } = pool;
  const now = clock.now();
  const leasedUntil = new Date(now.getTime() + LEASE_MILLISECONDS);
  const [run] = await sql<Run[]>`
    insert into reprocessing_cursors as c (partner_id, pool_id, environment, position, target_position, leased_until)
    values (${partnerId}, ${poolId}, ${environment}, 0, ${position}, ${leasedUntil})
    on conflict (partner_id, pool_id) do update
      set target_position = coalesce(c.target_position, excluded.target_position), leased_until = excluded.leased_until
      where c.leased_until is null or c.leased_until <= ${now}
    returning c.target_position as "targetPosition", c.after_action_id as "afterActionId"`;
  return run;
}

async function leaveRun(
  sql: Queryable,
  { partnerId, poolId }: FundedPool,
  { targetPosition }: Run,
  { afterActionId, isDone }: { afterActionId: string | null; isDone: boolean },
): Promise<void> {
  const progress = isDone
    ? sql`position = ${targetPosition}, target_position = null, after_action_id = null`
    : sql`after_action_id = ${afterActionId}`;
  await sql`
    update reprocessing_cursors set ${progress}, leased_until = null
    where partner_id = ${partnerId} and pool_id = ${poolId}`;
}
