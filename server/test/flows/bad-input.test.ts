import type { ErrorCode } from '@sirgiving/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_BODY_LIMIT_BYTES } from '../../src/platform/http-server.ts';
import type { TestApp, TestPartner } from '../app.ts';
import { startTestApp } from '../app.ts';
import {
  type BadBody,
  bodiesOfOtherTypes,
  bodiesWithBadText,
  bodiesWithDuplicateKeys,
  bodiesWithWrongMembers,
  bodiesWithWrongNumbers,
  deepBodies,
  goodText,
  MEMBERS_OF_EVERY_OBJECT,
  malformedBodies,
  withMember,
} from '../fuzz/bad-bodies.ts';
import {
  type Existing,
  goodRequest,
  idPrefix,
  makeExisting,
  partsOf,
  type SchemaParts,
} from '../fuzz/good-requests.ts';
import { type Attempt, attemptOf, type BadRequest, expectRefusals, takesKeys } from '../fuzz/refusals.ts';
import { tableContents } from '../fuzz/table-contents.ts';

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

/** The routes that are tried here. */
const routes = () => t.table.filter(takesKeys);
const writes = ({ good }: Attempt) => good.method !== 'GET';
const takesBody = ({ good }: Attempt) => good.body !== undefined;

/** Bad bodies of every write, or of those that take one. */
const withBodies =
  (bodiesOf: (attempt: Attempt) => BadBody[], applies = writes) =>
  (attempt: Attempt): BadRequest[] =>
    applies(attempt)
      ? bodiesOf(attempt).map(({ body, ...bad }) => ({ ...bad, send: () => attempt.signed({ body }) }))
      : [];

test('every route has a good request to begin with: these tests cover a new one by themselves', async () => {
  const partner = await t.newPartner();
  const existing = await makeExisting(t, partner);
  const attempts = routes().map((route) => attemptOf(t, partner, existing, route));
  attempts.sort((a, b) => Number(a.good.method === 'DELETE') - Number(b.good.method === 'DELETE'));
  for (const { good, signed } of attempts) {
    const { status, text } = await signed();
    expect(status, `${good.method} ${good.path} answered ${text}`).toBe(good.route[3].status);
  }
});

test('the look at the tables sees a row that is written, and one that is changed', async () => {
  const before = await tableContents(t.sql);
  await t.signed('POST', '/v1/partner/users', { externalUserId: 'seen' });
  const created = await tableContents(t.sql);
  expect(created.partner_users?.rows).toBe((before.partner_users?.rows ?? 0) + 1);
  await t.signed('PATCH', '/v1/partner/users/seen', { firstName: 'Jane' });
  expect((await tableContents(t.sql)).partner_users?.digest).not.toBe(created.partner_users?.digest);
});

describe('a body', () => {
  test('that is malformed is refused', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => malformedBodies(goodText(good))),
    ));

  test('that is empty, or only white space, is refused where one is needed', () =>
    expectRefusals(
      t,
      withBodies(() => ['', ' ', '\r\n\t'].map((body) => ({ name: 'empty', body, code: 'INVALID_JSON' })), takesBody),
    ));

  test('with a key twice is refused, also with equal values', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => bodiesWithDuplicateKeys(goodText(good))),
    ));

  test('nested too deep is refused, and no depth makes the server fall over', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => deepBodies(goodText(good))),
    ));

  test('with NUL, half of a surrogate pair, a byte order mark or bytes that are not UTF-8 is refused', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => bodiesWithBadText(goodText(good))),
    ));

  test('that is no object is refused', () => expectRefusals(t, withBodies(bodiesOfOtherTypes)));

  test('with a member missing or of another type is refused, and the member is named', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => bodiesWithWrongMembers(good), takesBody),
    ));

  test('with a number as text, out of its range, too exact or inexact is refused, and its place is named', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => bodiesWithWrongNumbers(good), takesBody),
    ));

  test('with an unknown member is refused by endpoints of ours, also one that every object has', () =>
    expectRefusals(
      t,
      withBodies(
        ({ good }) =>
          ['unknown', ...MEMBERS_OF_EVERY_OBJECT].map((name) => ({
            name: `the member ${name}`,
            body: withMember(goodText(good), `"${name}":{"polluted":true}`),
            code: 'INVALID_REQUEST',
            path: `/${name}`,
          })),
        (attempt) => writes(attempt) && attempt.good.route[3].ignoresUnknownFields !== true,
      ),
    ));

  test('over the limit is refused: a byte too many as well as 2 MiB', () =>
    expectRefusals(
      t,
      withBodies(({ good }) => {
        const limit = good.route[3].bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
        return [limit + 1, 2 * 1024 * 1024].map((length) => ({
          name: `${length} bytes`,
          body: goodText(good).padEnd(length),
          code: 'BODY_TOO_LARGE',
        }));
      }),
    ));

  test('of a GET is refused', () =>
    expectRefusals(t, ({ good, signed }) =>
      good.method === 'GET'
        ? ['{}', '{', 'x'].map((body) => ({ name: body, code: 'INVALID_REQUEST', send: () => signed({ body }) }))
        : [],
    ));
});

describe('a body that looks odd and is right', () => {
  const good = async (path: string) => {
    const partner = await t.newPartner();
    const route = t.table.find(([method, pattern]) => `${method} ${pattern}` === path);
    if (route === undefined) throw new Error(`there is no ${path}`);
    return attemptOf(t, partner, await makeExisting(t, partner), route);
  };
  const documented = () =>
    routes()
      .filter(([, , , endpoint]) => endpoint.ignoresUnknownFields === true && endpoint.body !== undefined)
      .map(([method, path]) => `${method} ${path}`);

  test('may be as long as the limit and 32 levels deep', async () => {
    for (const path of documented()) {
      const { good: request, signed } = await good(path);
      const deep = withMember(goodText(request), `"deep":${'['.repeat(31)}1${']'.repeat(31)}`);
      const { status, text } = await signed({ body: deep.padEnd(DEFAULT_BODY_LIMIT_BYTES) });
      expect(status, `${path} answered ${text}`).toBe(request.route[3].status);
    }
  });

  test('keeps its unknown members out of everything, and has them named', async () => {
    for (const path of documented()) {
      const { good: request, signed } = await good(path);
      const members = MEMBERS_OF_EVERY_OBJECT.map((name) => `"${name}":{"polluted":true}`).join(',');
      const { status, headers, text } = await signed({ body: withMember(goodText(request), members) });
      expect(status, `${path} answered ${text}`).toBe(request.route[3].status);
      expect(headers['x-sir-ignored-fields']?.split(',').sort()).toEqual(
        MEMBERS_OF_EVERY_OBJECT.map((name) => `/${name}`).sort(),
      );
      expect(text).not.toContain('polluted');
    }
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('keeps metadata under any name as what it is: data', async () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":1,"":true}'.replace(',"":true', ''));
    const { body } = await t.signed('POST', '/v1/partner/users', { externalUserId: '__proto__', metadata });
    expect(Object.entries(body.metadata as object).sort()).toEqual(Object.entries(metadata).sort());
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: '__proto__' }];
    const action = { idempotencyKey: '__proto__', actionType: 'PURCHASE', amount: 2, currency: 'USD', stakeholders };
    expect((await t.signed('POST', '/v1/partner/actions/submit', { ...action, metadata })).status).toBe(200);
    expect((await t.signed('GET', '/v1/partner/users/__proto__/balance')).body.available).toBe(2);
    const { body: listed } = await t.signed('GET', '/v1/partner/actions?idempotencyKey=__proto__');
    const [kept] = listed.data as { metadata: object }[];
    expect(Object.entries(kept?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
  });
});

describe('an item of a batch', () => {
  const SUBMIT = '/v1/partner/actions/submit';
  const BATCH = '/v1/partner/actions/batch';
  const wrapped = (text: string, mode: string) => `{"mode":"${mode}","actions":[${text}]}`;

  test('is judged as by submit: what is wrong with it is its own result, and nothing is written', async () => {
    const partner = await t.newPartner();
    const route = t.table.find(([, path]) => path === SUBMIT);
    if (route === undefined) throw new Error('there is no submit');
    const good = goodRequest(route, await makeExisting(t, partner));
    const bodies = [...bodiesOfOtherTypes(), ...bodiesWithWrongMembers(good), ...bodiesWithWrongNumbers(good)];
    const before = await tableContents(t.sql);
    for (const { name, body, code, path } of bodies) {
      const independent = await t.signed('POST', BATCH, wrapped(String(body), 'independent'), { partner });
      const atomic = await t.signed('POST', BATCH, wrapped(String(body), 'atomic'), { partner });
      if (code === 'INVALID_JSON') {
        expect([independent.body.code, atomic.body.code], name).toEqual([code, code]);
        continue;
      }
      const [result] = independent.body.results as Record<string, unknown>[];
      expect(result, name).toMatchObject({ status: 'REJECTED', error: { status: 400, code } });
      const { errors } = (result as { error: { errors: { path: string }[] } }).error;
      expect(
        errors.map((one) => one.path),
        name,
      ).toContain(path);
      expect(atomic, name).toMatchObject({ status: 422, body: { code: 'BATCH_REJECTED' } });
    }
    expect(await tableContents(t.sql)).toEqual(before);
    const { body } = await t.signed('POST', BATCH, wrapped(goodText(good), 'atomic'), { partner });
    expect(body.summary).toMatchObject({ completed: 1 });
  });
});

describe('a content type', () => {
  const TYPES = [
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/octet-stream',
    'application/xml',
    'application/problem+json',
    'application/vnd.api+json',
    'application/jsonp',
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
    'application/json; charset=',
    'application/json; boundary=x',
    'application/json, application/json',
    'json',
    ';',
  ];

  test('that is not JSON in UTF-8 is refused, and so is a compressed body', () =>
    expectRefusals(t, (attempt) => {
      if (!writes(attempt)) return [];
      const body = goodText(attempt.good);
      const sending = (name: string, headers: Record<string, string>): BadRequest => ({
        name,
        code: 'UNSUPPORTED_MEDIA_TYPE',
        send: () => attempt.signed({ body, headers }),
      });
      return [
        ...TYPES.map((type) => sending(type, { 'content-type': type })),
        ...['gzip', 'br', 'deflate', 'GZIP, identity'].map((coding) => sending(coding, { 'content-encoding': coding })),
      ];
    }));
});

test('a method that a path does not have is refused, and those that it has are told', async () => {
  const partner = await t.newPartner();
  const existing = await makeExisting(t, partner);
  const paths = new Map(routes().map((route) => [goodRequest(route, existing).path, goodRequest(route, existing)]));
  const before = await tableContents(t.sql);
  for (const path of paths.keys()) {
    const own = t.table.filter(([, pattern]) => fits(pattern, path)).map(([method]) => method);
    const allowed = [...own, ...(own.includes('GET') ? ['HEAD'] : [])];
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
      if (allowed.includes(method)) continue;
      for (const answer of [await t.request({ method: method as 'GET', url: path }), await t.signed(method, path)]) {
        expect(answer.status, `${method} ${path}`).toBe(405);
        expect(answer.headers.allow, `${method} ${path}`).toBe([...new Set(allowed)].sort().join(', '));
        if (method !== 'HEAD') expect(answer.body.code).toBe('METHOD_NOT_ALLOWED');
      }
    }
  }
  expect(await tableContents(t.sql)).toEqual(before);
});

function fits(pattern: string, path: string): boolean {
  return new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/]+')}$`).test(path);
}

describe('an id', () => {
  const hasParams = ({ good }: Attempt) => good.route[3].params !== undefined;

  /** The same things of one partner, moved into the partner's production data. */
  async function moveToProduction({ partnerId }: TestPartner): Promise<void> {
    // No allocation stands in production without a request.
    await t.sql`update ledger_transactions set request_id = id where partner_id = ${partnerId} and kind = 'ALLOCATION'`;
    for (const table of [
      'partner_users',
      'actions',
      'token_pools',
      'ledger_transactions',
      'webhook_endpoints',
      'webhook_deliveries',
      'request_log',
    ]) {
      await t.sql`update ${t.sql(table)} set environment = 'production' where partner_id = ${partnerId}`;
    }
  }

  /** Good requests of a partner that lead to other things than its own. */
  const leadingTo =
    (name: string, things: Existing) =>
    (attempt: Attempt): BadRequest[] =>
      hasParams(attempt)
        ? [
            {
              name,
              code: 'NOT_FOUND',
              send: () => attempt.signed({ path: goodRequest(attempt.good.route, things).path }),
            },
          ]
        : [];

  test('of another partner is as one that does not exist', async () => {
    const stranger = await t.newPartner();
    const theirs = { ...(await makeExisting(t, stranger)), externalId: 'stranger' };
    await t.signed('POST', '/v1/partner/users', { externalUserId: 'stranger' }, { partner: stranger });
    await expectRefusals(t, leadingTo('another partner’s', theirs));
  });

  test('of the other environment is as one that does not exist', async () => {
    const partner = await t.newPartner();
    const things = await makeExisting(t, partner);
    await moveToProduction(partner);
    const before = await tableContents(t.sql);
    for (const route of routes().filter(([, , , endpoint]) => endpoint.params !== undefined)) {
      const { good, signed } = attemptOf(t, partner, things, route);
      expect((await signed()).body, `${good.method} ${good.path}`).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    }
    expect(await tableContents(t.sql)).toEqual(before);
  });

  test('of another kind, in other letters, too large or malformed leads nowhere', () =>
    expectRefusals(t, (attempt) => {
      const { existing, good } = attempt;
      const [name = ''] = Object.keys(partsOf(good.route[3].params).properties ?? {});
      const prefix = idPrefix(good.route[3], name);
      if (!hasParams(attempt) || prefix === undefined) return [];
      const own = existing[prefix] ?? '';
      const others = Object.values(existing).filter((id) => id !== own);
      const malformed = [
        own.toUpperCase(),
        own.slice(0, -1),
        `${own}0`,
        own.replace('_', ''),
        own.replace(`${prefix}_`, ''),
        own.replace(`${prefix}_`, `${prefix}__`),
        `${prefix}_8${'z'.repeat(25)}`,
        `${prefix}_${'u'.repeat(26)}`,
        `${prefix}_00000000000000000000000000`,
        `${own}%00`,
        `${own}%0A`,
        `%20${own}`,
        `${own}'`,
        '%F0%9F%99%82',
        '__proto__',
        'x'.repeat(3_000),
      ];
      return [...others, ...malformed].map((id) => ({
        name: id.slice(0, 60),
        code: 'NOT_FOUND',
        send: () => attempt.signed({ path: good.path.replace(own, id) }),
      }));
    }));

  test('of another partner finds nothing as a filter, and no list holds what is not the partner’s', async () => {
    const stranger = await makeExisting(t, await t.newPartner());
    const partner = await t.newPartner();
    const theirs = Object.values(stranger).filter((id) => id.includes('_0'));
    const lists = routes().filter(([method, , , { query }]) => method === 'GET' && partsOf(query).properties?.limit);
    const existing = await makeExisting(t, partner);
    for (const route of lists) {
      const { good, signed } = attemptOf(t, partner, existing, route);
      const { text } = await signed({ path: `${good.path}?limit=100` });
      for (const id of theirs) expect(text, good.path).not.toContain(id);
      for (const [name, schema] of Object.entries(partsOf(route[3].query).properties ?? {})) {
        const id = stranger[/^\^([a-z]+)_\[/.exec(schema.pattern ?? '')?.[1] ?? ''];
        if (id === undefined) continue;
        expect((await signed({ path: `${good.path}?${name}=${id}` })).body.data, `${good.path} ${name}`).toEqual([]);
      }
    }
    expect(lists.length).toBeGreaterThan(5);
  });
});

describe('a query string', () => {
  const querying = (
    attempt: Attempt,
    query: string,
    bad: Pick<BadRequest, 'path'> & { code?: ErrorCode },
  ): BadRequest => ({
    code: 'INVALID_REQUEST',
    ...bad,
    name: query,
    send: () => attempt.signed({ path: `${attempt.good.path}?${query}` }),
  });

  test('with an unknown parameter, one given twice, or what is no percent-encoded text is refused everywhere', () =>
    expectRefusals(t, (attempt) => [
      querying(attempt, 'unknown=1', { path: 'unknown' }),
      querying(attempt, '__proto__=1', { path: '__proto__' }),
      querying(attempt, 'constructor[prototype]=1', { path: 'constructor[prototype]' }),
      querying(attempt, 'limit=1&limit=1', {}),
      querying(attempt, 'a=%zz', {}),
      querying(attempt, 'a=%ff', {}),
      querying(attempt, 'a=%00', {}),
      querying(attempt, '=', { path: '' }),
    ]));

  test('with a value that does not fit is refused, and the parameter is named', () =>
    expectRefusals(t, (attempt) =>
      Object.entries(partsOf(attempt.good.route[3].query).properties ?? {}).flatMap(([name, schema]) =>
        wrongQueryValues(schema).map((value) => querying(attempt, `${name}=${value}`, { path: name })),
      ),
    ));

  test('with a cursor that is none, or together with a page, is refused', () =>
    expectRefusals(t, (attempt) => {
      if (partsOf(attempt.good.route[3].query).properties?.cursor === undefined) return [];
      const cursor = Buffer.from('01936000-0000-7000-8000-000000000000').toString('base64url');
      const cursors = ['x', '%20', '..', `${cursor}00`, cursor.slice(4), cursor.toUpperCase(), attempt.existing.act];
      return [
        ...cursors.map((one) => querying(attempt, `cursor=${one}`, { code: 'INVALID_CURSOR' })),
        querying(attempt, `cursor=${cursor}&page=1`, { path: 'page' }),
      ];
    }));
});

const inOtherLetters = (word: string) => (word === word.toLowerCase() ? word.toUpperCase() : word.toLowerCase());

function wrongQueryValues({ type, format, pattern, enum: values, minimum, maximum, maxLength }: SchemaParts): string[] {
  if (values !== undefined) return ['nonsense', '', inOtherLetters(String(values[0]))];
  if (format === 'date-time')
    return ['', 'now', '2026-02-30T00:00:00Z', '2026-01-01', '2026-01-01T00:00:00', '0', '1e3'];
  if (type === 'integer') {
    const outside = [minimum === undefined ? [] : minimum - 1, maximum === undefined ? [] : maximum + 1].flat();
    return ['', 'x', '1.5', '1e400', '-1e400', 'NaN', 'null', 'true', '9007199254740993', ...outside.map(String)];
  }
  const tooLong = maxLength === undefined ? [] : ['x'.repeat(maxLength + 1)];
  return [...(pattern === undefined ? [] : ['%01', 'a%0Ab', '%7F']), ...tooLong];
}

test('an Idempotency-Key that is empty, too long or not printable is refused by every write that takes one', () =>
  expectRefusals(t, ({ good, signed }) =>
    good.route[3].kind === 'keyed'
      ? ['', 'x'.repeat(256), 'a\tb', 'ü', 'a\u007f'].map((key) => ({
          name: `the key ${key}`,
          code: 'INVALID_REQUEST',
          path: 'Idempotency-Key',
          send: () => signed({ headers: { 'idempotency-key': key } }),
        }))
      : [],
  ));

test('no body keeps the server busy for longer than its length justifies', async () => {
  const filled = (length: number, part: (index: number) => string) =>
    Array.from({ length: Math.floor(length / (part(10_000).length + 1)) }, (_, index) => part(index)).join(',');
  const stakeholders = (text: string) => `{"idempotencyKey":"a","actionType":"PURCHASE","stakeholders":[${text}]}`;
  const batch = (item: string) => `{"mode":"independent","actions":[${item}]}`;
  const MEBIBYTE = 1024 * 1024 - 200;
  const bodies: [path: string, body: string][] = [
    ['users', `{"externalUserId":"a","email":"a@${'a.'.repeat(31_000)}"}`],
    ['users', `{"externalUserId":"a","metadata":{${filled(60_000, (index) => `"k${index}":null`)}}}`],
    ['webhooks', `{"url":"x","eventTypes":[${filled(60_000, (index) => `"${index.toString(36)}"`)}]}`],
    ['webhooks', `{"url":"x","eventTypes":[${filled(60_000, (index) => `[${index}]`)}]}`],
    ['actions/submit', `{"amount":1.${'0'.repeat(60_000)}1}`],
    ['actions/batch', batch(`{"amount":1.${'0'.repeat(MEBIBYTE)}1}`)],
    ['actions/batch', batch(`"${'\\n'.repeat(MEBIBYTE / 2)}"`)],
    ['actions/batch', batch(stakeholders(filled(MEBIBYTE, () => '1')))],
    ['actions/batch', batch(`{"metadata":{${filled(MEBIBYTE, (index) => `"k${index}":[]`)}}}`)],
    ['actions/batch', batch(Array.from({ length: 1_000 }, () => stakeholders(filled(900, () => '{}'))).join(','))],
  ];
  for (const [path, body] of bodies) {
    const startedAt = performance.now();
    await t.signed('POST', `/v1/partner/${path}`, body);
    // Some 100 ms on a quiet machine; what grew with the square of the length took seconds to minutes.
    expect(performance.now() - startedAt, body.slice(0, 80)).toBeLessThan(3_000);
  }
});
