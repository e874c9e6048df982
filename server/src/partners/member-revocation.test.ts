import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { publicId } from '../platform/ids.ts';
import { leaveTeam, removeMember } from './team/change-team.ts';

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

const MEMBERS = '/v1/partner/members';

test('a role that is taken is refused within a second by a second process that knew it', async () => {
  const owner = await t.newMember('owner');
  const [removed, leaving] = [await t.newMember('developer'), await t.newMember('developer')];
  const codes = async () =>
    Promise.all([removed, leaving].map(async (one) => (await other.by(one, 'GET', MEMBERS)).body.code));
  expect(await codes()).toEqual([undefined, undefined]);
  await t.by(owner, 'DELETE', `${MEMBERS}/${publicId('acc', removed.accountId)}`);
  await t.by(leaving, 'POST', `${MEMBERS}/leave`);
  await sleep(1_000);
  expect(await codes()).toEqual(['INVALID_ACCESS_TOKEN', 'PARTNER_REQUIRED']);
});

test('also while nobody can look whether it was taken: 503, never a stale yes', async () => {
  const [removed, leaving] = [await t.newMember('developer'), await t.newMember('developer')];
  const { partnerId } = t.partner;
  const busy = async (answers: { at: number; status: number }[], until: () => boolean) => {
    while (!until()) {
      const at = performance.now();
      const [first, second] = await Promise.all([other.by(removed, 'GET', MEMBERS), other.by(leaving, 'GET', MEMBERS)]);
      answers.push({ at, status: first.status }, { at, status: second.status });
      await sleep(20);
    }
  };
  const answers: { at: number; status: number }[] = [];
  let stopped = false;
  const reading = busy(answers, () => stopped);
  await sleep(200);
  let takenAt = 0;
  await t.sql.begin(async (tx) => {
    await removeMember(tx, partnerId, publicId('acc', removed.accountId), new Date(Date.UTC(2026, 0)));
    await leaveTeam(tx, partnerId, leaving.accountId);
    await tx`lock table credential_changes in access exclusive mode`;
    takenAt = performance.now();
    await sleep(2_500);
  });
  await sleep(1_200);
  stopped = true;
  await reading;
  const late = answers.filter(({ at }) => at > takenAt + 1_000);
  expect(late.length).toBeGreaterThan(5);
  expect(late.filter(({ status }) => status < 400)).toEqual([]);
  // Those that came while the lock was there have waited for a look.
  expect(answers.some(({ at, status }) => at > takenAt && status === 503)).toBe(true);
});
