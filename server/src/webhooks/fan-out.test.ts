import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { collectingLog, emitEvents, registerWebhook, seedPartner, webhookMachinery } from '../../test/webhook-setup.ts';
import { systemClock } from '../platform/clock.ts';
import { randomIds } from '../platform/ids.ts';
import { deleteWebhook } from './delete-webhook.ts';
import { sendTestEvent } from './send-test-event.ts';

let database: TestDatabase;
const URL = 'https://receiver.example/hook';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

interface Row {
  event_id: string;
  sequence: number | null;
  position: number;
}

async function deliveriesOf(partnerId: string, endpointId: string): Promise<Row[]> {
  const rows = await database.sql<Row[]>`
    select d.event_id, d.sequence, v.position
    from webhook_deliveries d join events v on v.partner_id = d.partner_id and v.id = d.event_id
    where d.partner_id = ${partnerId} and d.endpoint_id = ${endpointId}
    order by d.sequence`;
  return [...rows];
}

async function cursorOf(partnerId: string): Promise<number | undefined> {
  const [row] = await database.sql<{ position: number }[]>`
    select position from fan_out_cursors where partner_id = ${partnerId} and environment = 'sandbox'`;
  return row?.position;
}

test('three fan-outs at once, while events go on: one delivery per event and endpoint, numbered without a gap', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const all = await registerWebhook(sql, partnerId, URL);
  const some = await registerWebhook(sql, partnerId, URL, { receiveAllEvents: false, eventTypes: ['user.created'] });
  const { log, lines } = collectingLog();
  const workers = [1, 2, 3].map(() => webhookMachinery(sql, { log }));
  const written: string[] = [];
  const writer = async () => {
    for (let round = 0; round < 12; round++) {
      written.push(
        ...(await emitEvents(sql, partnerId, 60)),
        ...(await emitEvents(sql, partnerId, 3, { type: 'user.created' })),
      );
    }
  };
  const writing = Promise.all([writer(), writer()]);
  let isWriting = true;
  const fanningOut = workers.map(async (worker) => {
    while (isWriting) await worker.fanOut();
  });
  await writing;
  isWriting = false;
  await Promise.all(fanningOut);
  await workers[0]?.fanOut();

  const everything = await deliveriesOf(partnerId, all.endpointId);
  expect(everything.map((row) => row.event_id).toSorted()).toEqual(written.toSorted());
  expect(everything.map((row) => row.sequence)).toEqual(written.map((_, index) => index + 1));
  expect(everything.map((row) => row.position)).toEqual(written.map((_, index) => index + 1));
  const users = await deliveriesOf(partnerId, some.endpointId);
  expect(users.map((row) => row.sequence)).toEqual(Array.from({ length: 72 }, (_, index) => index + 1));
  expect(await cursorOf(partnerId)).toBe(written.length);
  expect(lines).toEqual([]);
});

test('a backlog longer than one step is worked off, and the order of positions is kept across steps', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const webhook = await registerWebhook(sql, partnerId, URL);
  const ids = await emitEvents(sql, partnerId, 1_203);
  const touched = await webhookMachinery(sql).fanOut();
  expect(touched).toEqual([{ partnerId, endpointId: webhook.endpointId }]);
  expect((await deliveriesOf(partnerId, webhook.endpointId)).map((row) => row.event_id)).toEqual(ids);
});

test('a partner without webhooks: the cursor follows, and a webhook registered later starts with what comes then', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  await emitEvents(sql, partnerId, 1_700);
  const machinery = webhookMachinery(sql);
  expect(await machinery.fanOut()).toEqual([]);
  await machinery.passUnheard();
  expect(await cursorOf(partnerId)).toBe(1_700);
  await emitEvents(sql, partnerId, 3);
  const webhook = await registerWebhook(sql, partnerId, URL);
  const [id] = await emitEvents(sql, partnerId, 1);
  await Promise.all([machinery.fanOut(), machinery.passUnheard()]);
  expect(await deliveriesOf(partnerId, webhook.endpointId)).toEqual([{ event_id: id, sequence: 1, position: 1_704 }]);
  const second = await registerWebhook(sql, partnerId, URL);
  const [next] = await emitEvents(sql, partnerId, 1);
  await machinery.fanOut();
  expect((await deliveriesOf(partnerId, webhook.endpointId)).map((row) => row.event_id)).toEqual([id, next]);
  expect((await deliveriesOf(partnerId, second.endpointId)).map((row) => row.event_id)).toEqual([next]);
});

test('many partners without webhooks are passed at once, by several workers, and one with a webhook is not', async () => {
  const { sql } = database;
  const partners = await Promise.all(Array.from({ length: 20 }, () => seedPartner(sql)));
  const [heard = ''] = partners;
  const webhook = await registerWebhook(sql, heard, URL);
  const workers = [1, 2, 3].map(() => webhookMachinery(sql));
  for (let round = 0; round < 3; round++) {
    await Promise.all(partners.map((partnerId) => emitEvents(sql, partnerId, 5)));
    await Promise.all(workers.flatMap((worker) => [worker.fanOut(), worker.passUnheard()]));
  }
  await Promise.all([workers[0]?.fanOut(), workers[0]?.passUnheard()]);
  const cursors = await Promise.all(partners.map(cursorOf));
  expect(cursors).toEqual(partners.map(() => 15));
  expect((await deliveriesOf(heard, webhook.endpointId)).map((row) => row.sequence)).toHaveLength(15);
});

test('a missing position stops the partner there with an alarm, and hurts no other', async () => {
  const { sql } = database;
  const [broken, healthy] = [await seedPartner(sql), await seedPartner(sql)];
  const webhook = await registerWebhook(sql, broken, URL);
  const other = await registerWebhook(sql, healthy, URL);
  const ids = await emitEvents(sql, broken, 5);
  await emitEvents(sql, healthy, 5);
  await sql`delete from events where partner_id = ${broken} and id = ${ids[2] ?? ''}`;
  const { log, lines } = collectingLog();
  const machinery = webhookMachinery(sql, { log });
  await machinery.fanOut();
  await machinery.fanOut();
  expect((await deliveriesOf(broken, webhook.endpointId)).map((row) => row.sequence)).toEqual([1, 2]);
  expect(await cursorOf(broken)).toBe(2);
  expect(await deliveriesOf(healthy, other.endpointId)).toHaveLength(5);
  expect(lines).toContainEqual(expect.objectContaining({ alarm: true, position: 3, partnerId: broken }));
});

test('a paused webhook keeps its queue, a deleted one gets nothing more', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const paused = await registerWebhook(sql, partnerId, URL);
  const deleted = await registerWebhook(sql, partnerId, URL);
  const machinery = webhookMachinery(sql);
  await emitEvents(sql, partnerId, 2);
  await machinery.fanOut();
  await sql`update webhook_endpoints set status = 'PAUSED' where partner_id = ${partnerId} and id = ${paused.endpointId}`;
  await sql.begin(async (tx) =>
    deleteWebhook(tx, { partnerId, environment: 'sandbox' }, deleted.id, systemClock.now()),
  );
  await emitEvents(sql, partnerId, 3);
  await machinery.fanOut();
  expect(await deliveriesOf(partnerId, paused.endpointId)).toHaveLength(5);
  const left = await sql<{ status: string }[]>`
    select status from webhook_deliveries where partner_id = ${partnerId} and endpoint_id = ${deleted.endpointId}`;
  expect(left.map((row) => row.status)).toEqual(['CANCELED', 'CANCELED']);
});

test('events of the other environment are not touched', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const production = await registerWebhook(sql, partnerId, URL, { environment: 'production' });
  const sandbox = await registerWebhook(sql, partnerId, URL);
  await emitEvents(sql, partnerId, 4, { environment: 'production' });
  await emitEvents(sql, partnerId, 2);
  await webhookMachinery(sql).fanOut();
  expect(await deliveriesOf(partnerId, production.endpointId)).toEqual([]);
  expect(await deliveriesOf(partnerId, sandbox.endpointId)).toHaveLength(2);
  await webhookMachinery(sql, { environment: 'production' }).fanOut();
  expect(await deliveriesOf(partnerId, production.endpointId)).toHaveLength(4);
  expect(await deliveriesOf(partnerId, sandbox.endpointId)).toHaveLength(2);
});

test('a test event goes to its endpoint alone, takes no number and wakes it', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const [tested, other] = [await registerWebhook(sql, partnerId, URL), await registerWebhook(sql, partnerId, URL)];
  const tenant = { partnerId, environment: 'sandbox' as const };
  await sql.begin(async (tx) => {
    await sendTestEvent(tx, randomIds, tenant, tested.id, systemClock.now());
  });
  const machinery = webhookMachinery(sql);
  expect(await machinery.fanOut()).toEqual([{ partnerId, endpointId: tested.endpointId }]);
  await emitEvents(sql, partnerId, 1);
  await machinery.fanOut();
  expect((await deliveriesOf(partnerId, tested.endpointId)).map((row) => row.sequence)).toEqual([1, null]);
  expect((await deliveriesOf(partnerId, other.endpointId)).map((row) => row.sequence)).toEqual([1]);
});

test('a second delivery of an event to the same endpoint is refused by the database', async () => {
  const { sql } = database;
  const partnerId = await seedPartner(sql);
  const webhook = await registerWebhook(sql, partnerId, URL);
  await emitEvents(sql, partnerId, 1);
  await webhookMachinery(sql).fanOut();
  const again = sql`
    insert into webhook_deliveries (partner_id, id, environment, endpoint_id, event_id, sequence, status, created_at, updated_at)
    select partner_id, ${randomUUID()}, environment, endpoint_id, event_id, 99, 'PENDING', created_at, updated_at
    from webhook_deliveries where partner_id = ${partnerId} and endpoint_id = ${webhook.endpointId}`;
  await expect(again).rejects.toMatchObject({ code: '23505' });
});
