import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGuardedHttp, DestinationRefused } from '../guarded-fetch.ts';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

/** Whatever an attacker aims at on this machine: it must never hear of us. */
const canary = createServer((socket) => {
  contacts += 1;
  socket.destroy();
});
const canaryOnIpv6 = createServer((socket) => {
  contacts += 1;
  socket.destroy();
});
let contacts = 0;
let port = 0;

/** Names of this test's DNS, each with the answers it gives in turn; the last one stays. */
const zone = new Map<string, string[][]>();
const ports = new Set(['443', '8443']);
const http = createGuardedHttp({
  network: {
    ports,
    resolveHost: async (hostname) => {
      const answers = zone.get(hostname);
      if (answers === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
      return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    },
  },
});

beforeAll(async () => {
  canary.listen(0, '127.0.0.1');
  await once(canary, 'listening');
  port = (canary.address() as AddressInfo).port;
  // Allowed here, so that a refusal in this file comes from the address and never from the port.
  ports.add(String(port));
  canaryOnIpv6.on('error', () => {
    // A machine without IPv6 has nothing to protect there.
  });
  canaryOnIpv6.listen(port, '::1');
});

afterAll(async () => {
  await http.close();
  canary.close();
  canaryOnIpv6.close();
});

async function refusal(url: string, allowInsecureLoopback = false): Promise<unknown> {
  const byRegistration = await http.assertAllowedDestination(url, { allowInsecureLoopback }).catch((error) => error);
  const byFetch = await http.fetch({ url, method: 'GET', allowInsecureLoopback, timeoutMilliseconds: 1_000 });
  const reason = byRegistration instanceof DestinationRefused ? byRegistration.reason : byRegistration;
  const isDns = reason === 'name_not_found' || reason === 'name_unresolved';
  expect(byFetch).toMatchObject({ kind: 'failed', reason: isDns ? 'dns' : 'refused_destination' });
  return reason;
}

describe('spellings that are refused without asking DNS', () => {
  test.each([
    ['https://127.0.0.1:PORT/', 'local_name'],
    ['https://127.1:PORT/', 'local_name'],
    ['https://2130706433:PORT/', 'local_name'],
    ['https://0x7f000001:PORT/', 'local_name'],
    ['https://0177.0.0.01:PORT/', 'local_name'],
    ['https://0x7f.0.0.0x1:PORT/', 'local_name'],
    ['https://127.0.0.1.:PORT/', 'local_name'],
    ['https://%31%32%37.0.0.1:PORT/', 'local_name'],
    ['https://①②⑦.⓪.⓪.①:PORT/', 'local_name'],
    ['https://127。0。0。1:PORT/', 'local_name'],
    ['https://127.255.255.254:PORT/', 'local_name'],
    ['https://[::1]:PORT/', 'local_name'],
    ['https://[0:0:0:0:0:0:0:1]:PORT/', 'local_name'],
    ['https://localhost:PORT/', 'local_name'],
    ['https://LOCALHOST:PORT/', 'local_name'],
    ['https://localhost.:PORT/', 'invalid_url'],
    ['https://a.localhost:PORT/', 'local_name'],
    ['https://localhost.localdomain:PORT/', 'local_name'],
    ['https://0:PORT/', 'address_literal'],
    ['https://0.0.0.0:PORT/', 'address_literal'],
    ['https://[::]:PORT/', 'address_literal'],
    ['https://[::ffff:127.0.0.1]:PORT/', 'address_literal'],
    ['https://[::ffff:7f00:1]:PORT/', 'address_literal'],
    ['https://[::127.0.0.1]:PORT/', 'address_literal'],
    ['https://[64:ff9b::7f00:1]:PORT/', 'address_literal'],
    ['https://169.254.169.254/latest/meta-data/', 'address_literal'],
    ['https://0xa9fea9fe/', 'address_literal'],
    ['https://[fd00:ec2::254]/', 'address_literal'],
    ['https://10.0.0.1/', 'address_literal'],
    ['https://8.8.8.8/', 'address_literal'],
    ['https://metadata/', 'local_name'],
    ['https://metadata.google.internal/computeMetadata/v1/', 'local_name'],
    ['https://instance-data/', 'local_name'],
    ['https://printer.local/', 'local_name'],
    ['https://router.home.arpa/', 'local_name'],
    ['http://public.example.com/', 'scheme'],
    ['http://127.0.0.1:PORT/', 'local_name'],
    ['http://169.254.169.254/', 'scheme'],
    ['ftp://public.example.com/', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://127.0.0.1:PORT/', 'scheme'],
    ['javascript:alert(1)', 'scheme'],
    ['unix:/var/run/docker.sock', 'scheme'],
    ['https:public.example.com', 'invalid_url'],
    ['//public.example.com/', 'invalid_url'],
    ['public.example.com', 'invalid_url'],
    ['', 'invalid_url'],
    ['https://', 'invalid_url'],
    ['https:///', 'invalid_url'],
    ['https://[::1', 'invalid_url'],
    ['https://256.256.256.256/', 'invalid_url'],
    ['https://user@public.example.com/', 'user_info'],
    ['https://user:secret@public.example.com/', 'user_info'],
    ['https://@public.example.com/', 'user_info'],
    ['https://public.example.com@127.0.0.1:PORT/', 'user_info'],
    ['https://public.example.com%2f@127.0.0.1:PORT/', 'user_info'],
    ['https://127.0.0.1:PORT\\@public.example.com/', 'invalid_url'],
    ['https://public.example.com#@127.0.0.1:PORT/', 'fragment'],
    ['https://public.example.com/#', 'fragment'],
    ['https://public.example.com/ ', 'invalid_url'],
    ['https://public.exam\tple.com/', 'invalid_url'],
    ['https://public.example.com/\r\nHost:x', 'invalid_url'],
    ['https://public.example.com./', 'invalid_url'],
    ['https://public.example.com:22/', 'port'],
    ['https://public.example.com:80/', 'port'],
    ['https://public.example.com:8080/', 'port'],
    ['https://public.example.com:0/', 'port'],
    ['https://public.example.com:65536/', 'invalid_url'],
    [`https://public.example.com/${'a'.repeat(2048)}`, 'invalid_url'],
  ])('%s', async (url, reason) => {
    expect(await refusal(url.replace('PORT', String(port)))).toBe(reason);
  });
});

describe('the door for loopback opens for nothing else', () => {
  test.each([
    ['http://public.example.com/', 'scheme'],
    ['http://10.0.0.1:PORT/', 'scheme'],
    ['http://0.0.0.0:PORT/', 'scheme'],
    ['https://0.0.0.0:PORT/', 'address_literal'],
    ['https://[::ffff:127.0.0.1]:PORT/', 'address_literal'],
    ['https://169.254.169.254/', 'address_literal'],
    ['https://a.localhost:PORT/', 'local_name'],
    ['http://user@localhost:PORT/', 'user_info'],
    ['ftp://localhost:PORT/', 'scheme'],
  ])('%s', async (url, reason) => {
    expect(await refusal(url.replace('PORT', String(port)), true)).toBe(reason);
  });

  test('a name that merely resolves to loopback is refused', async () => {
    zone.set('127.0.0.1.nip.io', [['127.0.0.1']]);
    expect(await refusal(`https://127.0.0.1.nip.io:${port}/`, true)).toBe('address_not_public');
  });

  test.each(['http://127.0.0.1:9/', 'http://127.9.9.9/', 'http://[::1]:9/', 'https://localhost:9/x?y=1'])(
    'the registration of %s is allowed',
    async (url) => {
      expect((await http.assertAllowedDestination(url, { allowInsecureLoopback: true })).href).toBe(url);
    },
  );
});

const forbidden = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.8.8.8'],
  ...['168.63.129.16', '169.254.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1'],
  ...['192.88.99.1', '192.168.0.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1'],
  ...['239.255.255.250', '240.0.0.1', '255.255.255.255', '::', '::1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:8.8.8.8'],
  ...['::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::7f00:1', '100::1', '2001::1'],
  ...['2001:0:53aa:64c:0:7bfb:80ff:fffe', '2001:10::1', '2001:20::1', '2001:db8::1', '2002:7f00:1::', '2002:808:808::'],
  ...['3fff::1', '4000::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%lo', 'fec0::1', 'ff02::1'],
];

describe('names that lead inside', () => {
  test.each(forbidden)('%s is no public address', async (address) => {
    expect(isPublicAddress(address)).toBe(false);
    zone.set('inside.example.com', [[address]]);
    expect(await refusal(`https://inside.example.com:${port}/`)).toBe('address_not_public');
    zone.set('mixed.example.com', [['8.8.8.8', address]]);
    expect(await refusal(`https://mixed.example.com:${port}/`)).toBe('address_not_public');
  });

  test.each(['8.8.8.8', '1.1.1.1', '93.184.215.14', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s is one',
    async (address) => {
      expect(isPublicAddress(address)).toBe(true);
      zone.set('public.example.com', [[address]]);
      const url = 'https://public.example.com:8443/hook?a=1';
      expect((await http.assertAllowedDestination(url, { allowInsecureLoopback: false })).href).toBe(url);
    },
  );

  test.each(['', 'example.com', '127.1', '0x7f000001', '8.8.8.8 ', '[::1]', '08.8.8.8'])('%j is no address', (text) => {
    expect(isPublicAddress(text)).toBe(false);
    expect(isLoopbackAddress(text)).toBe(false);
  });

  test('a name whose answer changes between registration and connection is refused at the connection', async () => {
    for (const second of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0']) {
      zone.set('rebind.example.com', [['8.8.8.8'], [second]]);
      const url = `https://rebind.example.com:${port}/`;
      await http.assertAllowedDestination(url, { allowInsecureLoopback: false });
      const result = await http.fetch({ url, method: 'POST', body: 'x', allowInsecureLoopback: false });
      expect(result).toMatchObject({ kind: 'failed', reason: 'refused_destination' });
    }
  });

  test('a name that does not exist and a name server that does not answer are told apart', async () => {
    expect(await refusal('https://missing.example.com/')).toBe('name_not_found');
    zone.set('empty.example.com', [[]]);
    expect(await refusal('https://empty.example.com/')).toBe('name_not_found');
    const broken = createGuardedHttp({ network: { resolveHost: () => Promise.reject(new Error('SERVFAIL')) } });
    const error = await broken
      .assertAllowedDestination('https://broken.example.com/', { allowInsecureLoopback: false })
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({ reason: 'name_unresolved' });
  });

  test('a refusal tells no address of a private zone', async () => {
    zone.set('inside.example.com', [['10.1.2.3']]);
    const url = 'https://inside.example.com/';
    const result = await http.fetch({ url, method: 'GET', allowInsecureLoopback: false });
    expect(JSON.stringify(result)).not.toContain('10.1.2.3');
  });
});

test('the canary heard nothing of all this, and would have', async () => {
  expect(contacts).toBe(0);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'close');
  expect(contacts).toBe(1);
});
