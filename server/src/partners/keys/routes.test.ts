import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../../test/app.ts';
import type { TestPerson } from '../../../test/people.ts';
import { systemClock } from '../../platform/clock.ts';
import { rowId } from '../../platform/ids.ts';

const KEYS = '/v1/partner/keys';
const wanted = { name: 'Shop server', environment: 'sandbox', keyType: 'secret' };
const HOUR_MILLISECONDS = 3_600_000;

let t: TestApp;
let other: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
  other = await startTestApp({ config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
});
afterAll(async () => {
  await other.close();
  await t.close();
});

/** A partner like those of the harness, of a key that HTTP has answered. */
function partnerOf(body: Record<string, unknown>): TestPartner {
  const { partnerId, environment, ...keys } = body as Record<string, string>;
  return {
    partnerId: rowId('ptn', partnerId ?? '') ?? '',
    environment: environment as 'sandbox',
    keys: keys as unknown as TestPartner['keys'],
    poolId: undefined,
  };
}

async function newOwner(): Promise<{ person: TestPerson; partner: TestPartner; key: Record<string, unknown> }> {
  const person = await t.newPerson();
  const { body } = await t.by(person, 'POST', KEYS, wanted);
  return { person, partner: partnerOf(body), key: body };
}

describe('the first key of a person', () => {
  test('makes their partner, which waits for approval and has the whole sandbox', async () => {
    const person = await t.newPerson();
    const { status, body } = await t.by(person, 'POST', KEYS, { ...wanted, partnerName: 'Corner Bakery' });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^key_/),
      partnerId: expect.stringMatching(/^ptn_/),
      name: 'Shop server',
      environment: 'sandbox',
      publicKey: expect.stringMatching(/^pk_test_[0-9a-f]{64}$/),
      secretKey: expect.stringMatching(/^sk_test_[0-9a-f]{64}$/),
      hmacSecret: expect.stringMatching(/^[0-9a-f]{64}$/),
      createdAt: expect.stringMatching(/Z$/),
      expiresAt: null,
    });
    const info = await t.by(person, 'GET', `${KEYS}/partner-info`);
    expect(info.body).toMatchObject({
      id: body.partnerId,
      name: 'Corner Bakery',
      status: 'PENDING_APPROVAL',
      tier: 'STANDARD',
      role: 'owner',
      activeKeys: 1,
      enabledFeatures: ['DONATIONS', 'ACTIONS'],
    });
    const partner = partnerOf(body);
    const created = await t.signed('POST', '/v1/partner/users', { externalUserId: 'a' }, { partner });
    expect(created.status).toBe(201);
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a' }];
    const action = { idempotencyKey: 'o1', actionType: 'PURCHASE', amount: 5, currency: 'USD', stakeholders };
    const submitted = await t.signed('POST', '/v1/partner/actions/submit', action, { partner });
    expect(submitted).toMatchObject({ status: 402, body: { code: 'NO_ACTIVE_POOL' } });
  });

  test('is one partner also when two are asked for at once, and works in another process at once', async () => {
    const person = await t.newPerson();
    await other.by(person, 'GET', KEYS).catch(() => undefined);
    const answers = await Promise.all([
      t.by(person, 'POST', KEYS, wanted),
      other.by(person, 'POST', KEYS, wanted),
      t.by(person, 'POST', KEYS, wanted),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(answers.map(({ body }) => body.partnerId)).size).toBe(1);
    await sleep(1_000);
    expect((await other.by(person, 'GET', KEYS)).body.data).toHaveLength(3);
  });

  test('is given again for the same Idempotency-Key, to nobody else', async () => {
    const person = await t.newPerson();
    const headers = { 'idempotency-key': 'first' };
    const first = await t.by(person, 'POST', KEYS, wanted, { headers });
    const again = await other.by(person, 'POST', KEYS, wanted, { headers });
    expect(again).toMatchObject({ status: 201, body: first.body, headers: { 'idempotent-replayed': 'true' } });
    const stranger = await t.by(await t.newPerson(), 'POST', KEYS, wanted, { headers });
    expect(stranger.body.partnerId).not.toBe(first.body.partnerId);
  });

  test('of a seeded account is a sandbox key of a partner that can have no other', async () => {
    const person = await t.newPerson({ sandboxOnly: true });
    const live = await t.by(person, 'POST', KEYS, { ...wanted, environment: 'production' });
    expect(live.body.code).toBe('SANDBOX_ONLY');
    const { body } = await t.by(person, 'POST', KEYS, wanted);
    const developer = await t.newMember('developer', partnerOf(body));
    const by = await t.by(developer, 'POST', KEYS, { ...wanted, environment: 'production' });
    expect(by.body.code).toBe('SANDBOX_ONLY');
    const { partnerId } = partnerOf(body);
    await expect(t.sql`update api_keys set environment = 'production' where partner_id = ${partnerId}`).rejects.toThrow(
      'sandbox_only_partners_have_no_live_keys',
    );
    await expect(t.sql`update partners set status = 'ACTIVE' where id = ${partnerId}`).rejects.toThrow('sandbox_only');
  });
});

describe('a key’s environment', () => {
  test('is that of the body; a header that says another one is 400', async () => {
    const { person } = await newOwner();
    const refused = await t.by(person, 'POST', KEYS, wanted, { environment: 'production' });
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ path: 'X-Partner-Environment' }] } });
    const live = await t.by(person, 'POST', KEYS, { ...wanted, environment: 'production' });
    expect(live.body.secretKey).toMatch(/^sk_live_/);
    expect((await t.by(person, 'GET', KEYS)).body.data).toHaveLength(1);
    const listed = await t.by(person, 'GET', KEYS, undefined, { environment: 'production' });
    expect(listed.body.data).toMatchObject([{ id: live.body.id, environment: 'production' }]);
    expect((await t.by(person, 'GET', `${KEYS}/${live.body.id}`)).status).toBe(404);
  });

  test('cannot be production in laptop mode: 409', async () => {
    const laptop = await startTestApp({ config: { laptop: true }, shareDatabaseOf: t });
    const { person } = await newOwner();
    const created = await laptop.by(person, 'POST', KEYS, { ...wanted, environment: 'production' });
    expect(created).toMatchObject({ status: 409, body: { code: 'WRONG_HOST' } });
    const listed = await laptop.by(person, 'GET', KEYS, undefined, { environment: 'production' });
    expect(listed).toMatchObject({ status: 409, body: { code: 'WRONG_HOST' } });
    await laptop.close();
  });
});

describe('keys', () => {
  test('are listed newest first, by status, without any secret', async () => {
    const { person, key } = await newOwner();
    const second = await t.by(person, 'POST', KEYS, { ...wanted, name: 'Second' });
    await t.by(person, 'DELETE', `${KEYS}/${key.id}`);
    const { body, text } = await t.by(person, 'GET', KEYS);
    expect(body.data).toMatchObject([
      { id: second.body.id, status: 'ACTIVE', lastUsedAt: null },
      { id: key.id, status: 'REVOKED' },
    ]);
    for (const secret of [key.secretKey, key.hmacSecret, second.body.hmacSecret]) expect(text).not.toContain(secret);
    expect((await t.by(person, 'GET', `${KEYS}?status=REVOKED`)).body.data).toMatchObject([{ id: key.id }]);
    const paged = await t.by(person, 'GET', `${KEYS}?page=2&limit=1`);
    expect(paged.body).toMatchObject({ data: [{ id: key.id }], pagination: { total: 2, totalPages: 2 } });
  });

  test('are renamed, switched off and on, and end when they are told to, in every process within a second', async () => {
    const { person, partner, key } = await newOwner();
    const read = () => other.signed('GET', '/v1/partner/users', undefined, { partner });
    const patch = (body: object) => t.by(person, 'PATCH', `${KEYS}/${key.id}`, body);
    expect((await read()).status).toBe(200);
    expect((await patch({ name: 'Renamed', isActive: false })).body).toMatchObject({
      name: 'Renamed',
      status: 'INACTIVE',
    });
    await sleep(1_000);
    expect((await read()).body.code).toBe('INVALID_API_KEY');
    expect((await patch({ isActive: true })).body.status).toBe('ACTIVE');
    await sleep(1_000);
    expect((await read()).status).toBe(200);
    const soon = new Date(systemClock.now().getTime() + 1_500).toISOString();
    expect((await patch({ expiresAt: soon })).body.expiresAt).toBe(soon);
    await sleep(1_600);
    expect((await read()).body.code).toBe('INVALID_API_KEY');
    expect((await patch({ expiresAt: soon })).body).toMatchObject({
      code: 'INVALID_REQUEST',
      errors: [{ path: '/expiresAt' }],
    });
    expect((await patch({ expiresAt: null })).body).toMatchObject({ status: 'ACTIVE', expiresAt: null });
  });

  test('take lists of addresses and origins, and say what is wrong with one', async () => {
    const { person, partner, key } = await newOwner();
    const patch = (body: object) => t.by(person, 'PATCH', `${KEYS}/${key.id}`, body);
    const lists = {
      allowedIps: ['192.0.2.7/24'],
      allowedOrigins: ['https://Shop.Example:443', 'http://localhost:3000'],
    };
    expect((await patch(lists)).body).toMatchObject({
      allowedIps: ['192.0.2.0/24'],
      allowedOrigins: ['https://shop.example', 'http://localhost:3000'],
    });
    await sleep(1_000);
    expect((await t.signed('GET', '/v1/partner/users', undefined, { partner })).body.code).toBe('IP_NOT_ALLOWED');
    const bad = [
      'https://shop.example/path',
      'shop.example',
      'http://shop.example',
      '*',
      'null',
      'https://a@b.example',
    ];
    const refused = await patch({ allowedOrigins: bad });
    expect((refused.body.errors as { path: string }[]).map(({ path }) => path)).toEqual(
      bad.map((_, index) => `/allowedOrigins/${index}`),
    );
    expect((await patch({ allowedIps: ['nobody'] })).body.errors).toMatchObject([{ path: '/allowedIps/0' }]);
  });

  test('tell when and from where they were used last; a forged X-Forwarded-For says nothing and opens no list', async () => {
    const app = await startTestApp({ config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
    const { person, partner, key } = await newOwner();
    const headers = { 'x-forwarded-for': '192.0.2.7' };
    const read = () => app.signed('GET', '/v1/partner/users', undefined, { partner, headers });
    expect((await read()).status).toBe(200);
    await t.by(person, 'PATCH', `${KEYS}/${key.id}`, { allowedIps: ['192.0.2.7'] });
    await sleep(1_000);
    expect((await read()).body.code).toBe('IP_NOT_ALLOWED');
    await app.close();
    const { body } = await t.by(person, 'GET', `${KEYS}/${key.id}`);
    expect(body.lastUsedIp).toBe('127.0.0.1');
    expect(systemClock.now().getTime() - new Date(String(body.lastUsedAt)).getTime()).toBeLessThan(5_000);
    const trusting = await startTestApp({
      config: { rateLimitPerMinute: 0, trustedProxies: ['127.0.0.0/8'] },
      shareDatabaseOf: t,
    });
    const behindProxy = await trusting.signed('GET', '/v1/partner/users', undefined, { partner, headers });
    expect(behindProxy.status).toBe(200);
    await trusting.close();
  });

  test('that are deleted are refused everywhere within a second, and once more is no mistake', async () => {
    const { person, partner, key } = await newOwner();
    const read = () => other.signed('GET', '/v1/partner/users', undefined, { partner });
    expect((await read()).status).toBe(200);
    expect((await t.by(person, 'DELETE', `${KEYS}/${key.id}`)).status).toBe(204);
    await sleep(1_000);
    expect((await read()).body.code).toBe('INVALID_API_KEY');
    expect((await t.by(person, 'DELETE', `${KEYS}/${key.id}`)).status).toBe(204);
  });

  test('are at most 50 of an environment that are not revoked', async () => {
    const { person, partner } = await newOwner();
    const { partnerId } = partner;
    await t.sql`
      insert into api_keys (partner_id, id, environment, name, public_key, secret_key_hash, hmac_secret_encrypted, created_at)
      select partner_id, gen_random_uuid(), environment, name, public_key, secret_key_hash, hmac_secret_encrypted, created_at
      from api_keys, generate_series(1, 49) where partner_id = ${partnerId}`;
    expect((await t.by(person, 'POST', KEYS, wanted)).body.code).toBe('LIMIT_REACHED');
    expect((await t.by(person, 'POST', KEYS, { ...wanted, environment: 'production' })).status).toBe(201);
  });

  test('of another partner are not there', async () => {
    const [{ person }, { key }] = await Promise.all([newOwner(), newOwner()]);
    const path = `${KEYS}/${key.id}`;
    const answers = await Promise.all([
      t.by(person, 'GET', path),
      t.by(person, 'PATCH', path, { name: 'x' }),
      t.by(person, 'DELETE', path),
      t.by(person, 'POST', `${path}/rotate`, { overlapHours: 0 }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  });
});

describe('a rotation', () => {
  test('makes a successor; both work during the overlap, then only the new one', async () => {
    const { person, partner, key } = await newOwner();
    await t.by(person, 'PATCH', `${KEYS}/${key.id}`, { allowedOrigins: ['https://shop.example'] });
    const { status, body } = await t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours: 1 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'Shop server', rotatedFrom: key.id, expiresAt: null });
    const read = (of: TestPartner) => t.signed('GET', '/v1/partner/users', undefined, { partner: of });
    expect((await read(partner)).status).toBe(200);
    expect((await read(partnerOf(body))).status).toBe(200);
    const remaining = new Date(String(body.previousExpiresAt)).getTime() - systemClock.now().getTime();
    expect(remaining).toBeGreaterThan(0.99 * HOUR_MILLISECONDS);
    expect(remaining).toBeLessThanOrEqual(HOUR_MILLISECONDS);
    const [old, successor] = await Promise.all([
      t.by(person, 'GET', `${KEYS}/${key.id}`),
      t.by(person, 'GET', `${KEYS}/${body.id}`),
    ]);
    expect(old.body).toMatchObject({ rotatedTo: body.id, expiresAt: body.previousExpiresAt, status: 'ACTIVE' });
    expect(successor.body).toMatchObject({ rotatedFrom: key.id, allowedOrigins: ['https://shop.example'] });
    expect((await t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours: 1 })).body.code).toBe(
      'KEY_NOT_ROTATABLE',
    );
  });

  test('without overlap ends the old key at once, for ever', async () => {
    const { person, partner, key } = await newOwner();
    const { body } = await t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours: 0 });
    await sleep(1_000);
    const read = (of: TestPartner) => t.signed('GET', '/v1/partner/users', undefined, { partner: of });
    expect((await read(partner)).body.code).toBe('INVALID_API_KEY');
    expect((await read(partnerOf(body))).status).toBe(200);
    expect((await t.by(person, 'GET', `${KEYS}/${key.id}`)).body.status).toBe('REVOKED');
  });

  test('of one key by many at once is one successor', async () => {
    const { person, key } = await newOwner();
    const rotate = () => t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours: 24 });
    const answers = await Promise.all(Array.from({ length: 6 }, rotate));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
  });

  test('takes over the length of a key’s life, and never lengthens the old one’s', async () => {
    const person = await t.newPerson();
    const expiresAt = new Date(systemClock.now().getTime() + 2 * HOUR_MILLISECONDS).toISOString();
    const { body: key } = await t.by(person, 'POST', KEYS, { ...wanted, expiresAt });
    const { body } = await t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours: 168 });
    expect(body.previousExpiresAt).toBe(expiresAt);
    const life = new Date(String(body.expiresAt)).getTime() - new Date(String(body.createdAt)).getTime();
    expect(life).toBe(new Date(expiresAt).getTime() - new Date(String(key.createdAt)).getTime());
  });

  test.each([2, -1, '24', null])('of %j hours is none', async (overlapHours) => {
    const { person, key } = await newOwner();
    expect((await t.by(person, 'POST', `${KEYS}/${key.id}/rotate`, { overlapHours })).status).toBe(400);
  });
});
