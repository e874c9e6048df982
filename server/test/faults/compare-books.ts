import type { SubmitAction } from '@sirgiving/contract';
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

async function readKept(sql: Sql, partnerId: string, keys: readonly string[]): Promise<Map<string, Kept>> {
  const rows = await sql<Kept[]>`
    select a.idempotency_key as key, a.id, a.status, a.tokens, count(t.id) as rewards, coalesce(sum(t.tokens), 0)::bigint as paid
    from actions a
    left join ledger_transactions t on t.partner_id = a.partner_id and t.action_id = a.id and t.kind = 'REWARD'
    where a.partner_id = ${partnerId} and a.environment = 'sandbox' and a.source = 'api' and a.idempotency_key = any(${[...keys]})
    group by a.partner_id, a.id`;
  return new Map(rows.map((row) => [row.key, row]));
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
 * Sends everything in the journal once more: what a client does not know, one by one; what it knows, in batches. Every one of them must
 * be answered 2xx with the action of before, and have exactly one reward afterwards.
 */
export async function retryEverything(
  sql: Sql,
  partner: ScenePartner,
  journal: Journal,
  client: SignedClient,
): Promise<void> {
  const entries = [...(await journal.read()).values()];
  const [known, open] = [true, false].map((isKnown) =>
    entries.filter((entry) => (lastOf(entry.outcomes) === 'done') === isKnown).map(({ body }) => body),
  ) as [SubmitAction[], SubmitAction[]];
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

/** The invariants of docs/ledger.md hold, all of them. */
export async function expectCleanBooks(sql: Sql): Promise<void> {
  const { ok, findings } = await verifyLedger(sql, { moreChecks: [verifyTraces] });
  expect({ ok, findings }).toEqual({ ok: true, findings: [] });
}
