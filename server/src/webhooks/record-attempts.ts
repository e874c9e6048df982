import type { attemptOutcomes, Environment } from '@sirgiving/contract';
import type { Sql, Tx } from '../platform/db.ts';
import type { Failpoints } from '../platform/failpoints.ts';
import type { Answered, Failed } from '../platform/guarded-fetch.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import type { ClaimedDelivery } from './claim-deliveries.ts';
import type { DeliveryOutcome } from './delivery-outcome.ts';

/** One attempt that has ended. */
export interface Attempt {
  readonly delivery: ClaimedDelivery;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly result: Answered | Failed;
  readonly outcome: DeliveryOutcome;
}

export interface RecordDependencies {
  readonly sql: Sql;
  readonly environment: Environment;
  readonly failpoints: Pick<Failpoints, 'reached'>;
}

/** The word that stands with an attempt in the log that partners read. */
const OUTCOME_WORDS = {
  delivered: 'DELIVERED',
  retryAt: 'FAILED',
  blocked: 'BLOCKED',
  endpointGone: 'ENDPOINT_GONE',
  exhausted: 'EXHAUSTED',
} as const satisfies Record<DeliveryOutcome['kind'], (typeof attemptOutcomes)[number]>;

type DeliveryState = { status: 'SUCCEEDED' | 'EXHAUSTED' | 'PENDING'; nextAttemptAt: Date | null };

function stateAfter(outcome: DeliveryOutcome): DeliveryState {
  switch (outcome.kind) {
    case 'delivered':
      return { status: 'SUCCEEDED', nextAttemptAt: null };
    case 'exhausted':
      return { status: 'EXHAUSTED', nextAttemptAt: null };
    case 'retryAt':
    case 'blocked':
    case 'endpointGone':
      return { status: 'PENDING', nextAttemptAt: outcome.at };
  }
}

/**
 * Writes down attempts of one partner and moves their deliveries on, in one transaction. Only what this worker still holds: an attempt
 * whose lease has ended is another worker's matter by now, and is not recorded.
 */
export async function recordAttempts(
  { sql, environment, failpoints }: RecordDependencies,
  partnerId: string,
  attempts: readonly Attempt[],
): Promise<void> {
  await inTransaction(sql, async (tx) => {
    // Endpoints before deliveries, and each in order of ids, as everywhere: that is what keeps writers from deadlocking.
    await pauseGone(tx, partnerId, environment, attempts);
    const held = await lockHeld(tx, partnerId, environment, attempts);
    if (held.length === 0) return;
    await Promise.all([
      moveDeliveries(tx, partnerId, environment, held),
      insertAttempts(tx, partnerId, environment, held),
    ]);
    if (held.some(({ outcome }) => 'at' in outcome)) await failpoints.reached('webhook_reschedule');
  });
}

async function pauseGone(
  tx: Tx,
  partnerId: string,
  environment: Environment,
  attempts: readonly Attempt[],
): Promise<void> {
  const gone = attempts.filter(
    ({ outcome }) => outcome.kind === 'endpointGone' || (outcome.kind === 'exhausted' && outcome.endpointGone),
  );
  const latest = new Map<string, Date>();
  for (const { delivery, finishedAt } of gone) latest.set(delivery.endpointId, finishedAt);
  for (const [endpointId, at] of [...latest].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await tx`
      update webhook_endpoints set status = 'PAUSED', updated_at = ${at}
      where partner_id = ${partnerId} and id = ${endpointId} and environment = ${environment}
        and status = 'ACTIVE' and deleted_at is null`;
  }
}

async function lockHeld(
  tx: Tx,
  partnerId: string,
  environment: Environment,
  attempts: readonly Attempt[],
): Promise<Attempt[]> {
  const rows = await tx<{ id: string; leasedUntil: Date | null }[]>`
    select id, leased_until as "leasedUntil" from webhook_deliveries
    where partner_id = ${partnerId} and id = any(${idsOf(attempts)}::uuid[]) and environment = ${environment}
    order by id
    for no key update`;
  const leases = new Map(rows.map((row) => [row.id, row.leasedUntil?.getTime()]));
  return attempts.filter(({ delivery }) => leases.get(delivery.id) === delivery.leasedUntil.getTime());
}

/**
 * A delivery that was canceled while it was on its way stays canceled; its attempt is recorded all the same. The ids are named twice,
 * since for the join alone the planner may read all deliveries of the partner (seen: 20 ms instead of 1 ms for ten of 5,000).
 */
function moveDeliveries(tx: Tx, partnerId: string, environment: Environment, attempts: readonly Attempt[]) {
  const states = attempts.map((attempt) => stateAfter(attempt.outcome));
  return tx`
    update webhook_deliveries d set
      status = case when d.status = 'PENDING' then v.status else d.status end,
      next_attempt_at = case when d.status = 'PENDING' then v.next_attempt_at else d.next_attempt_at end,
      attempts = v.attempt, leased_until = null, updated_at = v.finished_at
    from unnest(
      ${idsOf(attempts)}::uuid[], ${states.map((s) => s.status)}::text[],
      ${times(states, (s) => s.nextAttemptAt)}::text[]::timestamptz[], ${attempts.map(attemptNumber)}::integer[],
      ${times(attempts, (a) => a.finishedAt)}::text[]::timestamptz[]
    ) as v (id, status, next_attempt_at, attempt, finished_at)
    where d.partner_id = ${partnerId} and d.id = any(${idsOf(attempts)}::uuid[]) and d.id = v.id and d.environment = ${environment}`;
}

function insertAttempts(tx: Tx, partnerId: string, environment: Environment, attempts: readonly Attempt[]) {
  return tx`
    insert into webhook_attempts (
      partner_id, delivery_id, attempt, environment, started_at, duration_milliseconds, outcome, response_status, response_body, error
    )
    select ${partnerId}, v.delivery_id, v.attempt, ${environment}, v.started_at, v.duration, v.outcome, v.status, v.body, v.error
    from unnest(
      ${idsOf(attempts)}::uuid[], ${attempts.map(attemptNumber)}::integer[],
      ${times(attempts, (a) => a.startedAt)}::text[]::timestamptz[], ${attempts.map((a) => a.result.durationMilliseconds)}::integer[],
      ${attempts.map((a) => OUTCOME_WORDS[a.outcome.kind])}::text[], ${attempts.map((a) => a.result.status ?? null)}::smallint[],
      ${attempts.map((a) => (a.result.kind === 'answered' ? a.result.bodyText : null))}::text[],
      ${attempts.map((a) => (a.outcome.kind === 'delivered' ? null : a.outcome.error))}::text[]
    ) as v (delivery_id, attempt, started_at, duration, outcome, status, body, error)`;
}

function idsOf(attempts: readonly Attempt[]): string[] {
  return attempts.map((attempt) => attempt.delivery.id);
}

function attemptNumber(attempt: Attempt): number {
  return attempt.delivery.attempts + 1;
}

/** As text: the driver takes an array of dates for a single one. */
function times<T>(items: readonly T[], timeOf: (item: T) => Date | null): (string | null)[] {
  return items.map((item) => timeOf(item)?.toISOString() ?? null);
}
