import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../test/app.ts';
import type { TestPerson } from '../../test/people.ts';
import { systemClock } from '../platform/clock.ts';
import { publicId, randomIds } from '../platform/ids.ts';

const MOST_TRANSACTIONS = 200_000;

let t: TestApp;
let admin: TestPerson;
/** A partner with as many rows as may be verified by HTTP. */
let large: TestPartner;
beforeAll(async () => {
  t = await startTestApp();
  admin = await t.newPerson({ admin: true });
  large = await t.newPartner({ poolTokens: 0 });
  await t.sql`
    insert into ledger_transactions (partner_id, id, environment, pool_id, sequence, kind, tokens, hash, created_at)
    select ${large.partnerId}, gen_random_uuid(), 'sandbox', ${randomIds.uuid()}, n, 'WITHDRAWAL', 1, '', ${systemClock.now()}
    from generate_series(1, ${MOST_TRANSACTIONS}) n`;
});
afterAll(() => t.close());

function verify(partner?: TestPartner, environment: 'sandbox' | 'production' = 'sandbox') {
  const query = partner === undefined ? '' : `?partnerId=${publicId('ptn', partner.partnerId)}`;
  return t.by(admin, 'GET', `/v1/admin/ledger/verification${query}`, undefined, { environment });
}

test('a book that is too large is refused with the way to verify it; a partner’s own and the other environment are not', async () => {
  const refused = await verify();
  expect(refused).toMatchObject({ status: 409, body: { code: 'LIMIT_REACHED' } });
  expect(refused.body.detail).toContain('sir-server ledger verify');
  expect((await verify(t.partner)).body).toMatchObject({ ok: true, checkedTransactions: 1 });
  expect((await verify(undefined, 'production')).body).toMatchObject({ ok: true, checkedTransactions: 0 });
});

test('one verification runs at a time: the next is 503 with Retry-After, and is taken when the first has ended', async () => {
  const answers = await Promise.all([verify(t.partner), verify(t.partner), verify(t.partner)]);
  expect(answers.map(({ status, body }) => body.code ?? status).sort()).toEqual([200, 'OVERLOADED', 'OVERLOADED']);
  expect(answers.find(({ status }) => status === 503)?.headers['retry-after']).toBe('1');
  expect((await verify()).body).toHaveProperty('code', 'LIMIT_REACHED');
  expect((await verify(t.partner)).status).toBe(200);
});

test('a verification takes as long as it takes: other reads are given up by then', async () => {
  const held = t.sql.begin(async (tx) => {
    await tx`lock table audit_log in access exclusive mode`;
    await sleep(4_850);
  });
  await sleep(100);
  expect((await verify(t.partner)).body).toMatchObject({ ok: true });
  await held;
});

test('the largest book that is taken is answered, however much is wrong with it', async () => {
  const { status, body, text } = await verify(large);
  expect(status, text.slice(0, 1_000)).toBe(200);
  expect(body).toMatchObject({ ok: false, checkedTransactions: MOST_TRANSACTIONS });
  expect(text.length).toBeLessThan(100_000);
});
