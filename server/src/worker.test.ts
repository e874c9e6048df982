import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueue } from '../test/properties/healthy-book.ts';
import { newPartner, newPool } from '../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../test/test-database.ts';
import { startReceiver, until } from '../test/webhook-receiver.ts';
import { emitEvents, registerWebhook, seedPartner, silentLog, testSecretBox } from '../test/webhook-setup.ts';
import { submissionOf } from './actions/submission.ts';
import { systemClock } from './platform/clock.ts';
import { connect } from './platform/db.ts';
import { publicId, randomIds } from './platform/ids.ts';
import { createWakeUp, type WakeUp } from './platform/wake-up.ts';
import { updatePool } from './pools/update-pool.ts';
import { startWorker, type Worker, type WorkerDependencies } from './worker.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** For workers that find nothing to process again. */
const noSubmissions = { submit: () => Promise.reject(new Error('nothing was to be processed again')) };

function start(
  wakeUp: Pick<WakeUp, 'onWake'>,
  environment: 'sandbox' | 'production' = 'sandbox',
  submissions: WorkerDependencies['submissions'] = noSubmissions,
): Worker {
  return startWorker({
    sql: database.sql,
    environment,
    clock: systemClock,
    ids: randomIds,
    secretBox: testSecretBox,
    wakeUp,
    submissions,
    log: silentLog,
    allowInsecureLoopback: true,
    leaseMilliseconds: 2_000,
  });
}

const deaf: Pick<WakeUp, 'onWake'> = { onWake: () => () => {} };

async function leasedOf(partnerId: string): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*) as count from webhook_deliveries where partner_id = ${partnerId} and leased_until is not null`;
  return row?.count ?? 0;
}

async function pendingOf(partnerId: string): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*) as count from webhook_deliveries where partner_id = ${partnerId} and status = 'PENDING'`;
  return row?.count ?? 0;
}

test('a nudge brings an event to its receiver at once, from this process and from another', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, receiver.url);
  const mine = createWakeUp(sql, 'sandbox', silentLog);
  const worker = start(mine);
  const otherSql = connect(database.url, { max: 1, applicationName: 'another-process' });
  const others = createWakeUp(otherSql, 'sandbox', silentLog);
  try {
    for (const [index, wakeUp] of [mine, others, mine, others].entries()) {
      // The regular look of every second must not be what finds it.
      await sleep(100);
      const started = performance.now();
      await emitEvents(sql, partnerId, 1);
      wakeUp.nudge();
      await receiver.waitFor(index + 1);
      expect(performance.now() - started).toBeLessThan(900);
    }
  } finally {
    await worker.stop();
    mine.stop();
    others.stop();
    await otherSql.end();
    await receiver.close();
  }
});

test('what nobody nudged for is found all the same, within some two seconds', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, receiver.url);
  const worker = start(deaf);
  await sleep(50);
  await emitEvents(sql, partnerId, 3);
  const started = performance.now();
  await receiver.waitFor(3);
  expect(performance.now() - started).toBeLessThan(3_000);
  await worker.stop();
  await receiver.close();
});

test('a worker of one environment leaves the other alone', async () => {
  const { sql } = database;
  const [sandbox, production] = [await startReceiver(), await startReceiver()];
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, sandbox.url);
  await registerWebhook(sql, partnerId, production.url, { environment: 'production' });
  await emitEvents(sql, partnerId, 4);
  await emitEvents(sql, partnerId, 6, { environment: 'production' });
  const first = start(deaf);
  await sandbox.waitFor(4);
  await sleep(1_200);
  expect(production.received).toHaveLength(0);
  await first.stop();
  const second = start(deaf, 'production');
  await production.waitFor(6);
  await second.stop();
  await Promise.all([sandbox.close(), production.close()]);
  expect(sandbox.received).toHaveLength(4);
});

test('stopping lets what is under way end and records it', async () => {
  const { sql } = database;
  const receiver = await startReceiver((response) => setTimeout(() => response.writeHead(204).end(), 300));
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, receiver.url);
  await emitEvents(sql, partnerId, 30);
  const worker = start(deaf);
  await receiver.waitFor(1);
  await worker.stop();
  const [row] = await sql<{ succeeded: number }[]>`
    select count(*) as succeeded from webhook_deliveries where partner_id = ${partnerId} and status = 'SUCCEEDED'`;
  expect(row?.succeeded).toBe(receiver.received.length);
  expect(receiver.received.length).toBeLessThan(30);
  expect(await leasedOf(partnerId)).toBe(0);
  await receiver.close();
});

test('a worker whose database connections are cut goes on with new ones', async () => {
  const { sql } = database;
  const receiver = await startReceiver();
  const partnerId = await seedPartner(sql);
  await registerWebhook(sql, partnerId, receiver.url);
  const workerSql = connect(database.url, { max: 4, applicationName: 'sir-worker-to-cut' });
  const wakeUp = createWakeUp(workerSql, 'sandbox', silentLog);
  const worker = startWorker({
    sql: workerSql,
    environment: 'sandbox',
    clock: systemClock,
    ids: randomIds,
    secretBox: testSecretBox,
    wakeUp,
    submissions: noSubmissions,
    log: silentLog,
    allowInsecureLoopback: true,
    leaseMilliseconds: 2_000,
  });
  for (let round = 1; round <= 3; round++) {
    await emitEvents(sql, partnerId, 50);
    wakeUp.nudge();
    const ids = () => new Set(receiver.received.map((one) => one.event.id)).size;
    await until(() => ids() === 50 * round, `every event of round ${round}`);
    await until(async () => (await pendingOf(partnerId)) === 0, 'every attempt to be recorded');
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sir-worker-to-cut'`;
    await sleep(200);
  }
  await worker.stop();
  wakeUp.stop();
  await workerSql.end({ timeout: 1 });
  await receiver.close();
});

test('a pool at its floor is refilled, and what failed for want of tokens is rewarded, without anybody asking', async () => {
  const { sql } = database;
  const tenant = await newPartner(sql);
  const poolId = await newPool(sql, tenant, 10);
  const autoRefill = { amount: 500, floor: 100, monthlyCeiling: 500 };
  const change = { autoRefill, reprocessFailed: { actions: true } };
  await sql.begin((tx) => updatePool(tx, randomIds, tenant, publicId('pool', poolId), change, systemClock.now()));
  const queue = openQueue(database);
  const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane' }];
  const body = { idempotencyKey: 'waits', actionType: 'PURCHASE', amount: 50, currency: 'USD', stakeholders };
  const { result } = await queue.submit(submissionOf(tenant, 'api', body, randomIds));
  expect(result.kind).toBe('problem');
  const worker = start(deaf, 'sandbox', queue);
  await until(async () => {
    const [action] = await sql`select status from actions where partner_id = ${tenant.partnerId}`;
    return action?.status === 'COMPLETED';
  }, 'the action to be rewarded');
  await worker.stop();
  await queue.stop();
});
