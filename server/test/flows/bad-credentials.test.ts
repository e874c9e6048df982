import type { ErrorCode } from '@sirgiving/contract';
import { afterAll, beforeAll, test } from 'vitest';
import { setKeyActive, setKeyAllowList, setKeyExpiry } from '../../src/partners/change-key.ts';
import { createKey, revokeKey, signedBy } from '../../src/partners/index.ts';
import type { KeyReference } from '../../src/partners/revoke-key.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Tx } from '../../src/platform/db.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { type SignedOptions, startTestApp, type TestApp, type TestPartner } from '../app.ts';
import { requestsWithBadSignatures } from '../fuzz/bad-signatures.ts';
import { type BadRequest, expectRefusals } from '../fuzz/refusals.ts';

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

/** Another key pair of the same partner, changed by `change`. */
async function anotherKey(partner: TestPartner, change?: (tx: Tx, key: KeyReference) => Promise<unknown>) {
  const { partnerId, environment } = partner;
  const wanted = { partnerId, environment, name: 'Another', createdAt: systemClock.now() };
  const keys = await t.sql.begin((tx) => createKey(tx, randomIds, t.secretBox, wanted));
  if (change !== undefined) await t.sql.begin((tx) => change(tx, { partnerId, keyId: keys.id }));
  return { ...partner, keys };
}

test('whose signature is of anything but exactly this request are refused', async () => {
  const stranger = await t.newPartner();
  const partner = await t.newPartner();
  const other = await anotherKey(partner);
  await expectRefusals(t, (attempt) => requestsWithBadSignatures(t, attempt, { other, stranger }), partner);
});

test('that work no more, belong elsewhere or may not do this are refused', async () => {
  const partner = await t.newPartner();
  const now = systemClock.now();
  const revoked = await anotherKey(partner, (tx, key) => revokeKey(tx, key, now));
  const switchedOff = await anotherKey(partner, (tx, key) => setKeyActive(tx, key, false));
  const expired = await anotherKey(partner, (tx, key) => setKeyExpiry(tx, key, now));
  const elsewhere = await anotherKey(partner, (tx, key) => setKeyAllowList(tx, key, ['203.0.113.0/24']));
  const production = await t.newPartner({ environment: 'production' });
  const suspended = await t.newPartner({ status: 'SUSPENDED' });
  const unknown = { ...partner, keys: { ...partner.keys, secretKey: `sk_test_${'0'.repeat(64)}` } };
  await expectRefusals(
    t,
    (attempt) => {
      const { method, path, body, route } = attempt.good;
      const by = (name: string, code: ErrorCode, options: SignedOptions): BadRequest => ({
        name,
        code,
        send: () => t.signed(method, path, body, options),
      });
      return [
        by('a revoked key', 'INVALID_API_KEY', { partner: revoked }),
        by('the publishable half of a revoked key', 'INVALID_API_KEY', { partner: revoked, key: 'publishable' }),
        by('a key that is switched off', 'INVALID_API_KEY', { partner: switchedOff }),
        by('an expired key', 'INVALID_API_KEY', { partner: expired }),
        by('a key that never was', 'INVALID_API_KEY', { partner: unknown }),
        by('a production key', 'WRONG_ENVIRONMENT', { partner: production }),
        by('a key of another address', 'IP_NOT_ALLOWED', { partner: elsewhere }),
        by('a page', 'SECRET_KEY_IN_BROWSER', { partner, headers: { origin: 'https://shop.example.org' } }),
        ...malformedKeys(partner).map((key) =>
          by(`the key ${key}`, 'INVALID_API_KEY', { partner, headers: { 'x-partner-key': key } }),
        ),
        ...(signedBy(route[2]) === 'secret'
          ? [
              by('a publishable key', 'SECRET_KEY_REQUIRED', { partner, key: 'publishable' }),
              by('a suspended partner', 'PARTNER_SUSPENDED', { partner: suspended }),
            ]
          : []),
      ];
    },
    partner,
  );
});

const malformedKeys = ({ keys: { secretKey } }: TestPartner) => [
  secretKey.toUpperCase(),
  secretKey.slice(0, -1),
  `${secretKey}0`,
  secretKey.replace('sk_', ''),
  secretKey.replace('sk_test_', 'sk_prod_'),
  `${secretKey}, ${secretKey}`,
  '',
  'null',
];
