import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signedRequest, startTestApp, type TestApp } from '../../test/app.ts';
import type { Route } from '../route.ts';
import { systemClock } from './clock.ts';
import { endpoint } from './endpoint.ts';

const Echo = Type.Object({ text: Type.Optional(Type.String()) });
const Any = Type.Object({}, { additionalProperties: true });

let release = () => {};
const echo = endpoint({ summary: 'Echo', body: Echo, status: 200, answer: Any, errors: [] }, async ({ body }) => body);
const big = endpoint(
  { summary: 'Echo a lot', body: Echo, status: 200, answer: Any, errors: [], bodyLimitBytes: 1024 * 1024 },
  async ({ body }) => ({ length: body.text?.length }),
);
const read = endpoint(
  { summary: 'Read', params: Type.Object({ id: Type.String({ minLength: 1 }) }), status: 200, answer: Any, errors: [] },
  async ({ params }) => ({ id: params.id }),
);
const remove = endpoint(
  { summary: 'Remove', params: Type.Object({ id: Type.String() }), status: 204, errors: [] },
  async () => undefined,
);
const wait = endpoint({ summary: 'Wait', status: 200, answer: Any, errors: [] }, async () => {
  await new Promise<void>((resolve) => (release = resolve));
  return { waited: true };
});
const open = endpoint({ summary: 'Public', status: 200, answer: Any, errors: [] }, async () => ({ open: true }));

const table: Route[] = [
  ['POST', '/v1/partner/echo', 'reads', echo],
  ['POST', '/v1/partner/big', 'reads', big],
  ['GET', '/v1/partner/things/:id', 'reads', read],
  ['DELETE', '/v1/partner/things/:id', 'writes', remove],
  ['GET', '/v1/partner/wait', 'reads', wait],
  ['GET', '/open', 'anyone', open],
];

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp({ table, config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

describe('a request’s content', () => {
  const withType = (type: string | undefined, body: unknown = { text: 'a' }) => {
    const signed = signedRequest({
      clock: systemClock,
      partner: t.partner,
      method: 'POST',
      path: '/v1/partner/echo',
      body,
    });
    const { 'content-type': _, ...headers } = signed.headers as Record<string, string>;
    return t.request({ ...signed, headers: type === undefined ? headers : { ...headers, 'content-type': type } });
  };

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'Application/JSON',
  ])('is JSON in UTF-8: %s', async (type) => {
    expect((await withType(type)).body).toEqual({ text: 'a' });
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=utf-16',
    'application/json; version=1',
    'application/jsonp',
    'application/merge-patch+json',
    'nonsense',
    undefined,
  ])('of another type is 415: %s', async (type) => {
    expect(await withType(type)).toMatchObject({ status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE' } });
  });

  test('that is compressed is 415', async () => {
    const answer = await t.signed(
      'POST',
      '/v1/partner/echo',
      { text: 'a' },
      { headers: { 'content-encoding': 'gzip' } },
    );
    expect(answer.status).toBe(415);
  });

  test('over 64 kB is 413, up to 1 MiB where the endpoint says so', async () => {
    const text = (length: number) => ({ text: 'x'.repeat(length) });
    expect((await t.signed('POST', '/v1/partner/echo', text(65_000))).status).toBe(200);
    const refused = await t.signed('POST', '/v1/partner/echo', text(65_536));
    expect(refused).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } });
    expect((await t.signed('POST', '/v1/partner/big', text(1_000_000))).body).toEqual({ length: 1_000_000 });
    expect((await t.signed('POST', '/v1/partner/big', text(1_048_576))).status).toBe(413);
  });

  test('is judged after the signature: wrong JSON that is wrongly signed is 401', async () => {
    const signed = signedRequest({
      clock: systemClock,
      partner: t.partner,
      method: 'POST',
      path: '/v1/partner/echo',
      body: '{',
    });
    expect((await t.request(signed)).body.code).toBe('INVALID_JSON');
    expect((await t.request({ ...signed, payload: '{ ' })).body.code).toBe('INVALID_SIGNATURE');
  });

  test('of a GET is refused, of a DELETE may be empty under any JSON type', async () => {
    const get = await t.signed('GET', '/v1/partner/things/1', '{}');
    expect(get).toMatchObject({ status: 400, body: { detail: 'A GET request has no body.' } });
    const headers = { 'content-type': 'application/json' };
    expect((await t.signed('GET', '/v1/partner/things/1', undefined, { headers })).status).toBe(200);
    expect((await t.signed('DELETE', '/v1/partner/things/1', undefined, { headers })).status).toBe(204);
    expect((await t.signed('DELETE', '/v1/partner/things/1')).status).toBe(204);
    expect((await t.signed('DELETE', '/v1/partner/things/1', { a: 1 })).body.errors).toEqual([
      { path: '/a', message: 'is not a known field' },
    ]);
  });
});

describe('a path', () => {
  test('keeps an encoded slash inside its part', async () => {
    expect((await t.signed('GET', '/v1/partner/things/team%2F42')).body).toEqual({ id: 'team/42' });
    expect((await t.signed('GET', `/v1/partner/things/${encodeURIComponent('ü%/?#&=')}`)).body).toEqual({
      id: 'ü%/?#&=',
    });
  });

  test('may be as long as the longest id is when it is percent-encoded', async () => {
    const id = '🙂'.repeat(255);
    expect((await t.signed('GET', `/v1/partner/things/${encodeURIComponent(id)}`)).body).toEqual({ id });
  });

  test.each(['%zz', '%', '%ff'])('that is not percent-encoded UTF-8 is 400: %s', async (part) => {
    expect(await t.request({ url: `/v1/partner/things/${part}` })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_REQUEST' },
    });
  });

  test.each(['/', '/v1', '/v1/partner/nothing', '/v1/partner/things/1/', '/V1/partner/echo', '//open'])(
    'that does not exist is 404: %s',
    async (url) => {
      expect(await t.request({ url })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
      expect(
        (await t.request({ method: 'POST', url, payload: 'x', headers: { 'content-type': 'text/x' } })).status,
      ).toBe(404);
    },
  );

  test('that ends before the id is 404 for whoever may read', async () => {
    expect((await t.signed('GET', '/v1/partner/things/')).status).toBe(404);
  });

  test.each([
    ['PUT', '/v1/partner/things/1', 'DELETE, GET, HEAD'],
    ['POST', '/v1/partner/things/1', 'DELETE, GET, HEAD'],
    ['GET', '/v1/partner/echo', 'POST'],
    ['HEAD', '/v1/partner/echo', 'POST'],
    ['OPTIONS', '/v1/partner/echo', 'POST'],
    ['TRACE', '/open?x=1', 'GET, HEAD'],
  ] as const)('with another method is 405 and says which there are: %s %s', async (method, url, allow) => {
    const answer = await t.request({ method: method as 'PUT', url, headers: { 'content-type': 'text/x' } });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    if (method !== 'HEAD') expect(answer.body.code).toBe('METHOD_NOT_ALLOWED');
  });

  test('that can be read answers HEAD like GET, without the body and under the same authentication', async () => {
    const answer = await t.signed('HEAD', '/v1/partner/things/1');
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers['content-length']).toBe(String('{"id":"1"}'.length));
    expect((await t.request({ method: 'HEAD', url: '/v1/partner/things/1' })).status).toBe(401);
    expect((await t.request({ method: 'HEAD', url: '/open' })).status).toBe(200);
  });
});

test('every answer has an id of ours, never the client’s', async () => {
  const ids = new Set<string | undefined>();
  for (const url of ['/open', '/nothing', '/v1/partner/%zz', '/v1/partner/things/1']) {
    const answer = await t.request({ url, headers: { 'x-request-id': 'mine' } });
    expect(answer.headers['x-request-id']).toMatch(/^req_[0-7][0-9a-z]{25}$/);
    if (answer.status >= 400) expect(answer.body.requestId).toBe(answer.headers['x-request-id']);
    ids.add(answer.headers['x-request-id']);
  }
  expect(ids.size).toBe(4);
});

test('answers are not to be kept by caches, and no origin may read them', async () => {
  const answer = await t.signed('GET', '/v1/partner/things/1', undefined, { key: 'publishable' });
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
});

describe('on a bare connection', () => {
  let port: number;
  beforeAll(async () => {
    port = Number(new URL(await t.app.listen({ host: '127.0.0.1', port: 0 })).port);
  });

  const dialogue = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let received = '';
      socket.on('data', (chunk) => (received += chunk)).on('error', reject);
      socket.on('end', () => resolve(received));
    });

  test.each([
    ['what is not HTTP', 'hello\r\n\r\n', 'This is not an HTTP request.'],
    [
      'headers over 16 kB',
      `GET /open HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      'The headers are longer than 16 kB.',
    ],
    [
      'two lengths of one body',
      'POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'This is not an HTTP request.',
    ],
  ])('%s is answered with a problem, and the connection ends', async (_name, text, detail) => {
    const received = await dialogue(text);
    expect(received).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(received).toMatch(/\r\nx-request-id: req_/);
    expect(received).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/);
    expect(JSON.parse(received.slice(received.indexOf('\r\n\r\n')))).toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
      detail,
    });
  });

  test.each(['http://other.example/open', '*', '/open#fragment'])(
    'a strange request target is no 5xx: %s',
    async (target) => {
      const received = await dialogue(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect(received).toMatch(/^HTTP\/1.1 (200|400|404) /);
      expect(received).toContain('x-request-id: req_');
    },
  );

  test('a request without a Host is a problem, one with an unknown expectation is answered', async () => {
    const received = await dialogue('GET /open HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect(received).toMatch(/^HTTP\/1.1 400 /);
    expect(received).toContain('"detail":"The Host header is missing."');
    const expecting = 'GET /open HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nConnection: close\r\n\r\n';
    expect(await dialogue(expecting)).toMatch(/^HTTP\/1.1 200 [\s\S]*x-request-id: req_/);
  });

  test('a body that was announced for a GET is not taken for the next request', async () => {
    const smuggled = 'GET /open HTTP/1.1\r\nHost: a\r\n\r\n';
    const received = await dialogue(
      `GET /v1/partner/things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    expect(received.match(/HTTP\/1.1 /g)).toHaveLength(1);
    expect(received).toMatch(/^HTTP\/1.1 400 [\s\S]*connection: close/);
  });

  test('a body in chunks over the limit ends at the limit with 413', async () => {
    const head =
      'POST /v1/partner/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    const received = await dialogue(`${head}${chunk.repeat(4)}0\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1.1 413 /);
    expect(received).toContain('"code":"BODY_TOO_LARGE"');
  });

  test('stopping ends requests under way in peace, refuses new ones with 503, and closes kept connections', async () => {
    const other = await startTestApp({ table, config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
    const otherPort = Number(new URL(await other.app.listen({ host: '127.0.0.1', port: 0 })).port);
    const busy = talk(otherPort);
    const idle = talk(otherPort);
    idle.send('/open');
    await idle.until('"open":true');
    busy.send('/v1/partner/wait');
    await sleep(100);
    // The second request of the busy connection comes while the server stops.
    const closed = other.close();
    await sleep(50);
    busy.send('/open');
    await idle.ended;
    release();
    await closed;
    await busy.ended;
    const [first = '', second = ''] = busy.received().split(/(?=HTTP\/1\.1 )/);
    expect(first).toMatch(/^HTTP\/1.1 200 /);
    expect(first.toLowerCase()).toContain('connection: close');
    expect(first).toContain('{"waited":true}');
    expect(second === '' || second.startsWith('HTTP/1.1 503 ')).toBe(true);
  });

  test('a request that comes while the server stops is 503 with Retry-After, and says to close', async () => {
    const other = await startTestApp({ table, config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
    const otherPort = Number(new URL(await other.app.listen({ host: '127.0.0.1', port: 0 })).port);
    const busy = talk(otherPort);
    const late = talk(otherPort);
    busy.send('/v1/partner/wait');
    // Begun before the end, complete only after it.
    late.write('GET /open HTTP/1.1\r\n');
    await sleep(100);
    const closed = other.close();
    await sleep(50);
    late.write('Host: a\r\n\r\n');
    await late.ended;
    release();
    await closed;
    expect(late.received()).toMatch(/^HTTP\/1.1 503 /);
    expect(late.received().toLowerCase()).toContain('retry-after: 1');
    expect(late.received().toLowerCase()).toContain('connection: close');
    expect(late.received()).toContain('"code":"UNAVAILABLE"');
  });

  function talk(toPort: number) {
    let received = '';
    const socket: Socket = connect(toPort, '127.0.0.1');
    socket.on('data', (chunk) => (received += chunk));
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()).on('error', () => resolve()));
    return {
      ended,
      received: () => received,
      write: (text: string) => socket.write(text),
      send: (path: string) => {
        const { headers } = signedRequest({
          clock: systemClock,
          partner: t.partner,
          method: 'GET',
          path,
          body: undefined,
        });
        const lines = Object.entries(headers as Record<string, string>).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${lines.join('')}\r\n`);
      },
      until: async (text: string) => {
        while (!received.includes(text)) await sleep(10);
      },
    };
  }
});
