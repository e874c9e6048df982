import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, startTestApp, type TestApp } from '../../test/app.ts';
import { startReceiver } from '../../test/webhook-receiver.ts';
import { webhookMachinery } from '../../test/webhook-setup.ts';
import { rowId } from '../platform/ids.ts';

let app: TestApp;
const BASE = '/v1/partner/webhooks';
const URL = 'http://127.0.0.1:9/hook';

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

async function create(body: object, partner = app.partner): Promise<Answer> {
  return app.signed('POST', BASE, { url: URL, eventTypes: ['action.completed'], ...body }, { partner });
}

describe('registering', () => {
  test('answers as documented, and shows the secret once', async () => {
    const documented = { description: 'Orders', eventTypes: ['action.completed'], receiveAllEvents: false };
    const { status, body } = await create({ ...documented, headers: { 'X-Token': 'of-the-partner' } });
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...documented, url: URL, isActive: true, headerNames: ['X-Token'] });
    expect(body.id).toMatch(/^whk_/);
    expect(body.secret).toMatch(/^whsec_[0-9a-f]{64}$/);
    const read = await app.signed('GET', `${BASE}/${body.id}`);
    const { secret, ...rest } = body;
    expect(read.body).toEqual(rest);
    const list = await app.signed('GET', BASE);
    expect(list.text).not.toContain(String(secret));
    expect(list.text).not.toContain('of-the-partner');
  });

  test('secret and headers lie sealed in the database', async () => {
    const { body } = await create({ headers: { Authorization: 'Bearer top-secret' } });
    const [row] = await app.sql<{ text: string }[]>`
      select e::text || encode(e.secret_encrypted, 'escape') || encode(e.headers_encrypted, 'escape') as text
      from webhook_endpoints e where id = ${rowId('whk', String(body.id)) ?? ''}`;
    expect(row?.text).not.toContain('top-secret');
    expect(row?.text).not.toContain('whsec_');
  });

  test('unknown fields are named and ignored, since existing clients must go on working', async () => {
    const { status, headers } = await create({ colour: 'red' });
    expect(status).toBe(201);
    expect(headers['x-sir-ignored-fields']).toBe('/colour');
  });

  test.each([
    ['no types at all', { eventTypes: [] }],
    ['an unknown type', { eventTypes: ['action.exploded'] }],
    ['a type twice', { eventTypes: ['action.completed', 'action.completed'] }],
    ['Host', { headers: { Host: 'elsewhere.example' } }],
    ['Content-Length', { headers: { 'content-length': '3' } }],
    ['Content-Type', { headers: { 'Content-Type': 'text/plain' } }],
    ['User-Agent', { headers: { 'user-agent': 'me' } }],
    ['Connection', { headers: { CONNECTION: 'close' } }],
    ['Transfer-Encoding', { headers: { 'Transfer-Encoding': 'chunked' } }],
    ['our signature', { headers: { 'X-SIR-Signature': 'sha256=00' } }],
    ['the standard signature', { headers: { 'Webhook-Signature': 'v1,00' } }],
    ['one header in two spellings', { headers: { 'X-A': '1', 'x-a': '2' } }],
    ['a header of two lines', { headers: { 'X-A': 'one\r\nX-B: two' } }],
    ['a header name with a space', { headers: { 'X A': 'one' } }],
    ['no url', { url: undefined }],
  ])('400 for %s', async (_what, body) => {
    const answer = await create(body);
    expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_REQUEST']);
  });

  test.each([
    ['http://receiver.example/hook', 'scheme'],
    ['https://10.0.0.1/hook', 'address_literal'],
    ['https://[::ffff:169.254.169.254]/', 'address_literal'],
    ['https://2130706433/', undefined],
    ['https://receiver.example:8080/', 'port'],
    ['https://user:password@receiver.example/', 'user_info'],
    ['https://metadata.google.internal/', 'local_name'],
    ['ftp://receiver.example/', 'scheme'],
    ['not a url', 'invalid_url'],
  ])('422 with a reason for %s', async (url, reason) => {
    const answer = await create({ url });
    if (reason === undefined) {
      // A laptop may use loopback, however it is spelled.
      expect(answer.status).toBe(201);
      return;
    }
    expect([answer.status, answer.body.code, answer.body.reason]).toEqual([422, 'DESTINATION_NOT_ALLOWED', reason]);
  });

  test('the same request again is answered with the same webhook, and a copied one without the secret', async () => {
    const headers = { 'Idempotency-Key': 'webhook-1' };
    const body = { url: URL, receiveAllEvents: true };
    const first = await app.signed('POST', BASE, body, { headers });
    const again = await app.signed('POST', BASE, body, {
      headers,
      timestamp: Math.floor(Date.parse(String(first.body.createdAt)) / 1_000) - 30,
    });
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  test('twenty are enough, also when many come at once; deleting one makes room', async () => {
    const partner = await app.newPartner();
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, port) => create({ url: `http://127.0.0.1:${9 + port}` }, partner)),
    );
    // The very first ones find no row to wait for, so it is from the second on that they are counted one by one.
    const made = answers.filter((answer) => answer.status === 201);
    expect(made).toHaveLength(20);
    expect(answers.filter((answer) => answer.body.code === 'LIMIT_REACHED')).toHaveLength(5);
    await app.signed('DELETE', `${BASE}/${made[0]?.body.id}`, undefined, { partner });
    expect((await create({}, partner)).status).toBe(201);
  });
});

describe('reading and deleting', () => {
  test('another partner’s webhook and its deliveries are not there', async () => {
    const { body } = await create({});
    const partner = await app.newPartner();
    for (const path of [`${BASE}/${body.id}`, `${BASE}/${body.id}/deliveries`]) {
      expect((await app.signed('GET', path, undefined, { partner })).status).toBe(404);
    }
    expect((await app.signed('DELETE', `${BASE}/${body.id}`, undefined, { partner })).status).toBe(404);
    expect((await app.signed('POST', `${BASE}/${body.id}/test`, undefined, { partner })).status).toBe(404);
    expect((await app.signed('GET', `${BASE}/${body.id}`)).status).toBe(200);
  });

  test('lists are paged, newest first', async () => {
    const partner = await app.newPartner();
    const ids: unknown[] = [];
    for (let made = 0; made < 5; made++) {
      // Told apart by something: an equal request of the same second has the same signature and is a retry.
      ids.unshift((await create({ description: `number ${made}` }, partner)).body.id);
    }
    const read = async (query: string) => {
      const answer = await app.signed('GET', `${BASE}?${query}`, undefined, { partner });
      return answer.body;
    };
    type List = { data: { id: string }[]; pagination: { nextCursor: string; hasMore: boolean; total?: number } };
    const first = (await read('limit=2')) as unknown as List;
    const second = (await read(`limit=2&cursor=${first.pagination.nextCursor}`)) as unknown as List;
    const third = (await read(`limit=2&cursor=${second.pagination.nextCursor}`)) as unknown as List;
    expect([...first.data, ...second.data, ...third.data].map((one) => one.id)).toEqual(ids);
    expect(third.pagination.hasMore).toBe(false);
    expect((await read('limit=2&page=3')) as unknown as List).toMatchObject({
      data: [{ id: ids[4] }],
      pagination: { total: 5 },
    });
    expect((await read('createdAfter=2999-01-01T00:00:00.000Z')) as unknown as List).toMatchObject({ data: [] });
  });

  test('a deleted webhook is gone, its history is not', async () => {
    const receiver = await startReceiver();
    const partner = await app.newPartner({ poolTokens: 0 });
    const { body } = await create({ url: receiver.url, receiveAllEvents: true }, partner);
    await app.signed('POST', '/v1/partner/users', { externalUserId: 'someone' }, { partner });
    const machinery = webhookMachinery(app.sql, { secretBox: app.secretBox });
    await machinery.deliverAll();
    await app.signed('POST', '/v1/partner/users', { externalUserId: 'someone-else' }, { partner });
    await machinery.fanOut();
    expect((await app.signed('DELETE', `${BASE}/${body.id}`, undefined, { partner })).status).toBe(204);
    await machinery.deliverAll();
    await receiver.close();
    expect(receiver.received.map((one) => one.event.type)).toEqual(['user.created']);
    expect((await app.signed('GET', `${BASE}/${body.id}`, undefined, { partner })).status).toBe(404);
    const timestamp = Math.floor(Date.parse(String(body.createdAt)) / 1_000) - 30;
    const again = await app.signed('DELETE', `${BASE}/${body.id}`, undefined, { partner, timestamp });
    expect(again.status).toBe(404);
    const history = await app.signed('GET', `${BASE}/${body.id}/deliveries`, undefined, { partner });
    expect(history.body.data).toMatchObject([
      { sequence: 2, status: 'CANCELED', attempts: 0 },
      { sequence: 1, status: 'SUCCEEDED', attempts: 1 },
    ]);
  });
});

test('a test event is delivered, whatever types were asked for, without a sequence', async () => {
  const receiver = await startReceiver();
  const { body } = await create({ url: receiver.url });
  const asked = await app.signed('POST', `${BASE}/${body.id}/test`);
  expect(asked.status).toBe(201);
  await webhookMachinery(app.sql, { secretBox: app.secretBox }).deliverAll();
  await receiver.close();
  const [one] = receiver.received;
  expect(one?.event).toMatchObject({ id: asked.body.eventId, type: 'webhook.test', data: { webhookId: body.id } });
  expect(one?.event).not.toHaveProperty('sequence');
  const delivery = await app.signed('GET', `${BASE}/deliveries/${asked.body.deliveryId}`);
  expect(delivery.body).toMatchObject({
    id: asked.body.deliveryId,
    webhookId: body.id,
    eventType: 'webhook.test',
    status: 'SUCCEEDED',
    attemptLog: [{ attempt: 1, outcome: 'DELIVERED', responseStatus: 204 }],
  });
  expect(delivery.body).not.toHaveProperty('sequence');
});

test('a paused webhook refuses a test', async () => {
  const { body } = await create({});
  await app.sql`update webhook_endpoints set status = 'PAUSED' where id = ${rowId('whk', String(body.id)) ?? ''}`;
  expect((await app.signed('GET', `${BASE}/${body.id}`)).body.isActive).toBe(false);
  const answer = await app.signed('POST', `${BASE}/${body.id}/test`);
  expect([answer.status, answer.body.code]).toEqual([409, 'WEBHOOK_PAUSED']);
});

test('afterSequence fills a gap in ascending order, page by page', async () => {
  const partner = await app.newPartner({ poolTokens: 0 });
  const { body } = await create({ receiveAllEvents: true }, partner);
  for (let user = 0; user < 7; user++) {
    await app.signed('POST', '/v1/partner/users', { externalUserId: `user-${user}` }, { partner });
  }
  await webhookMachinery(app.sql, { secretBox: app.secretBox }).fanOut();
  const read = async (query: string) => {
    const answer = await app.signed('GET', `${BASE}/${body.id}/deliveries?${query}`, undefined, { partner });
    const { data, pagination } = answer.body as unknown as {
      data: { sequence: number }[];
      pagination: { nextCursor: string | null };
    };
    return { sequences: data.map((one) => one.sequence), next: pagination.nextCursor };
  };
  const first = await read('afterSequence=2&limit=3');
  expect(first.sequences).toEqual([3, 4, 5]);
  const second = await read(`afterSequence=2&limit=3&cursor=${first.next}`);
  expect(second).toEqual({ sequences: [6, 7], next: null });
  expect((await read('status=PENDING&limit=2')).sequences).toEqual([7, 6]);
  expect((await read('status=SUCCEEDED')).sequences).toEqual([]);
});
