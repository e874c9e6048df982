import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestLogDetail, RequestLogEntry } from '@sirgiving/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, startTestApp, type TestApp } from '../../test/app.ts';
import { systemClock } from '../platform/clock.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { RequestLog } from './log-requests.ts';
import { KEPT_REQUEST_DAYS, purgeRequests } from './purge-requests.ts';
import { Redaction } from './redact-request.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => api.close());

const idOf = (answer: Answer) => answer.headers['x-request-id'] ?? '';

/** What the log tells of an answer. */
async function logged(answer: Answer): Promise<RequestLogDetail> {
  await api.requestLog.flush();
  const entry = await api.signed('GET', `/v1/partner/requests/${idOf(answer)}`);
  expect(entry.status).toBe(200);
  return entry.body as unknown as RequestLogDetail;
}

const PERSON = {
  stakeholderTypeCode: 'CUSTOMER',
  partnerUserId: 'user-5512',
  userEmail: 'log-jane@example.com',
  userFirstName: 'Loggina',
  userLastName: 'Redactova',
};
const ACTION = {
  idempotencyKey: 'logged-1',
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [PERSON],
  metadata: { note: 'call +1-555-0100' },
};

test('an answered request is found by its X-Request-Id, with what was sent and without who it is about', async () => {
  const submitted = await api.signed('POST', '/v1/partner/actions/submit?x', { ...ACTION, phoneNumber: '+1-555-0199' });
  expect(submitted.status).toBe(400);
  const answer = await api.signed('POST', '/v1/partner/actions/submit', { ...ACTION, phoneNumber: '+1-555-0199' });
  expect(answer.status).toBe(200);
  const entry = await logged(answer);
  expect(entry).toMatchObject({
    id: idOf(answer),
    environment: 'sandbox',
    method: 'POST',
    path: '/v1/partner/actions/submit',
    route: '/v1/partner/actions/submit',
    status: 200,
    caller: 'apiKey',
    apiKeyId: publicId('key', api.keys.id),
    ip: '127.0.0.1',
    replayed: false,
    ignoredFields: ['/phoneNumber'],
    body: { idempotencyKey: 'logged-1', actionType: 'PURCHASE', amount: 49.99, currency: 'USD' },
  });
  expect(entry).not.toHaveProperty('error');
  const again = await api.signed('POST', '/v1/partner/actions/submit', ACTION);
  expect((await logged(again)).replayed).toBe(true);
});

test('a refusal is logged with its code, why, and what was sent', async () => {
  const refused = await api.signed('POST', '/v1/partner/users', { externalUserId: 7, email: 'log-jane@example.com' });
  const entry = await logged(refused);
  expect(entry).toMatchObject({ status: 400, code: 'INVALID_REQUEST', route: '/v1/partner/users' });
  expect(entry.error?.errors?.map(({ path }) => path)).toContain('/externalUserId');
  expect(Object.keys(entry.body as object).sort()).toEqual(['email', 'externalUserId']);
  const missing = await api.signed('GET', '/v1/partner/users/user-9931/balance?secretName=1');
  expect(await logged(missing)).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
});

test('nothing personal and no secret comes into the table', async () => {
  await api.signed('POST', '/v1/partner/users', { externalUserId: 'user-5513', email: 'log-joe@example.com' });
  await api.signed('PATCH', '/v1/partner/users/user-5513', { lastName: 'Redactova', metadata: { a: 'shoe-5513' } });
  await api.signed('GET', '/v1/partner/users?search=user-5513');
  const unknown = { ...ACTION, idempotencyKey: 'unknown-user', autoCreateUsers: false };
  const stakeholders = [{ ...PERSON, partnerUserId: 'user-5514' }];
  const refused = await api.signed('POST', '/v1/partner/actions/submit', { ...unknown, stakeholders });
  expect(refused.text).toContain('user-5514');
  await api.signed('POST', '/v1/partner/webhooks', {
    url: 'http://127.0.0.1:1/hook-token-5513',
    eventTypes: ['action.completed'],
    headers: { authorization: 'Bearer top-secret-5513' },
  });
  await api.requestLog.flush();
  const [all] = await api.sql<{ text: string }[]>`select string_agg(r::text, '') as text from request_log r`;
  expect(all?.text).toContain('PURCHASE');
  const cut = [
    'user-5513',
    'user-5514',
    'hook-token',
    'top-secret',
    'shoe-',
    'user-5512',
    'user-9931',
    'jane',
    'Loggina',
    'Redactova',
    '555-01',
    api.keys.secretKey,
    api.keys.hmacSecret,
  ];
  expect(cut.filter((text) => all?.text.includes(text))).toEqual([]);
});

test('the list filters, pages, and shows a partner its own requests only', async () => {
  const page = await api.signed('GET', '/v1/partner/requests?status=400&limit=2');
  const { data, pagination } = page.body as unknown as { data: RequestLogEntry[]; pagination: { nextCursor: string } };
  expect(data.map(({ status }) => status)).toEqual([400, 400]);
  const next = await api.signed('GET', `/v1/partner/requests?status=400&limit=2&cursor=${pagination.nextCursor}`);
  expect((next.body.data as RequestLogEntry[]).every(({ id }) => id < (data[1]?.id ?? ''))).toBe(true);
  const byKey = await api.signed('GET', `/v1/partner/requests?apiKeyId=${publicId('key', api.keys.id)}&method=PATCH`);
  expect(byKey.body.data).toHaveLength(1);
  const stranger = await api.newPartner();
  const others = await api.signed('GET', '/v1/partner/requests', undefined, { partner: stranger });
  expect(others.body.data).toEqual([]);
  const one = await api.signed('GET', `/v1/partner/requests/${data[0]?.id}`, undefined, { partner: stranger });
  expect(one.body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
});

test('requests that nobody proved are on nobody’s log', async () => {
  const forged = await api.signed('GET', '/v1/partner/users', undefined, {
    headers: { 'x-signature': '0'.repeat(64) },
  });
  expect(forged.status).toBe(401);
  await api.requestLog.flush();
  expect((await api.signed('GET', `/v1/partner/requests/${idOf(forged)}`)).status).toBe(404);
});

test('what comes faster than the log may write loses its body, then is dropped and counted; the next second has room again', async () => {
  const errors: unknown[] = [];
  const log = new RequestLog({ sql: api.sql, log: { error: (fields) => void errors.push(fields) } });
  const tenant = { partnerId: randomIds.uuid(), environment: 'sandbox' } as const;
  const caller = { kind: 'widget', tenant, apiKeyId: randomIds.uuid(), requestsPerMinute: 1_000 } as const;
  const request = {
    method: 'GET',
    target: '/v1/partner/config',
    rawBody: Buffer.from('{"amount":1}'),
    ip: '192.0.2.1',
  };
  const common = { caller, route: '/v1/partner/config', request, body: undefined, status: 200, error: undefined };
  const began = performance.now();
  const answer = (times: number) => {
    for (let n = 0; n < times; n++) {
      const answeredAt = systemClock.now();
      const about = { requestId: publicId('req', randomIds.uuid()), durationMilliseconds: 1, answeredAt };
      log.onAnswered({ ...common, ...about, replayed: false, ignoredFields: [] });
    }
  };
  answer(12_000);
  expect(performance.now() - began).toBeLessThan(2_000);
  const count = async () => {
    const [row] = await api.sql<{ count: number; ips: number; bodies: number }[]>`
      select count(*) as count, count(ip) as ips, count(body) as bodies from request_log where partner_id = ${tenant.partnerId}`;
    return row;
  };
  await log.flush();
  expect(await count()).toEqual({ count: 2_000, ips: 0, bodies: 500 });
  expect(log.dropped).toBe(10_000);
  expect(errors).toHaveLength(1);
  await sleep(1_100);
  answer(450);
  await log.stop();
  expect(await count()).toEqual({ count: 2_450, ips: 0, bodies: 950 });
});

test(`requests are kept for ${KEPT_REQUEST_DAYS} days`, async () => {
  const rows = () => api.sql`select id from request_log where environment = 'sandbox' limit 1`;
  const at = (days: number) => ({ now: () => new Date(systemClock.now().getTime() + days * 86_400_000) });
  expect(await purgeRequests(api.sql, at(KEPT_REQUEST_DAYS - 1), 'sandbox')).toBe(0);
  expect(await purgeRequests(api.sql, at(KEPT_REQUEST_DAYS + 1), 'production')).toBe(0);
  expect((await rows()).length).toBe(1);
  expect(await purgeRequests(api.sql, at(KEPT_REQUEST_DAYS + 1), 'sandbox')).toBeGreaterThan(2_450);
  expect(await rows()).toEqual([]);
});

test('equal values have equal markers in one process, and others in another', () => {
  const [one, other] = [new Redaction(), new Redaction()];
  const body = { email: 'a@b.c', nested: [{ token: 'x', tokens: 5, code: '123456' }], amount: 1 };
  expect(one.body(body)).toBe(one.body(body));
  expect(JSON.parse(one.body(body))).toMatchObject({ amount: 1, nested: [{ tokens: 5 }] });
  expect(one.marker('x')).not.toBe(other.marker('x'));
  expect(one.body(body)).not.toMatch(/a@b|123456/);
  expect(one.target('/v1/partner/users/jane?limit=5&search=jane', '/v1/partner/users/:externalId')).toMatch(
    /^\/v1\/partner\/users\/\[redacted \w{8}\]\?limit=5&search=\[redacted \w{8}\]$/,
  );
});
