import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { type Receiver, type Respond, startReceiver } from '../../test/webhook-receiver.ts';
import {
  emitEvents,
  manualClock,
  registerWebhook,
  seedPartner,
  type TestWebhook,
  testSecretBox,
  webhookMachinery,
} from '../../test/webhook-setup.ts';
import { systemClock } from '../platform/clock.ts';
import type { GuardedRequest } from '../platform/guarded-fetch.ts';
import { guardedFetch } from '../platform/guarded-fetch.ts';
import { getDelivery, getWebhook, listDeliveries } from './queries.ts';

let database: TestDatabase;
// An endpoint's slots: so many hang at once, and what comes after them waits.
const SLOTS = 10;
// The limit is 15 s in all; here it is shorter through the lease, which a send may not outlast.
const LEASE_MILLISECONDS = 2_000;
const TIMEOUT_MILLISECONDS = 1_500;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const misbehaviours: Record<string, Respond> = {
  hang: () => {},
  drip: (response) => {
    response.writeHead(200, { 'content-length': '1000000' });
    const timer = setInterval(() => response.write('.'), 50);
    response.on('close', () => clearInterval(timer));
  },
  error: (response) => response.writeHead(500).end('no'),
  redirect: (response) => response.writeHead(301, { location: 'http://169.254.169.254/latest/meta-data/' }).end(),
  gone: (response) => response.writeHead(410).end(),
  busy: (response) => response.writeHead(429, { 'retry-after': '120' }).end(),
  huge: (response) => {
    response.writeHead(500);
    const block = randomBytes(65_536);
    const more = () => {
      while (response.write(block));
    };
    response.on('drain', more);
    more();
  },
  earlyClose: (response) => response.destroy(),
  closeInBody: (response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  },
};

interface Case {
  receiver: Receiver;
  webhook: TestWebhook;
}

async function firstDelivery(partnerId: string, webhook: TestWebhook) {
  const tenant = { partnerId, environment: 'sandbox' as const };
  const page = await listDeliveries(database.sql, tenant, webhook.id, { afterSequence: 0 }, { limit: 1 });
  return getDelivery(database.sql, tenant, page.data[0]?.id ?? '');
}

test('receivers that fail in every way fail alone: each is told what went wrong, a healthy one waits for none of them', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const cases = new Map<string, Case>();
  for (const [name, respond] of Object.entries(misbehaviours)) {
    const receiver = await startReceiver(respond);
    cases.set(name, { receiver, webhook: await registerWebhook(sql, partnerId, receiver.url) });
  }
  const healthy = await startReceiver();
  await registerWebhook(sql, partnerId, healthy.url);
  const asked: GuardedRequest[] = [];
  const http = {
    fetch: (request: GuardedRequest) => {
      asked.push(request);
      return guardedFetch(request);
    },
  };
  const clock = manualClock();
  const machinery = webhookMachinery(sql, { clock, http, leaseMilliseconds: LEASE_MILLISECONDS });
  await emitEvents(sql, partnerId, SLOTS);
  machinery.deliverer.wake(await machinery.fanOut());
  await healthy.waitFor(SLOTS);
  await emitEvents(sql, partnerId, SLOTS);
  machinery.deliverer.wake(await machinery.fanOut());
  await healthy.waitFor(2 * SLOTS);
  // Proof that nobody was waited for: those that hang have not even come to their second ten.
  expect(cases.get('hang')?.receiver.received.length).toBeLessThanOrEqual(SLOTS);
  await machinery.deliverer.settled();
  await Promise.all([healthy, ...[...cases.values()].map((one) => one.receiver)].map((receiver) => receiver.close()));

  expect(healthy.received.map((one) => one.event.sequence).toSorted((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 2 * SLOTS }, (_, index) => index + 1),
  );
  expect(asked.every((request) => request.url.startsWith('http://127.0.0.1:'))).toBe(true);
  const expected: Record<string, object> = {
    hang: { outcome: 'FAILED', error: expect.stringContaining('The time was up') },
    drip: { outcome: 'FAILED', responseStatus: 200, error: expect.stringContaining('The time was up') },
    error: { outcome: 'FAILED', responseStatus: 500, responseBody: 'no' },
    redirect: { outcome: 'FAILED', responseStatus: 301, error: expect.stringContaining('redirects are not followed') },
    gone: { outcome: 'ENDPOINT_GONE', responseStatus: 410 },
    busy: { outcome: 'FAILED', responseStatus: 429 },
    huge: { outcome: 'FAILED', responseStatus: 500 },
    earlyClose: { outcome: 'FAILED', error: expect.stringContaining('The connection failed') },
    closeInBody: { outcome: 'FAILED', responseStatus: 200, error: expect.stringContaining('The connection failed') },
  };
  for (const [name, { webhook }] of cases) {
    const delivery = await firstDelivery(partnerId, webhook);
    expect(delivery.attemptLog, name).toMatchObject([{ attempt: 1, ...expected[name] }]);
    expect(delivery.attemptLog[0]?.durationMilliseconds, name).toBeLessThan(TIMEOUT_MILLISECONDS + 400);
    const waitSeconds = (Date.parse(delivery.nextAttemptAt ?? '') - clock.now().getTime()) / 1_000;
    expect(waitSeconds, name).toBe(name === 'busy' ? 120 : 5);
    const tenant = { partnerId, environment: 'sandbox' as const };
    expect((await getWebhook(sql, testSecretBox, tenant, webhook.id)).isActive, name).toBe(name !== 'gone');
  }
});

test('of a huge answer at most 1 kB is kept', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const receiver = await startReceiver((response) => response.writeHead(400).end(`\0${'é'.repeat(100_000)}`));
  const webhook = await registerWebhook(sql, partnerId, receiver.url);
  await emitEvents(sql, partnerId, 1);
  await webhookMachinery(sql).deliverAll();
  await receiver.close();
  const [attempt] = (await firstDelivery(partnerId, webhook)).attemptLog;
  expect(Buffer.byteLength(attempt?.responseBody ?? '')).toBeLessThanOrEqual(1_026);
  expect(attempt?.responseBody).toContain('éé');
});

test('an address that may not be sent to is a failure that says so, and is tried again', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const receiver = await startReceiver();
  const webhook = await registerWebhook(sql, partnerId, receiver.url);
  await emitEvents(sql, partnerId, 1);
  const clock = manualClock();
  // Registered on a laptop, delivered by a server: loopback is no longer allowed.
  await webhookMachinery(sql, { clock, allowInsecureLoopback: false }).deliverAll();
  expect(receiver.received).toEqual([]);
  expect(await firstDelivery(partnerId, webhook)).toMatchObject({
    status: 'PENDING',
    attemptLog: [{ outcome: 'BLOCKED', error: 'The address may not be sent to: the address is this machine itself.' }],
  });
  clock.advance(5_000);
  await webhookMachinery(sql, { clock }).deliverAll();
  await receiver.close();
  expect(receiver.received).toHaveLength(1);
});

test('an endpoint with ten thousand waiting does not keep another one waiting', async () => {
  const { sql } = database;
  const [long, short] = [await seedPartner(sql), await seedPartner(sql)];
  const slow = await startReceiver((response) => setTimeout(() => response.writeHead(204).end(), 100));
  const quick = await startReceiver();
  const endpoint = await registerWebhook(sql, long, slow.url);
  await registerWebhook(sql, short, quick.url);
  const machinery = webhookMachinery(sql, { leaseMilliseconds: 20_000 });
  await emitEvents(sql, long, 10_000);
  await machinery.fanOut();
  await machinery.deliverer.sweep();
  await slow.waitFor(20);
  await emitEvents(sql, short, 200);
  const started = systemClock.now().getTime();
  machinery.deliverer.wake(await machinery.fanOut());
  await quick.waitFor(200);
  const milliseconds = systemClock.now().getTime() - started;
  expect(milliseconds).toBeLessThan(3_000);
  expect(slow.received.length).toBeLessThan(1_000);
  await machinery.deliverer.stop(2_000);
  await Promise.all([slow.close(), quick.close()]);
  const [left] = await sql<{ leased: number }[]>`
    select count(*) as leased from webhook_deliveries
    where partner_id = ${long} and endpoint_id = ${endpoint.endpointId} and leased_until is not null`;
  expect(left?.leased).toBe(0);
});
