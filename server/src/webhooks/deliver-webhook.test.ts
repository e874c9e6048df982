import { verifyWebhook } from '@sirgiving/signature';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { startReceiver } from '../../test/webhook-receiver.ts';
import {
  collectingLog,
  emitEvents,
  manualClock,
  registerWebhook,
  seedPartner,
  testSecretBox,
  webhookMachinery,
} from '../../test/webhook-setup.ts';
import { systemClock } from '../platform/clock.ts';
import { Failpoints } from '../platform/failpoints.ts';
import { guardedFetch } from '../platform/guarded-fetch.ts';
import { publicId } from '../platform/ids.ts';
import { claimDeliveries } from './claim-deliveries.ts';
import { deleteWebhook } from './delete-webhook.ts';
import { getDelivery, listDeliveries } from './queries.ts';
import { recordAttempts } from './record-attempts.ts';
import { sendWebhook } from './send-webhook.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const tenantOf = (partnerId: string) => ({ partnerId, environment: 'sandbox' as const });

async function onlyDelivery(partnerId: string, webhookId: string) {
  const page = await listDeliveries(database.sql, tenantOf(partnerId), webhookId, {}, { limit: 100 });
  expect(page.data).toHaveLength(1);
  return getDelivery(database.sql, tenantOf(partnerId), page.data[0]?.id ?? '');
}

test('a delivery is verified by our own function, by standardwebhooks and by svix, and its bytes are as promised', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  const headers = {
    Authorization: 'Bearer of-the-partner',
    'X-Tenant': 'zlut',
  };
  const webhook = await registerWebhook(sql, partnerId, `${receiver.url}/hook?a=1`, { headers });
  const data = {
    actionId: 'act_1',
    tokensDistributed: 50,
    text: 'ž ✓ "quoted" \u2028',
    10: 'kept in place',
    big: 1e21,
  };
  const [eventId] = await emitEvents(sql, partnerId, 1, { data });
  await webhookMachinery(sql).deliverAll();
  await receiver.close();

  const [one] = receiver.received;
  if (one === undefined || eventId === undefined) throw new Error('nothing was received');
  const { body } = one;
  const [event] = await sql<{ created_at: Date }[]>`select created_at from events where id = ${eventId}`;
  expect(one.path).toBe('/hook?a=1');
  const front = JSON.stringify({
    id: publicId('evt', eventId),
    type: 'action.completed',
    createdAt: event?.created_at.toISOString(),
    data,
  });
  const ours = '"environment":"sandbox","apiVersion":"2026-11-24","position":1,"sequence":1}';
  expect(body).toBe(`${front.slice(0, -1)},${ours}`);

  expect(one.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'SIRGiving-Webhooks/1.0',
    authorization: 'Bearer of-the-partner',
    'x-tenant': 'zlut',
    'webhook-id': publicId('evt', eventId),
  });
  const nowSeconds = Math.floor(systemClock.now().getTime() / 1_000);
  const given = { secret: webhook.secret, body, nowSeconds };
  expect(verifyWebhook({ ...given, headers: one.headers })).toMatchObject({ valid: true, scheme: 'standard' });
  const { 'x-sir-signature': signature, 'x-sir-timestamp': timestamp } = one.headers;
  const documented = { 'x-sir-signature': String(signature), 'x-sir-timestamp': String(timestamp) };
  expect(verifyWebhook({ ...given, headers: documented })).toMatchObject({ valid: true, scheme: 'sir' });
  const plain = Object.fromEntries(Object.entries(one.headers).map(([name, value]) => [name, String(value)]));
  expect(new StandardWebhook(webhook.secret).verify(body, plain)).toEqual(JSON.parse(body));
  expect(new SvixWebhook(webhook.secret).verify(body, plain)).toEqual(JSON.parse(body));

  expect(await onlyDelivery(partnerId, webhook.id)).toMatchObject({
    status: 'SUCCEEDED',
    attempts: 1,
    sequence: 1,
    eventType: 'action.completed',
    attemptLog: [{ attempt: 1, outcome: 'DELIVERED', responseStatus: 204 }],
  });
});

test('ten attempts at the promised times: same id, number and bytes, each signed anew; then it is exhausted', async () => {
  const { sql } = database;
  const receiver = await startReceiver((response) => response.writeHead(503).end('not yet'));
  const partnerId = await seedPartner(sql);
  const webhook = await registerWebhook(sql, partnerId, receiver.url);
  await emitEvents(sql, partnerId, 1);
  const clock = manualClock();
  const machinery = webhookMachinery(sql, { clock });
  await machinery.deliverAll();
  const waitsSeconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
  for (const [index, seconds] of waitsSeconds.entries()) {
    clock.advance(seconds * 1_000 - 1);
    await machinery.deliverAll();
    expect(receiver.received).toHaveLength(index + 1);
    clock.advance(1);
    await machinery.deliverAll();
    expect(receiver.received).toHaveLength(index + 2);
  }
  clock.advance(30 * 86_400_000);
  await machinery.deliverAll();
  await receiver.close();
  expect(receiver.received).toHaveLength(10);
  expect(new Set(receiver.received.map((one) => one.body)).size).toBe(1);
  expect(new Set(receiver.received.map((one) => one.headers['webhook-id'])).size).toBe(1);
  expect(new Set(receiver.received.map((one) => one.headers['x-sir-signature'])).size).toBe(10);
  for (const { body, headers } of receiver.received) {
    const nowSeconds = Number(headers['webhook-timestamp']);
    expect(verifyWebhook({ secret: webhook.secret, body, headers, nowSeconds })).toMatchObject({ valid: true });
  }
  const delivery = await onlyDelivery(partnerId, webhook.id);
  expect(delivery).toMatchObject({ status: 'EXHAUSTED', attempts: 10 });
  expect(delivery.nextAttemptAt).toBeUndefined();
  expect(delivery.attemptLog.map((attempt) => attempt.outcome)).toEqual([...Array(9).fill('FAILED'), 'EXHAUSTED']);
  expect(delivery.attemptLog[0]).toMatchObject({ responseStatus: 503, responseBody: 'not yet' });
});

test('a worker that dies between sending and recording: sent again after its lease, same id and number, recorded once', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  const webhook = await registerWebhook(sql, partnerId, receiver.url);
  await emitEvents(sql, partnerId, 1);
  const clock = manualClock();
  const other = webhookMachinery(sql, { clock });
  await other.fanOut();

  // The first worker, up to the moment at which it dies.
  const lease = { now: clock.now(), leasedUntil: new Date(clock.now().getTime() + 2_000) };
  const wants = [{ endpointId: webhook.endpointId, slots: 5 }];
  const [claimed] = await claimDeliveries(sql, { ...tenantOf(partnerId), ...lease, wants });
  if (claimed === undefined) throw new Error('nothing was claimed');
  const sending = {
    clock,
    http: { fetch: guardedFetch },
    secretBox: testSecretBox,
    random: () => 0.5,
    allowInsecureLoopback: true,
    timeoutMilliseconds: 1_000,
  };
  const lateAttempt = await sendWebhook(sending, claimed, new AbortController().signal);
  clock.advance(1_999);
  await other.deliverAll();
  expect(receiver.received).toHaveLength(1);
  clock.advance(1);
  await other.deliverAll();
  expect(receiver.received).toHaveLength(2);
  // The first was not dead after all, only slow: what it knows is no longer wanted.
  const recording = { sql, environment: 'sandbox', failpoints: new Failpoints(undefined) } as const;
  await recordAttempts(recording, partnerId, [lateAttempt]);
  clock.advance(86_400_000);
  await other.deliverAll();
  await receiver.close();

  expect(receiver.received).toHaveLength(2);
  expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
  expect(await onlyDelivery(partnerId, webhook.id)).toMatchObject({
    status: 'SUCCEEDED',
    attempts: 1,
    attemptLog: [{ attempt: 1, outcome: 'DELIVERED' }],
  });
});

test('two workers on one queue send each delivery once', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  const webhooks = [
    await registerWebhook(sql, partnerId, receiver.url),
    await registerWebhook(sql, partnerId, receiver.url),
  ];
  await emitEvents(sql, partnerId, 300);
  const workers = [
    webhookMachinery(sql, { leaseMilliseconds: 20_000 }),
    webhookMachinery(sql, { leaseMilliseconds: 20_000 }),
  ];
  await workers[0]?.fanOut();
  await Promise.all(workers.map((worker) => worker.deliverer.sweep()));
  await Promise.all(workers.map((worker) => worker.deliverer.settled()));
  await receiver.close();
  expect(receiver.received).toHaveLength(600);
  expect(new Set(receiver.received.map((one) => one.body)).size).toBe(300);
  for (const webhook of webhooks) {
    const query = { status: 'SUCCEEDED' };
    const page = await listDeliveries(sql, tenantOf(partnerId), webhook.id, query, { limit: 1, page: 1 });
    expect(page.pagination.total).toBe(300);
  }
});

test('workers of two environments on one database send nothing of each other', async () => {
  const { sql } = database;
  const [sandbox, production] = [await startReceiver(), await startReceiver()];
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, sandbox.url);
  await registerWebhook(sql, partnerId, production.url, { environment: 'production' });
  await emitEvents(sql, partnerId, 3);
  await emitEvents(sql, partnerId, 5, { environment: 'production' });
  await webhookMachinery(sql).deliverAll();
  expect([sandbox.received.length, production.received.length]).toEqual([3, 0]);
  await webhookMachinery(sql, { environment: 'production' }).deliverAll();
  await Promise.all([sandbox.close(), production.close()]);
  expect([sandbox.received.length, production.received.length]).toEqual([3, 5]);
  expect(production.received.every((one) => one.body.includes('"environment":"production"'))).toBe(true);
});

test('a row whose environments disagree is not sent', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, receiver.url);
  const [eventId] = await emitEvents(sql, partnerId, 1);
  const { log, lines } = collectingLog();
  const machinery = webhookMachinery(sql, { log });
  await machinery.fanOut();
  await sql`update events set environment = 'production' where partner_id = ${partnerId} and id = ${eventId ?? ''}`;
  await machinery.deliverer.sweep();
  await machinery.deliverer.settled();
  await receiver.close();
  expect(receiver.received).toEqual([]);
  expect(JSON.stringify(lines)).toContain('is of production, this worker serves sandbox');
});

test('what is deleted or paused is sent nothing; a delivery canceled on its way keeps its attempt', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  let webhookId = '';
  const receiver = await startReceiver(async (response) => {
    const now = systemClock.now();
    await sql.begin(async (tx) => deleteWebhook(tx, tenantOf(partnerId), webhookId, now));
    response.writeHead(500).end();
  });
  const paused = await startReceiver();
  const deleted = await registerWebhook(sql, partnerId, receiver.url);
  webhookId = deleted.id;
  const other = await registerWebhook(sql, partnerId, paused.url);
  await sql`update webhook_endpoints set status = 'PAUSED' where partner_id = ${partnerId} and id = ${other.endpointId}`;
  await emitEvents(sql, partnerId, 1);
  const clock = manualClock();
  const machinery = webhookMachinery(sql, { clock });
  await machinery.deliverAll();
  clock.advance(86_400_000);
  await machinery.deliverAll();
  await Promise.all([receiver.close(), paused.close()]);
  expect(receiver.received).toHaveLength(1);
  expect(paused.received).toEqual([]);
  const delivery = await onlyDelivery(partnerId, deleted.id);
  expect(delivery).toMatchObject({ status: 'CANCELED', attempts: 1, attemptLog: [{ outcome: 'FAILED' }] });
  expect(delivery.nextAttemptAt).toBeUndefined();
});

test('a secret that does not open is an alarm and nothing is sent or counted', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  const webhook = await registerWebhook(sql, partnerId, receiver.url);
  await sql`
    update webhook_endpoints set secret_encrypted = decode(repeat('00', 100), 'hex')
    where partner_id = ${partnerId} and id = ${webhook.endpointId}`;
  await emitEvents(sql, partnerId, 1);
  const { log, lines } = collectingLog();
  await webhookMachinery(sql, { log }).deliverAll();
  await receiver.close();
  expect(receiver.received).toEqual([]);
  expect(lines).toContainEqual(expect.objectContaining({ alarm: true }));
  expect(await onlyDelivery(partnerId, webhook.id)).toMatchObject({ status: 'PENDING', attempts: 0 });
});
