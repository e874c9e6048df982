import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Corruption, dropConstraints, expectNamed } from '../../../test/properties/corruption.ts';
import { type Book, openQueue, writeBook } from '../../../test/properties/healthy-book.ts';
import { newUser } from '../../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/test-database.ts';
import { registerWebhook, webhookMachinery } from '../../../test/webhook-setup.ts';
import { systemClock } from '../../platform/clock.ts';
import type { Sql } from '../../platform/db.ts';
import { randomIds } from '../../platform/ids.ts';
import { deleteWebhook } from '../../webhooks/delete-webhook.ts';
import { sendTestEvent } from '../../webhooks/send-test-event.ts';
import { verifyLedger } from './verify-ledger.ts';

const firstOf = (sql: Sql, { partnerId }: Book, type: string) => sql`
  select id from events where partner_id = ${partnerId} and type = ${type} order by position limit 1`;

/** Appends an event as the code would, but one that it would not write. */
const append = async (sql: Sql, { partnerId, environment }: Book, type: string, data: string) => {
  await sql`
    insert into events (partner_id, id, environment, position, type, data, created_at)
    select ${partnerId}, ${randomIds.uuid()}, ${environment}, position + 1, ${type}, ${data}::text::json, ${systemClock.now()}
    from event_counters where partner_id = ${partnerId} and environment = ${environment}`;
  await sql`
    update event_counters set position = position + 1 where partner_id = ${partnerId} and environment = ${environment}`;
};

const ofEvents: readonly Omit<Corruption, 'breaks'>[] = [
  {
    what: 'an event is lost',
    plant: (sql, book) => sql`
      delete from events where partner_id = ${book.partnerId} and id in (${firstOf(sql, book, 'transaction.completed')})`,
  },
  {
    what: 'the last event is lost',
    plant: (sql, { partnerId, environment }) => sql`
      delete from events where partner_id = ${partnerId} and environment = ${environment}
        and position = (select position from event_counters where partner_id = ${partnerId} and environment = ${environment})`,
  },
  {
    what: 'the counter is ahead of the events',
    plant: (sql, { partnerId }) =>
      sql`update event_counters set position = position + 1 where partner_id = ${partnerId}`,
  },
  {
    what: 'two events have one position',
    plant: (sql, { partnerId, environment }) => sql`
      update events set position = 3 where partner_id = ${partnerId} and environment = ${environment} and position = 4`,
  },
  {
    what: 'an event tells of an action that there is not',
    plant: (sql, book) => sql`
      update events set data = '{"actionId": "act_00000000000000000000000000"}'
      where partner_id = ${book.partnerId} and id in (${firstOf(sql, book, 'action.completed')})`,
  },
  {
    what: 'an event tells of nothing',
    plant: (sql, book) => sql`
      update events set data = '{}' where partner_id = ${book.partnerId} and id in (${firstOf(sql, book, 'user.created')})`,
  },
  {
    what: 'a redemption was told twice',
    plant: async (sql, book) => {
      const [event] = await sql`
        select data::text as text from events where partner_id = ${book.partnerId} and type = 'reward.redeemed' limit 1`;
      await append(sql, book, 'reward.redeemed', event?.text);
    },
  },
  {
    what: 'a completed action was told to have failed',
    plant: async (sql, book) => {
      const [event] = await sql`
        select data::text as text from events where partner_id = ${book.partnerId} and type = 'action.completed' limit 1`;
      await append(sql, book, 'action.failed', event?.text);
    },
  },
  {
    what: 'of two reversals of an action one was told twice and the other never',
    plant: (sql, book) => sql`
      update events set data = jsonb_set(data::jsonb, '{reversedTokens}', '21')::json
      where partner_id = ${book.partnerId} and type = 'action.reversed' and data->>'reversedTokens' = '11'`,
  },
];

const ofDeliveries: readonly Omit<Corruption, 'breaks'>[] = [
  {
    what: 'a delivery is lost',
    plant: (sql, { partnerId }) => sql`delete from webhook_deliveries where partner_id = ${partnerId} and sequence = 2`,
  },
  {
    what: 'the last delivery is lost and its number forgotten',
    plant: async (sql, { partnerId, endpointId }) => {
      await sql`
        delete from webhook_deliveries d using webhook_endpoints e
        where d.partner_id = ${partnerId} and e.partner_id = ${partnerId} and e.id = d.endpoint_id and d.sequence = e.sequence`;
      await sql`update webhook_endpoints set sequence = sequence - 1 where partner_id = ${partnerId} and id = ${endpointId}`;
    },
  },
  {
    what: 'an endpoint is ahead of its deliveries',
    plant: (sql, { partnerId }) =>
      sql`update webhook_endpoints set sequence = sequence + 1 where partner_id = ${partnerId}`,
  },
  {
    what: 'two deliveries are in the wrong order',
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries d set event_id = o.event_id from webhook_deliveries o
      where d.partner_id = ${partnerId} and o.partner_id = ${partnerId} and d.sequence in (2, 3) and o.sequence = 5 - d.sequence`,
  },
  {
    what: 'an event has two deliveries for one endpoint',
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries d set event_id = o.event_id from webhook_deliveries o
      where d.partner_id = ${partnerId} and o.partner_id = ${partnerId} and d.sequence = 2 and o.sequence = 3`,
  },
  {
    what: 'a delivery waits for no time',
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries set next_attempt_at = null where partner_id = ${partnerId} and sequence = 2`,
  },
  {
    what: 'a delivery was left by its worker and taken by no other',
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries set leased_until = updated_at - interval '2 hours', next_attempt_at = updated_at - interval '2 hours'
      where partner_id = ${partnerId} and sequence = 2`,
  },
  {
    what: 'an event was delivered before its turn',
    plant: (sql, { partnerId }) =>
      sql`update fan_out_cursors set position = position - 1 where partner_id = ${partnerId}`,
  },
  {
    what: 'the fan-out passed over events to come',
    plant: (sql, { partnerId }) =>
      sql`update fan_out_cursors set position = position + 1 where partner_id = ${partnerId}`,
  },
  {
    what: 'a test event has no delivery',
    plant: (sql, book) => append(sql, book, 'webhook.test', '{}'),
  },
  {
    what: 'a delivery has no number',
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries d set sequence = null from webhook_endpoints e
      where d.partner_id = ${partnerId} and e.partner_id = ${partnerId} and e.id = d.endpoint_id and d.sequence = e.sequence`,
  },
];

const ofEnvironments: readonly Corruption[] = [
  {
    breaks: 'I11',
    what: 'a delivery is of the other environment',
    also: ['I9'],
    plant: (sql, { partnerId }) => sql`
      update webhook_deliveries set environment = 'production' where partner_id = ${partnerId} and sequence = 2`,
  },
  {
    breaks: 'I11',
    what: 'an action was told to the other environment',
    also: ['I9'],
    plant: (sql, book) => sql`
      update events set environment = 'production', position = 1000
      where partner_id = ${book.partnerId} and id in (${firstOf(sql, book, 'action.completed')})`,
  },
];

const corruptions: readonly Corruption[] = [
  ...[...ofEvents, ...ofDeliveries].map((corruption): Corruption => ({ breaks: 'I9', ...corruption })),
  ...ofEnvironments,
];

let database: TestDatabase;
const books: Book[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const queue = openQueue(database);
  books.push(...(await Promise.all(corruptions.map(() => writeBook(database, queue)))));
  await queue.stop();
  await webhookMachinery(database.sql).fanOut();
  await dropConstraints(database.sql, [
    ['events', 'events_partner_id_environment_position_key'],
    ['webhook_deliveries', 'webhook_deliveries_partner_id_event_id_endpoint_id_key'],
  ]);
});
afterAll(() => database.drop());

test('endpoints that come late, are tested, paused or deleted, and events not yet fanned out, are no fault', async () => {
  const { sql } = database;
  const queue = openQueue(database);
  const { partnerId, environment, endpointId } = await writeBook(database, queue);
  await queue.stop();
  const tenant = { partnerId, environment };
  const late = await registerWebhook(sql, partnerId, 'https://hooks.example.org/late', {
    receiveAllEvents: false,
    eventTypes: ['action.failed'],
  });
  const now = systemClock.now();
  await sql.begin((tx) => sendTestEvent(tx, randomIds, tenant, late.id, now));
  await webhookMachinery(sql).fanOut();
  await sql.begin((tx) => deleteWebhook(tx, tenant, late.id, now));
  await sql`update webhook_endpoints set status = 'PAUSED' where partner_id = ${partnerId} and id = ${endpointId}`;
  await newUser(sql, tenant, 'after the fan-out');
  expect((await verifyLedger(sql, { partnerId })).findings).toEqual([]);
});

describe('the verifier names', () => {
  test.each(corruptions)('$breaks: $what', async (corruption) => {
    const book = books.pop();
    if (book === undefined) throw new Error('not enough books');
    await expectNamed(database.sql, book, corruption);
  });
});
