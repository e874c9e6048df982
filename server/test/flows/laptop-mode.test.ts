import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publicId } from '../../src/platform/ids.ts';
import { startTestApp, type TestApp } from '../app.ts';
import type { TestPerson } from '../people.ts';

// What a laptop may and a server may not, and that it goes no further.

let laptop: TestApp;
let server: TestApp;
let admin: TestPerson;
beforeAll(async () => {
  laptop = await startTestApp({ config: { laptop: true } });
  server = await startTestApp({ shareDatabaseOf: laptop });
  admin = await laptop.newPerson({ admin: true, otp: false, sandboxOnly: true });
});
afterAll(async () => {
  await server.close();
  await laptop.close();
});

test('mails are shown by a laptop to who asks it by its own name, whatever else they say, and by a server to nobody', async () => {
  const registration = { email: 'ada@example.org', password: 'correct horse battery' };
  await laptop.request({ method: 'POST', url: '/v1/partner/auth/register', payload: registration });
  await laptop.mails();
  for (const url of ['/dev/mail', '/dev/mail.json']) {
    const shown = await laptop.request({ url, headers: { host: 'localhost:8080' } });
    expect([shown.status, shown.text.includes('ada@example.org')]).toEqual([200, true]);
    const posing = { 'x-forwarded-host': 'localhost', forwarded: 'host=localhost', origin: 'http://localhost:8080' };
    for (const host of ['evil.example', 'localhost.', 'localhost@evil.example', 'evil.example:localhost']) {
      const refused = await laptop.request({ url, headers: { host, ...posing } });
      expect([refused.status, refused.text.includes('example.org')], host).toEqual([404, false]);
    }
    expect((await server.request({ url, headers: { host: 'localhost' } })).status).toBe(404);
  }
});

test('who names no host at all sees no mail', async () => {
  await laptop.app.listen({ port: 0, host: '127.0.0.1' });
  const socket = connect((laptop.app.server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET /dev/mail HTTP/1.0\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 404 /);
});

test('its admin has only the sandbox to name, and so changes there what holds in both environments', async () => {
  const partner = await laptop.newPartner({ status: 'PENDING_APPROVAL', poolTokens: 0 });
  const path = `/v1/admin/partners/${publicId('ptn', partner.partnerId)}`;
  const terms = { tier: 'ENTERPRISE', reason: 'a try' };
  expect((await laptop.by(admin, 'PATCH', path, terms)).body).toMatchObject({ tier: 'ENTERPRISE' });
  expect((await laptop.by(admin, 'POST', `${path}/approve`, { reason: 'x' })).body).toMatchObject({ status: 'ACTIVE' });
  expect((await server.by(admin, 'PATCH', path, terms)).body).toMatchObject({
    code: 'INVALID_REQUEST',
    errors: [{ path: 'X-Partner-Environment' }],
  });
  const production = { environment: 'production' } as const;
  expect((await laptop.by(admin, 'PATCH', path, terms, production)).body.code).toBe('WRONG_HOST');
  expect((await server.by(admin, 'PATCH', path, terms, production)).body.code).toBe('SANDBOX_ONLY');
});

test('nobody goes live on it', async () => {
  const path = `/v1/admin/go-live/${publicId('glv', laptop.partner.partnerId)}/approve`;
  const answer = await laptop.by(admin, 'POST', path, { identityChecked: true });
  expect(answer.body).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ path: 'X-Partner-Environment' }] });
});
