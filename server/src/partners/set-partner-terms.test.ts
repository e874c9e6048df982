import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { setPartnerStatus } from './set-partner-status.ts';
import { setPartnerFeatures, setPartnerRateLimits, setPartnerTier } from './set-partner-terms.ts';

let t: TestApp;
let other: TestApp;
beforeAll(async () => {
  t = await startTestApp();
  other = await startTestApp({ shareDatabaseOf: t });
});
afterAll(async () => {
  await other.close();
  await t.close();
});

const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a' }];
const action = { actionType: 'PURCHASE', amount: 5, currency: 'USD', stakeholders };

test('what is not enabled is refused within a second, and what is enabled again works', async () => {
  const partner = await t.newPartner();
  const developer = await t.newMember('developer', partner);
  let submitted = 0;
  const bySignature = () =>
    other.signed('POST', '/v1/partner/actions/submit', { ...action, idempotencyKey: `o${submitted++}` }, { partner });
  const byPerson = () => other.by(developer, 'POST', '/v1/partner/actions/preview', { ...action, idempotencyKey: 'p' });
  expect([(await bySignature()).status, (await byPerson()).status]).toEqual([200, 200]);
  await t.sql.begin((tx) => setPartnerFeatures(tx, partner.partnerId, ['DONATIONS']));
  await sleep(1_000);
  const refused = [await bySignature(), await byPerson()];
  expect(refused.map(({ body }) => body.code)).toEqual(['FEATURE_NOT_ENABLED', 'FEATURE_NOT_ENABLED']);
  expect((await other.signed('GET', '/v1/partner/actions', undefined, { partner })).status).toBe(200);
  const config = await other.request({
    url: '/v1/partner/config',
    headers: { 'x-partner-key': partner.keys.publicKey },
  });
  expect(config.body.enabledFeatures).toEqual(['DONATIONS']);
  await t.sql.begin((tx) => setPartnerFeatures(tx, partner.partnerId, ['DONATIONS', 'ACTIONS']));
  await sleep(1_000);
  expect((await bySignature()).status).toBe(200);
});

test('another tier has another limit within a second, for keys and people alike', async () => {
  const partner = await t.newPartner({ poolTokens: 0 });
  const viewer = await t.newMember('viewer', partner);
  const limits = async () => [
    (await other.signed('GET', '/v1/partner/users', undefined, { partner })).headers['x-ratelimit-limit'],
    (await other.by(viewer, 'GET', '/v1/partner/users')).headers['x-ratelimit-limit'],
  ];
  expect(await limits()).toEqual(['1000', '1000']);
  await t.sql.begin((tx) => setPartnerTier(tx, partner.partnerId, 'ENTERPRISE'));
  await sleep(1_000);
  expect(await limits()).toEqual(['50000', '50000']);
});

test('a limit of its own is a partner’s in one environment within a second, is shown, and is lifted again', async () => {
  const partner = await t.newPartner({ poolTokens: 0 });
  const viewer = await t.newMember('viewer', partner);
  const widget = { url: '/v1/partner/config', headers: { 'x-partner-key': partner.keys.publicKey } };
  const limits = async () => {
    const [signed, config] = [
      await other.signed('GET', '/v1/partner/users', undefined, { partner }),
      await other.request(widget),
    ];
    const [here, there] = await Promise.all(
      (['sandbox', 'production'] as const).map((environment) =>
        other.by(viewer, 'GET', '/v1/partner/keys/partner-info', undefined, { environment }),
      ),
    );
    const told = [signed, config, here, there].map((answer) => answer?.headers['x-ratelimit-limit']);
    return { told, shown: [config, here, there].map((answer) => answer?.body.rateLimit) };
  };
  const ofTier = { told: ['1000', '60', '1000', '1000'], shown: [1_000, 1_000, 1_000] };
  expect(await limits()).toEqual(ofTier);
  await t.sql.begin((tx) => setPartnerRateLimits(tx, partner.partnerId, { sandbox: 70, production: null }));
  await sleep(1_000);
  // A public key alone has a tenth of it.
  expect(await limits()).toEqual({ told: ['70', '7', '70', '1000'], shown: [70, 70, 1_000] });
  await t.sql.begin((tx) => setPartnerTier(tx, partner.partnerId, 'PROFESSIONAL'));
  await t.sql.begin((tx) => setPartnerRateLimits(tx, partner.partnerId, { sandbox: 70, production: 90_000 }));
  await sleep(1_000);
  expect(await limits()).toMatchObject({ told: ['70', '7', '70', '90000'] });
  await t.sql.begin((tx) => setPartnerRateLimits(tx, partner.partnerId, { sandbox: null, production: null }));
  await sleep(1_000);
  expect(await limits()).toMatchObject({ told: ['5000', '60', '5000', '5000'], shown: [5_000, 5_000, 5_000] });
});

test('a suspended partner reads and changes nothing within a second, by keys, people and pages', async () => {
  const partner = await t.newPartner({ poolTokens: 0 });
  const developer = await t.newMember('developer', partner);
  const writes = async () => [
    (await other.signed('POST', '/v1/partner/users', { externalUserId: 'a' }, { partner })).body.code,
    (await other.by(developer, 'POST', '/v1/partner/users', { externalUserId: 'a' })).body.code,
    (await other.by(developer, 'POST', '/v1/partner/keys', { name: 'x', environment: 'sandbox' })).body.code,
  ];
  expect(await writes()).toEqual([undefined, 'USER_EXISTS', undefined]);
  await t.sql.begin((tx) => setPartnerStatus(tx, partner.partnerId, 'SUSPENDED'));
  await sleep(1_000);
  expect(await writes()).toEqual(['PARTNER_SUSPENDED', 'PARTNER_SUSPENDED', 'PARTNER_SUSPENDED']);
  expect((await other.by(developer, 'GET', '/v1/partner/users')).status).toBe(200);
  const config = await other.request({
    url: '/v1/partner/config',
    headers: { 'x-partner-key': partner.keys.publicKey },
  });
  expect(config.body.isActive).toBe(false);
});
