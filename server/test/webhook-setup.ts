import { randomBytes, randomUUID } from 'node:crypto';
import type { CreatedWebhook, CreateWebhook, Environment, EventType } from '@sirgiving/contract';
import pino from 'pino';
import type { Clock } from '../src/platform/clock.ts';
import { systemClock } from '../src/platform/clock.ts';
import type { Sql } from '../src/platform/db.ts';
import { Failpoints } from '../src/platform/failpoints.ts';
import { guardedFetch } from '../src/platform/guarded-fetch.ts';
import { randomIds, rowId } from '../src/platform/ids.ts';
import { createSecretBox } from '../src/platform/secret-box.ts';
import { createWebhook } from '../src/webhooks/create-webhook.ts';
import { type DeliverDependencies, WebhookDeliverer } from '../src/webhooks/deliver-webhook.ts';
import { type FanOutDependencies, fanOut, passUnheard } from '../src/webhooks/fan-out.ts';
import { recordEvents } from '../src/webhooks/record-events.ts';

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  advance(milliseconds: number): void;
}

export function manualClock(start = '2026-11-24T12:00:00.000Z'): ManualClock {
  let now = Date.parse(start);
  return {
    now: () => new Date(now),
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}

/** Log lines that were written, as objects. */
export function collectingLog(): { log: pino.Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { log: pino({ level: 'debug' }, { write: (line) => lines.push(JSON.parse(line)) }), lines };
}

export const silentLog = pino({ level: 'silent' });

export const testSecretBox = createSecretBox(randomBytes(32).toString('hex'));

export async function seedPartner(sql: Sql): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into partners (id, name, slug, status, created_at)
    values (${id}, 'Webhook partner', ${id}, 'ACTIVE', ${systemClock.now()})`;
  return id;
}

/** A registered webhook with the row id of its endpoint. */
export interface TestWebhook extends CreatedWebhook {
  endpointId: string;
  secret: string;
}

export async function registerWebhook(
  sql: Sql,
  partnerId: string,
  url: string,
  options: Partial<CreateWebhook> & { environment?: Environment } = {},
): Promise<TestWebhook> {
  const { environment = 'sandbox', ...body } = options;
  const deps = { ids: randomIds, secretBox: testSecretBox };
  const created = await sql.begin(async (tx) => {
    const wanted = { url, receiveAllEvents: true, ...body };
    return { webhook: await createWebhook(tx, deps, { partnerId, environment }, wanted, systemClock.now()) };
  });
  const { webhook } = created;
  return { ...webhook, endpointId: rowId('whk', webhook.id) ?? '', secret: webhook.secret ?? '' };
}

/** Commits events as a use case does, all in one transaction; answers their row ids. */
export async function emitEvents(
  sql: Sql,
  partnerId: string,
  count: number,
  options: { environment?: Environment; type?: EventType; data?: Record<string, unknown> } = {},
): Promise<string[]> {
  const { environment = 'sandbox', type = 'action.completed', data } = options;
  const createdAt = systemClock.now();
  const events = Array.from({ length: count }, (_, number) => ({
    partnerId,
    environment,
    id: randomIds.uuid(),
    type,
    data: data ?? { number },
    createdAt,
  }));
  await sql.begin(async (tx) => recordEvents(tx, events));
  return events.map((event) => event.id);
}

/** Fan-out and delivery as the worker runs them, step by step. */
export function webhookMachinery(
  sql: Sql,
  options: Partial<DeliverDependencies & FanOutDependencies> = {},
): {
  deliverer: WebhookDeliverer;
  fanOut(): ReturnType<typeof fanOut>;
  passUnheard(): Promise<void>;
  deliverAll(): Promise<void>;
} {
  const deps = {
    sql,
    environment: 'sandbox' as const,
    clock: systemClock,
    ids: randomIds,
    http: { fetch: guardedFetch },
    secretBox: testSecretBox,
    random: () => 0.5,
    log: silentLog,
    allowInsecureLoopback: true,
    leaseMilliseconds: 2_000,
    failpoints: new Failpoints(undefined),
    ...options,
  };
  const deliverer = new WebhookDeliverer(deps);
  return {
    deliverer,
    fanOut: () => fanOut(deps),
    passUnheard: () => passUnheard(deps),
    deliverAll: async () => {
      await fanOut(deps);
      await deliverer.sweep();
      await deliverer.settled();
    },
  };
}
