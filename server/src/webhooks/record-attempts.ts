import type { attemptOutcomes, Environment } from '@sirgiving/contract';
import type { Sql, Tx } from '../platform/db.ts';
import type { Answered, Failed } from '../platform/guarded-fetch.ts';
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
  sql: Sql,
  partnerId: string,
  environment: Environment,
  attempts: readonly Attempt[],
): Promise<void> {
  await sql.begin(async (tx) => {
    // Endpoints before deliveries, and each in order of ids, as everywhere: that is what keeps writers from deadlocking.
    await pauseGone(tx, partnerId, environment, attempts);
    const held = await lockHeld(tx, partnerId, environment, attempts);
    if (held.length === 0) return;
    await Promise.all([
      moveDeliveries(tx, partnerId, environment, held),
      insertAttempts(tx, partnerId, environment, held),
    ]);
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
  const rows = await tx<{ id: string }[]>`
    select d.id
    from unnest(
      ${attempts.map((a) => a.delivery.id)}::uuid[], ${attempts.map((a) => a.delivery.leasedUntil)}::timestamptz[]
    ) as v (id, leased_until)
    join webhook_deliveries d on d.partner_id = ${partnerId} and d.id = v.id and d.environment = ${environment}
      and d.leased_until = v.leased_until
    order by d.id
    for no key update of d`;
  const held = new Set(rows.map((row) => row.id));
  return attempts.filter((attempt) => held.has(attempt.delivery.id));
}

/** A delivery that was canceled while it was on its way stays canceled; its attempt is recorded all the same. */
function moveDeliveries(tx: Tx, partnerId: string, environment: Environment, attempts: readonly Attempt[]) {
  const states = attempts.map((attempt) => stateAfter(attempt.outcome));
  return tx`
    update webhook_deliveries d set
      status = case when d.status = 'PENDING' then v.status else d.status end,
      next_attempt_at = case when d.status = 'PENDING' then v.next_attempt_at else d.next_attempt_at end,
      attempts = v.attempt, leased_until = null, updated_at = v.finished_at
    from unnest(
      ${attempts.map((a) => a.delivery.id)}::uuid[], ${states.map((s) => s.status)}::text[],
      ${states.map((s) => s.nextAttemptAt)}::timestamptz[], ${attempts.map(attemptNumber)}::integer[],
      ${attempts.map((a) => a.finishedAt)}::timestamptz[]
    ) as v (id, status, next_attempt_at, attempt, finished_at)
    where d.partner_id = ${partnerId} and d.id = v.id and d.environment = ${environment}`;
}

function insertAttempts(tx: Tx, partnerId: string, environment: Environment, attempts: readonly Attempt[]) {
  return tx`
    insert into webhook_attempts (
      partner_id, delivery_id, attempt, environment, started_at, duration_milliseconds, outcome, response_status, response_body, error
    )
    select ${partnerId}, v.delivery_id, v.attempt, ${environment}, v.started_at, v.duration, v.outcome, v.status, v.body, v.error
    from unnest(
      ${attempts.map((a) => a.delivery.id)}::uuid[], ${attempts.map(attemptNumber)}::integer[],
      ${attempts.map((a) => a.startedAt)}::timestamptz[], ${attempts.map((a) => a.result.durationMilliseconds)}::integer[],
      ${attempts.map((a) => OUTCOME_WORDS[a.outcome.kind])}::text[], ${attempts.map((a) => a.result.status ?? null)}::smallint[],
      ${attempts.map((a) => (a.result.kind === 'answered' ? a.result.bodyText : null))}::text[],
      ${attempts.map((a) => (a.outcome.kind === 'delivered' ? null : a.outcome.error))}::text[]
    ) as v (delivery_id, attempt, started_at, duration, outcome, status, body, error)`;
}

function attemptNumber(attempt: Attempt): number {
  return attempt.delivery.attempts + 1;
}
