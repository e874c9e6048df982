import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createGuardedHttp, type GuardedRequest, guardedFetch, isAllowedHeader } from './guarded-fetch.ts';

const http = createGuardedHttp();
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});
afterAll(() => http.close());

interface Listening {
  readonly port: number;
  readonly sockets: Socket[];
}

/** Starts a server on loopback that lives as long as one test, and keeps the sockets that connected to it. */
async function listen(server: Server): Promise<Listening> {
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {
      // The other side is expected to hang up rudely in many of these tests.
    });
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

const raw = (onSocket: (socket: Socket) => void): Promise<Listening> => listen(createServer(onSocket));
const web = (handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> =>
  listen(createHttpServer(handler));

function send(port: number, change: Partial<GuardedRequest> = {}, door = http) {
  const url = `http://127.0.0.1:${port}/hook?a=1`;
  return door.fetch({ url, method: 'POST', body: '{"a":1}', allowInsecureLoopback: true, ...change });
}

/** Waits for a server-side socket to be closed by us, at most two seconds. */
async function closed(server: Listening): Promise<void> {
  for (let waited = 0; waited < 2_000; waited += 10) {
    if (server.sockets.length > 0 && server.sockets.every((socket) => socket.destroyed)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect.fail('the connection is still open');
}

describe('an ordinary exchange', () => {
  test('sends method, path, headers and body, and gives back status, headers and the beginning of the body', async () => {
    const seen: unknown[] = [];
    const { port } = await web(async (request, response) => {
      const chunks = await request.setEncoding('utf8').toArray();
      seen.push(request.method, request.url, request.headers['x-a'], request.headers.host, chunks.join(''));
      response.writeHead(503, { 'Retry-After': '120', 'X-B': ['1', '2'] });
      response.end(`${'ä'.repeat(511)}xä${'y'.repeat(5_000)}`);
    });
    const result = await send(port, { headers: { 'x-a': 'b' } });
    expect(seen).toEqual(['POST', '/hook?a=1', 'b', `127.0.0.1:${port}`, '{"a":1}']);
    expect(result).toMatchObject({ kind: 'answered', status: 503, truncated: false });
    expect(result).toMatchObject({ headers: { 'retry-after': '120', 'x-b': '1, 2' } });
    // The letter that stands across the border of 1,024 bytes is left out whole.
    expect(result).toMatchObject({ bodyText: `${'ä'.repeat(511)}x` });
    expect(result.durationMilliseconds).toBeGreaterThanOrEqual(0);
  });

  test('keeps a connection for the next request to the same origin', async () => {
    const server = await web((_request, response) => response.end('ok'));
    for (let count = 0; count < 5; count += 1) expect(await send(server.port)).toMatchObject({ status: 200 });
    // A connection is free again a moment after the answer was read, so that a request at once may open a second one.
    expect(server.sockets.length).toBeLessThanOrEqual(2);
  });

  test('reaches localhost by name through the process’s shared door', async () => {
    const { port } = await web((_request, response) => response.end('ok'));
    const url = `http://localhost:${port}/`;
    expect(await guardedFetch({ url, method: 'GET', allowInsecureLoopback: true })).toMatchObject({ bodyText: 'ok' });
    expect(await guardedFetch({ url, method: 'GET', allowInsecureLoopback: false })).toMatchObject({
      kind: 'failed',
      reason: 'refused_destination',
    });
  });

  test('a NUL in an answer does not reach a database', async () => {
    const { port } = await web((_request, response) => response.end('a\0b'));
    expect(await send(port)).toMatchObject({ bodyText: 'a\ufffdb' });
  });

  test('proxy variables of the environment are not followed', async () => {
    const proxy = await raw((socket) => socket.destroy());
    const { port } = await web((_request, response) => response.end('direct'));
    const names = ['http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
    const door = createGuardedHttp();
    try {
      expect(await send(port, {}, door)).toMatchObject({ bodyText: 'direct' });
      expect(proxy.sockets.length).toBe(0);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await door.close();
    }
  });
});

describe('the deadline is for everything together', () => {
  const soon = { timeoutMilliseconds: 250 };

  async function expectTimeout(port: number, change: Partial<GuardedRequest> = {}): Promise<void> {
    const result = await send(port, { ...soon, ...change });
    expect(result).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect(result.durationMilliseconds).toBeGreaterThanOrEqual(240);
    expect(result.durationMilliseconds).toBeLessThan(1_500);
  }

  test('a server that never answers', async () => {
    // It must read, or it would not hear that the connection was ended.
    const server = await raw((socket) => socket.resume());
    await expectTimeout(server.port);
    await closed(server);
  });

  test('a server that accepts but never speaks TLS', async () => {
    const server = await raw(() => undefined);
    await expectTimeout(server.port, { url: `https://localhost:${server.port}/` });
  });

  test.each([
    ['body', 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', 200],
    ['headers', 'HTTP/1.1 200 OK\r\nx: ', undefined],
    ['interim answers', '', undefined],
  ])('a server that drips its %s', async (what, start, status) => {
    const server = await raw((socket) => {
      socket.write(start);
      const timer = setInterval(() => socket.write(what === 'interim answers' ? 'HTTP/1.1 103 E\r\n\r\n' : 'x'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    await expectTimeout(server.port);
    const result = await send(server.port, soon);
    expect(result).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect('status' in result ? result.status : undefined).toBe(status);
    await closed(server);
  });

  test('a name server that never answers', async () => {
    const door = createGuardedHttp({ network: { resolveHost: () => new Promise(() => undefined) } });
    const result = await send(0, { ...soon, url: 'https://silent.example.com/' }, door);
    expect(result).toMatchObject({ kind: 'failed', reason: 'timeout' });
    await door.close();
  });

  test('a request that was given up while its name was looked up is never sent', async () => {
    let requests = 0;
    const server = await web((_request, response) => {
      requests += 1;
      response.end();
    });
    const door = createGuardedHttp({
      network: {
        ports: new Set([String(server.port)]),
        isPublicAddress: () => true,
        resolveHost: () => new Promise((resolve) => setTimeout(resolve, 300, ['127.0.0.1'])),
      },
    });
    const url = `https://slow.example.com:${server.port}/`;
    expect(await send(0, { url, timeoutMilliseconds: 100 }, door)).toMatchObject({ reason: 'timeout' });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(requests).toBe(0);
    await door.close();
  });

  test('the caller can give up earlier, or before it begins', async () => {
    const server = await raw(() => undefined);
    const shutdown = new AbortController();
    setTimeout(() => shutdown.abort(), 50);
    const result = await send(server.port, { signal: shutdown.signal });
    expect(result).toMatchObject({ kind: 'failed', reason: 'aborted' });
    expect(result.durationMilliseconds).toBeLessThan(1_000);
    const connections = server.sockets.length;
    expect(await send(server.port, { signal: shutdown.signal })).toMatchObject({ reason: 'aborted' });
    expect(server.sockets.length).toBe(connections);
  });

  test('a hanging server delays no other request, also none to itself', async () => {
    let first = true;
    const { port } = await web((_request, response) => {
      if (!first) response.end('ok');
      first = false;
    });
    const hanging = send(port, { timeoutMilliseconds: 600 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const quick = await send(port);
    expect(quick).toMatchObject({ status: 200 });
    expect(quick.durationMilliseconds).toBeLessThan(300);
    expect(await hanging).toMatchObject({ reason: 'timeout' });
  });
});

describe('hostile answers', () => {
  test('a redirect is an answer and is not followed', async () => {
    const canary = await raw((socket) => socket.destroy());
    for (const location of ['http://169.254.169.254/latest/meta-data/', `http://127.0.0.1:${canary.port}/`]) {
      for (const status of [301, 302, 303, 307, 308]) {
        const server = await web((_request, response) => response.writeHead(status, { location }).end());
        expect(await send(server.port)).toMatchObject({ kind: 'answered', status, headers: { location } });
        expect(server.sockets.length).toBe(1);
      }
    }
    expect(canary.sockets.length).toBe(0);
  });

  test('an endless body is cut at 64 kB and its connection destroyed', async () => {
    let sent = 0;
    const server = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n');
      const block = Buffer.alloc(65_536, 'x');
      const pump = (): void => {
        while (!socket.destroyed && socket.writableLength < 1_000_000) socket.write(block);
        sent = socket.bytesWritten;
      };
      socket.on('drain', pump);
      pump();
    });
    const result = await send(server.port);
    expect(result).toMatchObject({ kind: 'answered', status: 200, truncated: true, bodyText: 'x'.repeat(1_024) });
    await closed(server);
    // The system's own buffers take some megabytes on loopback.
    expect(sent).toBeLessThan(30_000_000);
  });

  test.each([
    [65_536, false],
    [65_537, true],
  ])('a body of %i bytes is truncated: %s', async (size, truncated) => {
    const { port } = await web((_request, response) => response.end(Buffer.alloc(size, 'x')));
    expect(await send(port)).toMatchObject({ kind: 'answered', status: 200, truncated });
  });

  test('a gzip bomb stays packed', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect(bomb.length).toBeLessThan(65_536);
    const { port } = await web((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end(bomb);
    });
    const before = process.memoryUsage().arrayBuffers;
    const result = await send(port);
    expect(result).toMatchObject({ kind: 'answered', truncated: false });
    expect('bodyText' in result && result.bodyText.startsWith('\u001f\ufffd')).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
  });

  test.each([
    ['closes at once', '', 'connection', undefined],
    ['closes within its headers', 'HTTP/1.1 200 OK\r\nx', 'connection', undefined],
    ['closes within its body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', 'connection', 200],
    ['closes within a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc', 'connection', 200],
    ['sends a chunk of no size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 'invalid_answer', 200],
    ['speaks no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'invalid_answer', undefined],
    ['sends endless headers', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 'too_large', undefined],
    [
      'contradicts itself',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      'connection',
      undefined,
    ],
  ])('a server that %s', async (_what, answer, reason, status) => {
    const { port } = await raw((socket) => {
      socket.once('data', () => socket.end(answer));
    });
    const result = await send(port);
    expect(result).toMatchObject({ kind: 'failed', reason });
    expect('status' in result ? result.status : undefined).toBe(status);
  });

  test('a server that resets, a closed port and an upgrade nobody asked for', async () => {
    const resetting = await raw((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await send(resetting.port)).toMatchObject({ kind: 'failed', reason: 'connection' });
    expect(await send(9)).toMatchObject({ kind: 'failed', reason: 'connection' });
    const upgrading = await raw((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
    );
    expect(await send(upgrading.port, { timeoutMilliseconds: 500 })).toMatchObject({ kind: 'failed' });
  });
});

describe('headers of the connection cannot be set', () => {
  test.each(['Host', 'content-length', 'Transfer-Encoding', 'connection', 'Expect', 'upgrade'])('%s', async (name) => {
    const server = await web((_request, response) => response.end());
    const result = await send(server.port, { headers: { [name]: '1' } });
    expect(result).toMatchObject({ kind: 'failed', reason: 'invalid_request' });
    expect(server.sockets.length).toBe(0);
  });

  test('nor can a value hold a second header', async () => {
    expect(await send(9, { headers: { 'x-a': 'b\r\nhost: c' } })).toMatchObject({ reason: 'invalid_request' });
    expect(isAllowedHeader('x a', 'b')).toBe(false);
    expect(isAllowedHeader('', 'b')).toBe(false);
    expect(isAllowedHeader('x-a', '✓')).toBe(false);
    expect(isAllowedHeader('Authorization', 'Bearer abc')).toBe(true);
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl && process.env.CI === 'true') {
  test('openssl is installed', () => expect.fail('the command line tool "openssl" is needed for these tests'));
}

describe.skipIf(!hasOpenssl)('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guarded-fetch-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function certificateFor(name: string, days = 1): { readonly key: string; readonly cert: string } {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-days', String(days)];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  }

  const own = hasOpenssl ? certificateFor('hooks.example.com') : { key: '', cert: '' };

  /** A TLS server that hooks.example.com leads to, and a door for which its loopback address counts as public. */
  async function tlsWorld(isPublicAddress: (address: string) => boolean = (address) => address === '127.0.0.1') {
    const names: unknown[] = [];
    const hosts: unknown[] = [];
    const server = createTlsServer({ key: own.key, cert: own.cert }, (request, response) => {
      names.push((request.socket as TLSSocket & { servername?: string }).servername);
      hosts.push(request.headers.host);
      response.end('ok');
    });
    const listening = await listen(server);
    const network = {
      ports: new Set([String(listening.port)]),
      isPublicAddress,
      resolveHost: async () => ['127.0.0.1'],
    };
    const door = createGuardedHttp({ network, certificateAuthority: own.cert });
    cleanups.push(() => void door.close());
    const request = (host: string) =>
      send(0, { url: `https://${host}:${listening.port}/`, allowInsecureLoopback: false }, door);
    return { ...listening, names, hosts, network, request };
  }

  test('connects to the checked address with the name of the URL, and keeps that connection', async () => {
    const world = await tlsWorld();
    for (let count = 0; count < 3; count += 1) {
      expect(await world.request('hooks.example.com')).toMatchObject({ kind: 'answered', bodyText: 'ok' });
    }
    expect(world.names).toEqual(Array(3).fill('hooks.example.com'));
    expect(world.hosts).toEqual(Array(3).fill(`hooks.example.com:${world.port}`));
    expect(world.sockets.length).toBeLessThanOrEqual(2);
  });

  test('refuses a certificate of another name', async () => {
    const world = await tlsWorld();
    expect(await world.request('other.example.com')).toMatchObject({ kind: 'failed', reason: 'tls' });
    expect(world.names).toEqual([]);
  });

  test('refuses a certificate that nobody vouches for, also when the environment says not to', async () => {
    const { port, network, names } = await tlsWorld();
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const door = createGuardedHttp({ network });
    try {
      const toName = { url: `https://hooks.example.com:${port}/`, allowInsecureLoopback: false };
      expect(await send(0, toName, door)).toMatchObject({ kind: 'failed', reason: 'tls' });
      const toLoopback = { url: `https://localhost:${port}/` };
      expect(await send(0, toLoopback, door)).toMatchObject({ kind: 'failed', reason: 'tls' });
      expect(names).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
      await door.close();
    }
  });

  test('a server that speaks plain HTTP where TLS is due', async () => {
    const { port } = await web((_request, response) => response.end());
    expect(await send(0, { url: `https://localhost:${port}/` })).toMatchObject({ kind: 'failed', reason: 'tls' });
  });

  test('judges once more the address that the socket ended up at, before a byte of the request is sent', async () => {
    let looks = 0;
    const world = await tlsWorld(() => {
      looks += 1;
      return looks <= 2;
    });
    expect(await world.request('hooks.example.com')).toMatchObject({ reason: 'refused_destination' });
    expect(looks).toBe(3);
    expect(world.sockets.length).toBe(1);
    expect(world.names).toEqual([]);
    await closed(world);
  });
});
