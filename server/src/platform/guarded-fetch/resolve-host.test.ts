import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { meansNoSuchName, resolveHost } from './resolve-host.ts';

const TYPE_A = 1;
const OK = 0;
const SERVFAIL = 2;
const NXDOMAIN = 3;

interface Reply {
  readonly code: number;
  readonly data?: readonly number[];
}

/** What the name server of this test says: a response code and the raw addresses; undefined is silence. */
const zone: Readonly<Record<string, (type: number) => Reply | undefined>> = {
  'four.example.com': (type) => (type === TYPE_A ? { code: OK, data: [8, 8, 4, 4] } : { code: OK }),
  'both.example.com': (type) =>
    type === TYPE_A
      ? { code: OK, data: [127, 0, 0, 1] }
      : { code: OK, data: [0x20, 1, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] },
  'half.example.com': (type) => (type === TYPE_A ? { code: OK, data: [8, 8, 4, 4] } : { code: SERVFAIL }),
  'broken.example.com': (type) => (type === TYPE_A ? { code: SERVFAIL } : { code: OK }),
  'empty.example.com': () => ({ code: OK }),
  'silent.example.com': () => undefined,
};

const socket = createSocket('udp4');
const settings = { servers: [''], timeoutMilliseconds: 300 };

beforeAll(async () => {
  socket.on('message', (query, peer) => {
    const nameEnd = query.indexOf(0, 12);
    const labels: string[] = [];
    for (let at = 12; at < nameEnd; at += (query[at] ?? 0) + 1) {
      labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
    }
    const type = query.readUInt16BE(nameEnd + 1);
    const ask = zone[labels.join('.').toLowerCase()];
    const answer: Reply | undefined = ask === undefined ? { code: NXDOMAIN } : ask(type);
    if (answer === undefined) return;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | answer.code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answer.data === undefined ? 0 : 1, 6);
    const data = answer.data ?? [];
    const record = data.length === 0 ? [] : [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data];
    socket.send(Buffer.concat([header, query.subarray(12, nameEnd + 5), Buffer.from(record)]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  settings.servers = [`127.0.0.1:${(socket.address() as AddressInfo).port}`];
});

afterAll(() => {
  socket.close();
});

test('answers every address of a name, of both families', async () => {
  expect(await resolveHost('four.example.com', settings)).toEqual(['8.8.4.4']);
  expect(await resolveHost('both.example.com', settings)).toEqual(['127.0.0.1', '2001:4860::1']);
  expect(await resolveHost('half.example.com', settings)).toEqual(['8.8.4.4']);
});

test.each(['missing.example.com', 'empty.example.com'])('tells that %s has no address', async (name) => {
  const error = await resolveHost(name, settings).catch((failure: unknown) => failure);
  expect(meansNoSuchName(error)).toBe(true);
});

test.each(['broken.example.com', 'silent.example.com'])('tells that %s got no answer, and in time', async (name) => {
  const started = performance.now();
  const error = await resolveHost(name, settings).catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(Error);
  expect(meansNoSuchName(error)).toBe(false);
  expect(performance.now() - started).toBeLessThan(2_000);
});
