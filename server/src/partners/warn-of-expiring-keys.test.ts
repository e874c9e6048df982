import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../test/app.ts';
import { systemClock } from '../platform/clock.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { MailBox } from '../platform/mail.ts';
import { MailOutbox } from '../platform/mail-outbox.ts';
import { createKey } from './create-key.ts';
import { warnOfExpiringKeys } from './warn-of-expiring-keys.ts';

const DAY_MILLISECONDS = 86_400_000;
const log = pino({ level: 'silent' });

let t: TestApp;
const start = systemClock.now().getTime();
const clock = { days: 0, now: () => new Date(start + clock.days * DAY_MILLISECONDS) };
beforeAll(async () => {
  t = await startTestApp();
});
afterAll(() => t.close());

const mailBox = new MailBox('test', clock);
function deps(environment: 'sandbox' | 'production' = 'sandbox') {
  const parts = { clock, ids: randomIds, secretBox: t.secretBox, environment };
  const mailOutbox = new MailOutbox({ ...parts, delivery: { kind: 'memory', mailBox } });
  return { ...parts, sql: t.sql, mailOutbox, log };
}

async function keyFor(partner: TestPartner, lifeDays: number, more: object = {}) {
  const { partnerId, environment } = partner;
  const expiresAt = new Date(clock.now().getTime() + lifeDays * DAY_MILLISECONDS);
  const wanted = { partnerId, environment, name: 'Expiring', createdAt: clock.now(), expiresAt, ...more };
  return t.sql.begin((tx) => createKey(tx, randomIds, t.secretBox, wanted));
}

async function eventsOf({ partnerId, environment }: TestPartner) {
  const rows = await t.sql<{ data: { daysLeft: number; keyId: string } }[]>`
    select data from events where partner_id = ${partnerId} and environment = ${environment} and type = 'api_key.expiring'
    order by position`;
  return rows.map(({ data }) => data);
}

/** What workers do while the days go by, several of them, more often than there is something to tell. */
async function passDays(until: number): Promise<void> {
  for (clock.days = 0; clock.days <= until; clock.days += 0.5) {
    await Promise.all([warnOfExpiringKeys(deps()), warnOfExpiringKeys(deps())]);
    await deps().mailOutbox.sendDue(t.sql, log);
  }
}

test('a key’s partner is told 30, 7 and 1 days before it expires, once each, by event and by mail', async () => {
  clock.days = 0;
  const partner = await t.newPartner({ poolTokens: 0 });
  const owner = await t.newMember('owner', partner);
  await t.newMember('developer', partner);
  const key = await keyFor(partner, 40);
  const [short, rotated, foreign] = [
    await t.newPartner(),
    await t.newPartner(),
    await t.newPartner({ environment: 'production' }),
  ];
  await keyFor(short, 5);
  const old = await keyFor(rotated, 40);
  await keyFor(rotated, 400, { rotatedFrom: old.id });
  await keyFor(foreign, 40);
  await passDays(41);
  const events = await eventsOf(partner);
  expect(events.map(({ daysLeft }) => daysLeft)).toEqual([30, 7, 1]);
  expect(events[0]).toEqual({
    keyId: publicId('key', key.id),
    name: 'Expiring',
    publicKey: key.publicKey,
    expiresAt: new Date(start + 40 * DAY_MILLISECONDS).toISOString(),
    daysLeft: 30,
  });
  expect(mailBox.list().map(({ to }) => to)).toEqual([owner.email, owner.email, owner.email]);
  expect(await eventsOf(short)).toMatchObject([{ daysLeft: 1 }]);
  expect(await eventsOf(rotated)).toEqual([]);
  // Each environment has a worker of its own, which tells of its own keys.
  expect(await eventsOf(foreign)).toEqual([]);
  clock.days = 20;
  expect(await warnOfExpiringKeys(deps('production'))).toBe(1);
});

test('the mail goes to the contact address where there is one, and says which key', async () => {
  clock.days = 0;
  const partner = await t.newPartner({ poolTokens: 0 });
  await t.newMember('owner', partner);
  await t.sql`update partners set contact_email = 'alerts@shop.example' where id = ${partner.partnerId}`;
  const { publicKey } = await keyFor(partner, 40);
  clock.days = 35;
  await warnOfExpiringKeys(deps());
  await deps().mailOutbox.sendDue(t.sql, log);
  const mail = mailBox.list().find(({ to }) => to === 'alerts@shop.example');
  expect(mail?.text).toContain(publicKey.slice(0, 16));
  expect(mail?.text).not.toContain(publicKey);
});

test('a new expiry is told anew, and a revoked key’s not at all', async () => {
  clock.days = 0;
  const partner = await t.newPartner({ poolTokens: 0 });
  const [key, revoked] = [await keyFor(partner, 40), await keyFor(partner, 40)];
  await t.sql`update api_keys set revoked_at = ${clock.now()} where id = ${revoked.id}`;
  clock.days = 20;
  await warnOfExpiringKeys(deps());
  await t.sql`
    update api_keys set expires_at = ${new Date(start + 90 * DAY_MILLISECONDS)}, expiry_set_at = ${clock.now()}, expiry_notice_days = null
    where id = ${key.id}`;
  for (const days of [21, 61, 62, 89.5]) {
    clock.days = days;
    await warnOfExpiringKeys(deps());
  }
  expect((await eventsOf(partner)).map(({ daysLeft }) => daysLeft)).toEqual([30, 30, 1]);
});
