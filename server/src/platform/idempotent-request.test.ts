import { setTimeout as sleep } from 'node:timers/promises';
import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, signedRequest, startTestApp, type TestApp } from '../../test/app.ts';
import type { Route } from '../route.ts';
import { endpoint, keyedEndpoint } from './endpoint.ts';
import { purgeIdempotentRequests } from './idempotent-request.ts';
import { problem } from './problem-json.ts';

const HOUR_MILLISECONDS = 3_600_000;
const START = Date.parse('2026-11-24T12:00:00.000Z');

let now = START;
const clock = { now: () => new Date(now) };
let t: TestApp;
/** How often the effect of each name was begun. */
const begun = new Map<string, number>();
let lookedUp = 0;
/** The effect of a name waits for its gate, if there is one. */
const gates = new Map<string, Promise<void>>();

const Thing = Type.Object({ name: Type.String(), note: Type.Optional(Type.String()) });
const Made = Type.Object({ name: Type.String(), secret: Type.Optional(Type.String()), after: Type.Integer() });

const make = keyedEndpoint(
  { summary: 'Make', body: Thing, status: 201, answer: Made, errors: [], shownOnce: ['secret'] },
  async (tx, { body, tenant }) => {
    const count = (begun.get(body.name) ?? 0) + 1;
    begun.set(body.name, count);
    await tx`insert into partner_slugs (slug, partner_id) values (${`${body.name}-${count}`}, ${tenant.partnerId})`;
    await gates.get(body.name);
    if (body.note === 'refuse the first' && count === 1) throw problem('LIMIT_REACHED', 'not this time');
    return { name: body.name, secret: `secret-of-${body.name}`, after: count };
  },
);
const change = keyedEndpoint(
  { summary: 'Change', body: Thing, params: Type.Object({ id: Type.String() }), status: 200, answer: Made, errors: [] },
  async (_tx, { body, params }) => {
    const name = `${body.name} of ${params.id}`;
    begun.set(name, (begun.get(name) ?? 0) + 1);
    return { name, after: begun.get(name) };
  },
);
const remove = keyedEndpoint(
  { summary: 'Remove', params: Type.Object({ id: Type.String() }), status: 204, errors: [] },
  async (_tx, { params }) => {
    const count = (begun.get(params.id) ?? 0) + 1;
    begun.set(params.id, count);
    if (count > 1) throw problem('NOT_FOUND', 'gone already');
  },
);
const lookUp = keyedEndpoint(
  { summary: 'Look up first', body: Thing, status: 201, answer: Made, errors: [] },
  async (_tx, { body }) => ({ name: body.name, after: 1 }),
  async () => {
    lookedUp++;
  },
);
const plain = endpoint({ summary: 'Read', status: 200, answer: Type.Object({}), errors: [] }, async () => ({}));

const table: Route[] = [
  ['POST', '/v1/partner/things', 'writes', make],
  ['POST', '/v1/partner/others', 'writes', make],
  ['PATCH', '/v1/partner/things/:id', 'writes', change],
  ['DELETE', '/v1/partner/things/:id', 'writes', remove],
  ['POST', '/v1/partner/looked-up', 'writes', lookUp],
  ['GET', '/v1/partner/things', 'reads', plain],
];

beforeAll(async () => {
  t = await startTestApp({ table, clock, config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

/** Each call is signed in a second of its own, so that no signature comes twice by accident. */
function post(path: string, body: unknown, key?: string): Promise<Answer> {
  now += 1_000;
  return t.signed('POST', path, body, { headers: key === undefined ? {} : { 'idempotency-key': key } });
}

function send(request: ReturnType<typeof signedRequest>, key?: string): Promise<Answer> {
  return t.request({
    ...request,
    headers: { ...request.headers, ...(key === undefined ? {} : { 'idempotency-key': key }) },
  });
}

function signedOnce(method: string, path: string, body?: unknown) {
  now += 1_000;
  return signedRequest({ clock, partner: t.partner, method, path, body });
}

describe('a retry with the same Idempotency-Key', () => {
  test('gets the first answer, secret included, and nothing runs', async () => {
    const first = await post('/v1/partner/things', { name: 'lamp' }, 'k1');
    expect(first).toMatchObject({ status: 201, body: { name: 'lamp', secret: 'secret-of-lamp', after: 1 } });
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    const again = await post('/v1/partner/things', { name: 'lamp' }, 'k1');
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.status).toBe(201);
    expect(again.text).toBe(first.text);
    expect(begun.get('lamp')).toBe(1);
  });

  test('is recognised by its JSON: other spaces and another order of keys do not matter, another value does', async () => {
    await post('/v1/partner/things', '{"name":"desk","note":"x"}', 'k2');
    const again = await post('/v1/partner/things', '{ "note": "x", "name": "desk" }', 'k2');
    expect(again.headers['idempotent-replayed']).toBe('true');
    const other = await post('/v1/partner/things', { name: 'desk', note: 'y' }, 'k2');
    expect(other).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    expect(begun.get('desk')).toBe(1);
  });

  test('of another route, another resource or another partner is not the same key', async () => {
    await post('/v1/partner/things', { name: 'chair' }, 'k3');
    await post('/v1/partner/others', { name: 'chair' }, 'k3');
    expect(begun.get('chair')).toBe(2);
    const key = { 'idempotency-key': 'k3' };
    await t.signed('PATCH', '/v1/partner/things/1', { name: 'chair' }, { headers: key });
    const otherResource = await t.signed('PATCH', '/v1/partner/things/2', { name: 'chair' }, { headers: key });
    expect(otherResource.body.code).toBe('IDEMPOTENCY_KEY_REUSED');
    const partner = await t.newPartner();
    const theirs = await t.signed('POST', '/v1/partner/things', { name: 'chair' }, { partner, headers: key });
    expect(theirs).toMatchObject({ status: 201, body: { after: 3 } });
  });

  test('after a refusal runs anew: only what succeeded is kept', async () => {
    const body = { name: 'shelf', note: 'refuse the first' };
    expect((await post('/v1/partner/things', body, 'k4')).status).toBe(409);
    const [left] = await t.sql`select 1 from partner_slugs where slug = 'shelf-1'`;
    expect(left).toBeUndefined();
    expect(await post('/v1/partner/things', body, 'k4')).toMatchObject({ status: 201, body: { after: 2 } });
  });

  test('looks nothing up on the network', async () => {
    await post('/v1/partner/looked-up', { name: 'a' }, 'k5');
    const again = await post('/v1/partner/looked-up', { name: 'a' }, 'k5');
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(lookedUp).toBe(1);
  });

  test.each(['', 'x'.repeat(256), 'käse', 'tab\there'])('of a malformed kind is 400: %j', async (key) => {
    expect(await post('/v1/partner/things', { name: 'never' }, key)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'Idempotency-Key' }] },
    });
  });
});

describe('a repeated signature', () => {
  test('serves as an idempotency key, and secrets are not shown again', async () => {
    const request = signedOnce('POST', '/v1/partner/things', { name: 'rug' });
    expect((await send(request)).body.secret).toBe('secret-of-rug');
    const again = await send(request);
    expect(again).toMatchObject({ status: 201, body: { name: 'rug', after: 1 } });
    expect(again.body).not.toHaveProperty('secret');
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(begun.get('rug')).toBe(1);
  });

  test('shows no secret under its Idempotency-Key either, since whoever copied the one has the other', async () => {
    const request = signedOnce('POST', '/v1/partner/things', { name: 'vase' });
    await send(request, 'k10');
    const again = await send(request, 'k10');
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).not.toHaveProperty('secret');
    const retry = signedOnce('POST', '/v1/partner/things', { name: 'vase' });
    expect((await send(retry, 'k10')).body.secret).toBe('secret-of-vase');
    expect((await send(retry, 'k10')).body).not.toHaveProperty('secret');
    expect(begun.get('vase')).toBe(1);
  });

  test('under another Idempotency-Key than the first time is 401 SIGNATURE_REUSED', async () => {
    const request = signedOnce('POST', '/v1/partner/things', { name: 'bowl' });
    await send(request, 'k11');
    expect(await send(request, 'k12')).toMatchObject({ status: 401, body: { code: 'SIGNATURE_REUSED' } });
    const retry = signedOnce('POST', '/v1/partner/things', { name: 'bowl' });
    await send(retry, 'k11');
    expect(await send(retry, 'k12')).toMatchObject({ status: 401, body: { code: 'SIGNATURE_REUSED' } });
    const unnamed = signedOnce('POST', '/v1/partner/things', { name: 'cup' });
    await send(unnamed);
    expect(await send(unnamed, 'k13')).toMatchObject({ status: 401, body: { code: 'SIGNATURE_REUSED' } });
    expect(begun.get('bowl')).toBe(1);
  });

  test('holds for PATCH and for DELETE, whose answer is empty', async () => {
    const patch = signedOnce('PATCH', '/v1/partner/things/7', { name: 'x' });
    expect((await send(patch)).body.after).toBe(1);
    expect((await send(patch)).body.after).toBe(1);
    const request = signedOnce('DELETE', '/v1/partner/things/door');
    expect(await send(request)).toMatchObject({ status: 204, text: '' });
    const again = await send(request);
    expect(again).toMatchObject({ status: 204, text: '' });
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect((await t.signed('DELETE', '/v1/partner/things/door', undefined, { timestamp: now / 1000 + 1 })).status).toBe(
      404,
    );
  });

  test('of a read says nothing: it is answered anew', async () => {
    const request = signedOnce('GET', '/v1/partner/things');
    await send(request);
    expect((await send(request)).headers['idempotent-replayed']).toBeUndefined();
  });

  test('is remembered as long as its timestamp is accepted', async () => {
    const request = signedOnce('POST', '/v1/partner/things', { name: 'late' });
    await send(request);
    const sent = now;
    now = sent + 300_000;
    await purgeIdempotentRequests(t.sql, clock, 'sandbox');
    expect((await send(request)).headers['idempotent-replayed']).toBe('true');
    now = sent + 301_000;
    expect((await send(request)).body.code).toBe('TIMESTAMP_OUT_OF_RANGE');
  });
});

describe('the same request at once', () => {
  test('waits for the first and gets its answer', async () => {
    let open = () => {};
    gates.set('twin', new Promise((resolve) => (open = resolve)));
    const first = post('/v1/partner/things', { name: 'twin' }, 'k20');
    const second = post('/v1/partner/things', { name: 'twin' }, 'k20');
    await sleep(200);
    open();
    const [a, b] = await Promise.all([first, second]);
    expect([a.status, b.status]).toEqual([201, 201]);
    expect(a.text).toBe(b.text);
    expect([a, b].filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(1);
    expect(begun.get('twin')).toBe(1);
  });

  test('is 409 with Retry-After when the first has not ended after 2 s', async () => {
    let open = () => {};
    gates.set('slow', new Promise((resolve) => (open = resolve)));
    const first = post('/v1/partner/things', { name: 'slow' }, 'k21');
    await sleep(100);
    const begunAt = performance.now();
    const second = await post('/v1/partner/things', { name: 'slow' }, 'k21');
    expect(second).toMatchObject({ status: 409, body: { code: 'REQUEST_IN_PROGRESS', retryable: true } });
    expect(second.headers['retry-after']).toBe('1');
    expect(performance.now() - begunAt).toBeLessThan(3_000);
    open();
    expect((await first).status).toBe(201);
    expect(begun.get('slow')).toBe(1);
  });

  test('runs when the first fails', async () => {
    let open = () => {};
    gates.set('fall', new Promise((resolve) => (open = resolve)));
    const body = { name: 'fall', note: 'refuse the first' };
    const both = Promise.all([post('/v1/partner/things', body, 'k22'), post('/v1/partner/things', body, 'k22')]);
    await sleep(200);
    open();
    expect((await both).map(({ status }) => status).sort()).toEqual([201, 409]);
  });
});

describe('a kept answer', () => {
  test('holds its secret sealed, and loses it after 24 h', async () => {
    await post('/v1/partner/things', { name: 'safe' }, 'k30');
    const read = () => t.sql`
      select answer::text as answer, secrets_encrypted as secrets from idempotent_requests where idempotency_key = 'k30'`;
    const [row] = await read();
    expect(row?.answer).toBe('{"name":"safe","secret":null,"after":1}');
    expect(Buffer.from(row?.secrets).includes('secret-of-safe')).toBe(false);
    now += 24 * HOUR_MILLISECONDS;
    const late = await post('/v1/partner/things', { name: 'safe' }, 'k30');
    expect(late.headers['idempotent-replayed']).toBe('true');
    expect(late.body).toEqual({ name: 'safe', after: 1 });
    await purgeIdempotentRequests(t.sql, clock, 'sandbox');
    expect((await read())[0]?.secrets).toBeNull();
  });

  test('is there for 30 days, and then the key is new', async () => {
    await post('/v1/partner/things', { name: 'old' }, 'k31');
    now += 30 * 24 * HOUR_MILLISECONDS - 10_000;
    await purgeIdempotentRequests(t.sql, clock, 'sandbox');
    expect((await post('/v1/partner/things', { name: 'old' }, 'k31')).headers['idempotent-replayed']).toBe('true');
    now += 10_000;
    expect(await purgeIdempotentRequests(t.sql, clock, 'sandbox')).toBeGreaterThan(0);
    expect((await post('/v1/partner/things', { name: 'old' }, 'k31')).body.after).toBe(2);
  });
});
