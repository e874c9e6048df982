import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, startTestApp, type TestApp, type TestPartner } from '../test/app.ts';
import { publicId } from './platform/ids.ts';

const CONFIG = '/v1/partner/config';
const SHOP = 'https://shop.example';

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp();
});
afterAll(() => t.close());

const read = (headers: Record<string, string | undefined>, app = t) =>
  app.request({ url: CONFIG, headers: headers as Record<string, string> });
const withKey = (origin?: string, partner: TestPartner = t.partner, app = t) =>
  read({ 'x-partner-key': partner.keys.publicKey, ...(origin === undefined ? {} : { origin }) }, app);
const allowOf = ({ headers }: Answer) => headers['access-control-allow-origin'];

/** A partner whose key may be used from the shop's pages only. */
async function newShop(app = t): Promise<TestPartner> {
  const partner = await app.newPartner({ poolTokens: 0 });
  const developer = await app.newMember('developer', partner);
  const path = `/v1/partner/keys/${publicId('key', partner.keys.id)}`;
  const patched = await app.by(developer, 'PATCH', path, { allowedOrigins: [SHOP], allowedIps: ['203.0.113.1'] });
  expect(patched.status).toBe(200);
  return partner;
}

describe('the configuration', () => {
  test('is read with the publishable key alone, and shows of the webhook where it is', async () => {
    const partner = await t.newPartner({ poolTokens: 0 });
    expect((await withKey(undefined, partner)).body).toEqual({
      id: publicId('ptn', partner.partnerId),
      name: 'Test Partner',
      slug: expect.stringMatching(/^test-partner/),
      enabledFeatures: ['DONATIONS', 'ACTIONS'],
      rateLimit: 1_000,
      isActive: true,
      webhookUrl: null,
      tipConfig: { enabled: true, defaultPercent: 10 },
    });
    const webhook = { url: 'http://127.0.0.1:9/hooks?token=secret', receiveAllEvents: true };
    await t.signed('POST', '/v1/partner/webhooks', webhook, { partner });
    const owner = await t.newMember('owner', partner);
    const tipConfig = { enabled: false, defaultPercent: 5 };
    const settings = { name: 'Bakery', tipConfig, contactEmail: 'a@b.example', legalName: null };
    const { body } = await t.by(owner, 'PATCH', '/v1/partner/settings', settings);
    expect(body).toMatchObject(settings);
    const shown = await withKey(undefined, partner);
    expect(shown.body).toMatchObject({ name: 'Bakery', webhookUrl: 'http://127.0.0.1:9', tipConfig });
    expect(shown.text).not.toContain('hooks');
  });

  test('is refused to a secret key, from a page and from elsewhere', async () => {
    const secret = t.keys.secretKey;
    expect((await read({ 'x-partner-key': secret })).body.code).toBe('INVALID_API_KEY');
    expect((await read({ 'x-partner-key': secret, origin: SHOP })).body.code).toBe('SECRET_KEY_IN_BROWSER');
    expect((await read({})).body.code).toBe('AUTHENTICATION_REQUIRED');
  });
});

describe('a preflight', () => {
  test('allows any origin the key’s header, no credentials, for 10 minutes', async () => {
    const answer = await t.request({
      method: 'OPTIONS',
      url: CONFIG,
      headers: {
        origin: SHOP,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'x-partner-key',
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': SHOP,
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'content-type, x-partner-key',
      'access-control-max-age': '600',
      vary: 'Origin',
    });
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  test('is answered on Widget routes only: no page reads what needs a signature or a log-in', async () => {
    const widgetPaths = t.table.filter(([, , scope]) => scope === 'widget').map(([, path]) => path);
    const options = t.routes.filter(({ method }) => method === 'OPTIONS').map(({ path }) => path);
    expect(options.sort()).toEqual([...new Set(widgetPaths)].sort());
    const answer = await t.request({ method: 'OPTIONS', url: '/v1/partner/users', headers: { origin: SHOP } });
    expect(answer.status).toBe(405);
    const signed = await t.signed('GET', '/v1/partner/users', undefined, {
      key: 'publishable',
      headers: { origin: SHOP },
    });
    expect([answer, signed].map(allowOf)).toEqual([undefined, undefined]);
  });
});

describe('a page', () => {
  test('reads the answer, its request id and its rate limit, if its origin is on the key’s list or there is none', async () => {
    const shop = await newShop();
    for (const answer of [await withKey(SHOP, shop), await withKey('https://anywhere.example')]) {
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'access-control-expose-headers':
          'X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After',
        vary: 'Origin',
      });
    }
    expect(allowOf(await withKey(SHOP, shop))).toBe(SHOP);
  });

  test.each([
    'https://evil.example',
    'http://shop.example',
    'https://shop.example:8443',
    'https://sub.shop.example',
    'null',
  ])('of %s, which is not on the list, is told so and can read it', async (origin) => {
    const refused = await withKey(origin, await newShop());
    expect(refused).toMatchObject({ status: 403, body: { code: 'ORIGIN_NOT_ALLOWED' } });
    expect(allowOf(refused)).toBe(origin);
  });

  test('reads every other refusal too', async () => {
    const refusals = [
      await read({ origin: SHOP }),
      await read({ origin: SHOP, 'x-partner-key': `pk_test_${'0'.repeat(64)}` }),
      await t.request({ url: `${CONFIG}?x=1`, headers: { origin: SHOP, 'x-partner-key': t.keys.publicKey } }),
      await read({ origin: SHOP, 'x-partner-key': t.keys.secretKey }),
    ];
    expect(refusals.map(({ status }) => status)).toEqual([401, 401, 400, 403]);
    expect(refusals.map(allowOf)).toEqual([SHOP, SHOP, SHOP, SHOP]);
  });

  test('is judged by a changed list within a second, in every process', async () => {
    const other = await startTestApp({ shareDatabaseOf: t });
    const shop = await newShop();
    expect((await withKey(SHOP, shop, other)).status).toBe(200);
    const developer = await t.newMember('developer', shop);
    const path = `/v1/partner/keys/${publicId('key', shop.keys.id)}`;
    await t.by(developer, 'PATCH', path, { allowedOrigins: ['https://new.example'] });
    await sleep(1_000);
    expect((await withKey(SHOP, shop, other)).body.code).toBe('ORIGIN_NOT_ALLOWED');
    await other.close();
  });
});

test('an app, which sends no origin, is judged by no list of the key', async () => {
  expect((await withKey(undefined, await newShop())).status).toBe(200);
});

describe('Widget traffic', () => {
  test('has 60 requests a minute per key and address, and takes none from the partner’s own', async () => {
    const partner = await t.newPartner({ poolTokens: 0 });
    const statuses = [];
    for (let index = 0; index < 62; index++) statuses.push((await withKey(SHOP, partner)).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    const refused = await withKey(SHOP, partner);
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(refused.headers).toMatchObject({ 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    const own = await t.signed('GET', '/v1/partner/users', undefined, { partner });
    expect(own.headers['x-ratelimit-remaining']).toBe('999');
  });

  test('of all addresses together has a tenth of the tier', async () => {
    const app = await startTestApp({ shareDatabaseOf: t, config: { trustedProxies: ['127.0.0.0/8'] } });
    const partner = await t.newPartner({ poolTokens: 0 });
    const from = (address: string) =>
      read({ 'x-partner-key': partner.keys.publicKey, 'x-forwarded-for': address }, app);
    const answers: Answer[] = [];
    for (let index = 0; index < 102; index++) answers.push(await from(`203.0.113.${index}`));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100);
    expect(answers[0]?.headers['x-ratelimit-limit']).toBe('60');
    expect(answers[99]?.headers).toMatchObject({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '0' });
    expect(answers[101]?.headers['x-ratelimit-limit']).toBe('100');
    await app.close();
  });
});
