import { afterAll, beforeAll, expect, test } from 'vitest';
import { authenticationOf, signedRequest, testSecretBox, toWrite } from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import { randomIds, rowId } from '../platform/ids.ts';
import { type DemoCredentials, seedDemo } from './seed-demo.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const seed = (keptPublicKey?: string) =>
  seedDemo({ sql: database.sql, clock: systemClock, ids: randomIds, secretBox: testSecretBox }, { keptPublicKey });

const worksFor = async (credentials: DemoCredentials) => {
  const keys = { ...credentials, id: '' };
  const caller = await authenticationOf(database.sql)(signedRequest(keys, { method: 'POST', body: '{}' }), toWrite);
  return caller.tenant;
};

test('the demo partner is made once with a funded pool, and its credentials anew only when they are lost', async () => {
  // Two processes that start at once.
  const starts = await Promise.all([seed(), seed()]);
  const [first, second] = starts;
  if (first === undefined || second === undefined) throw new Error('no credentials');
  expect(first).toEqual({
    environment: 'sandbox',
    partner: { id: expect.stringMatching(/^ptn_/), name: 'Demo Partner', slug: 'demo-partner' },
    publicKey: expect.stringMatching(/^pk_test_/),
    secretKey: expect.stringMatching(/^sk_test_/),
    hmacSecret: expect.stringMatching(/^[0-9a-f]{64}$/),
    tokenPoolId: expect.stringMatching(/^pool_/),
    portal: { email: 'owner@demo-partner.example', password: expect.stringMatching(/^[\w-]{20}$/) },
    admin: { email: 'admin@sirgiving.example', password: expect.stringMatching(/^[\w-]{20}$/) },
  });
  expect(second.partner).toEqual(first.partner);
  expect(second.tokenPoolId).toBe(first.tokenPoolId);
  expect(second.secretKey).not.toBe(first.secretKey);

  expect(await seed(first.publicKey)).toBeUndefined();
  const renewed = await seed();
  expect(renewed).toMatchObject({ partner: first.partner, tokenPoolId: first.tokenPoolId });

  const tenant = { partnerId: rowId('ptn', first.partner.id), environment: 'sandbox' };
  for (const credentials of [...starts, renewed]) {
    expect(credentials === undefined ? undefined : await worksFor(credentials)).toEqual(tenant);
  }
  const pools = await database.sql`
    select p.is_default, a.balance from token_pools p join ledger_accounts a on a.partner_id = p.partner_id and a.id = p.id`;
  expect([...pools]).toEqual([{ is_default: true, balance: 1_000_000 }]);
  expect(await database.sql`select environment from api_keys`).toHaveLength(3);

  await database.sql`update api_keys set revoked_at = now() where public_key = ${first.publicKey}`;
  expect(await seed(first.publicKey)).toMatchObject({ partner: first.partner });
});

test('credentials of a lost database are no reason to go without: a new partner always gets some', async () => {
  const other = await createTestDatabase();
  try {
    const deps = { sql: other.sql, clock: systemClock, ids: randomIds, secretBox: testSecretBox };
    expect(await seedDemo(deps, { keptPublicKey: `pk_test_${'0'.repeat(64)}` })).toBeDefined();
  } finally {
    await other.drop();
  }
});
