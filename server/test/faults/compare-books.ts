import { expect } from 'vitest';
import { verifyTraces } from '../../src/actions/index.ts';
import { verifyLedger } from '../../src/ledger/index.ts';
import type { Sql } from '../../src/platform/db.ts';
import { publicId } from '../../src/platform/ids.ts';
import type { Journal, JournalEntry, Outcome } from './journal.ts';
import { actionIdOf, outcomeOf } from './load.ts';
import type { ScenePartner } from './scene.ts';
import type { SignedClient } from './signed-client.ts';

/** What a client's journal and the database say of the same submissions. */
export interface Comparison {
  sent: number;
  done: number;
  unknown: number;
  /** Of the unknown ones, how many the database has. */
  unknownKept: number;
  notDone: number;
}

interface Kept {
  key: string;
  id: string;
  status: string;
  tokens: number;
  rewards: number;
  paid: number;
}

const BATCH_SIZE = 500;
const RETRIES_AT_ONCE = 50;

/** Two statements, since the planner knows nothing of tables this young and would join them row by row. */
async function readKept(sql: Sql, partnerId: string, keys: readonly string[]): Promise<Map<string, Kept>> {
  const actions = await sql<Omit<Kept, 'rewards' | 'paid'>[]>`
    select idempotency_key as key, id, status, tokens from actions
    where partner_id = ${partnerId} and environment = 'sandbox' and source = 'api' and idempotency_key = any(${[...keys]})`;
  const rewards = await sql<{ actionId: string; rewards: number; paid: number }[]>`
    select action_id as "actionId", count(*) as rewards, sum(tokens)::bigint as paid from ledger_transactions
    where partner_id = ${partnerId} and kind = 'REWARD' and action_id = any(${actions.map(({ id }) => id)}::uuid[])
    group by action_id`;
  const rewardsOf = new Map(rewards.map((row) => [row.actionId, row]));
  return new Map(
    actions.map((action) => [action.key, { rewards: 0, paid: 0, ...rewardsOf.get(action.id), ...action }]),
  );
}

const lastOf = (outcomes: readonly Outcome[]): Outcome => outcomes.at(-1) ?? 'unknown';

function isOneReward(kept: Kept | undefined, { body }: JournalEntry): boolean {
  const tokens = Math.round(body.amount ?? 0);
  const people = new Set(body.stakeholders.map((s) => s.partnerUserId)).size;
  return (
    kept !== undefined &&
    kept.status === 'COMPLETED' &&
    kept.tokens === tokens &&
    kept.paid === tokens &&
    kept.rewards === people
  );
}

/**
 * Every 2xx of the journal is in the database with exactly one reward, every unknown one there once or not at all, and nothing that
 * was called not done is there.
 */
export async function compareWithDatabase(sql: Sql, partner: ScenePartner, journal: Journal): Promise<Comparison> {
  const entries = await journal.read();
  const kept = await readKept(sql, partner.partnerId, [...entries.keys()]);
  const wrong: string[] = [];
  const comparison: Comparison = { sent: entries.size, done: 0, unknown: 0, unknownKept: 0, notDone: 0 };
  for (const [key, entry] of entries) {
    const row = kept.get(key);
    const outcome = lastOf(entry.outcomes);
    if (outcome === 'done') {
      comparison.done += 1;
      const sameAction = row !== undefined && entry.actionIds.every((id) => id === publicId('act', row.id));
      if (!isOneReward(row, entry) || !sameAction)
        wrong.push(`${key}: 2xx, but the database has ${JSON.stringify(row)}`);
    } else if (outcome === 'unknown') {
      comparison.unknown += 1;
      if (row === undefined) continue;
      comparison.unknownKept += 1;
      if (!isOneReward(row, entry)) wrong.push(`${key}: half there: ${JSON.stringify(row)}`);
    } else {
      comparison.notDone += 1;
      if (row !== undefined && row.rewards > 0) wrong.push(`${key}: called not done, and is there`);
    }
  }
  expect(wrong).toEqual([]);
  return comparison;
}

/**
 * Sends everything in the journal once more: what nobody knows, one by one; the rest, in batches. Every one of them must be answered 2xx
 * with the action of before, and have exactly one reward afterwards.
 */
export async function retryEverything(
  sql: Sql,
  partner: ScenePartner,
  journal: Journal,
  client: SignedClient,
): Promise<void> {
  const entries = [...(await journal.read()).values()];
  const bodiesOf = (unknown: boolean) =>
    entries.filter(({ outcomes }) => (lastOf(outcomes) === 'unknown') === unknown).map(({ body }) => body);
  const [open, known] = [bodiesOf(true), bodiesOf(false)];
  const retry = async () => {
    for (let body = open.pop(); body !== undefined; body = open.pop()) {
      const answer = await client.submit(body);
      journal.note(body.idempotencyKey, outcomeOf(answer), actionIdOf(answer));
    }
  };
  await Promise.all(Array.from({ length: RETRIES_AT_ONCE }, retry));
  while (known.length > 0) {
    const actions = known.splice(0, BATCH_SIZE);
    const answer = await client.send('POST', '/v1/partner/actions/batch', { actions, mode: 'independent' });
    const { results } = answer.body as { results: { status: string; action?: { actionId: string } }[] };
    for (const [index, { status, action }] of results.entries()) {
      const outcome = status === 'COMPLETED' ? 'done' : 'notDone';
      journal.note(actions[index]?.idempotencyKey ?? '', outcome, action?.actionId);
    }
  }
  const { sent, done } = await compareWithDatabase(sql, partner, journal);
  expect(done).toBe(sent);
}

/** The invariants of docs/ledger.md hold, all of them, for one partner or for everyone. */
export async function expectCleanBooks(sql: Sql, partner?: ScenePartner): Promise<void> {
  const scope = partner === undefined ? {} : { partnerId: partner.partnerId };
  // For a partner that is younger than its statistics the planner counts on one row and joins thousands one by one.
  await sql`analyze`;
  const { ok, findings } = await verifyLedger(sql, { ...scope, moreChecks: [verifyTraces] });
  expect({ ok, findings }).toEqual({ ok: true, findings: [] });
}
