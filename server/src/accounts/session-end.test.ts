import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccountApp, as, startAccountApp } from '../../test/account-app.ts';
import { systemClock } from '../platform/clock.ts';
import type { Tx } from '../platform/db.ts';
import { disableAccount, enableAccount } from './disable-account.ts';
import { endSessionsOf } from './end-sessions.ts';
import { findAccountByEmail } from './queries.ts';

const SECOND = 1_000;

let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp();
});
afterAll(() => app.close());

interface Person {
  email: string;
  password: string;
  accountId: string;
  accessToken: string;
  refreshToken: string;
}

async function newSession(): Promise<Person> {
  const person = await app.newPerson();
  const [{ body }, account] = [await app.logIn(person), await findAccountByEmail(app.sql, person.email)];
  if (account === undefined) throw new Error('no account');
  return { ...person, accountId: account.id, accessToken: body.accessToken, refreshToken: body.refreshToken };
}

/** What takes a session away, by HTTP where there is an endpoint for it. */
const ends: { name: string; end: (person: Person) => Promise<unknown> }[] = [
  { name: 'a log-out', end: ({ refreshToken }) => app.post('partner/auth/logout', { refreshToken }) },
  {
    name: 'a changed password',
    end: ({ password, accessToken }) =>
      app.post(
        'partner/auth/change-password',
        { currentPassword: password, newPassword: 'another fine day' },
        as(accessToken),
      ),
  },
  {
    name: 'a password that was reset',
    end: async ({ email }) => {
      await app.post('partner/auth/forgot-password', { email });
      await app.sendMails();
      const token = app.mailTo(email)?.token;
      await app.post('partner/auth/reset-password', { token, password: 'another fine day' });
    },
  },
  { name: 'a changed role', end: (person) => change((tx, now) => endSessionsOf(tx, person.accountId, 'ROLE', now)) },
  { name: 'a disabled account', end: (person) => change((tx, now) => disableAccount(tx, person.accountId, now)) },
];

const change = (work: (tx: Tx, now: Date) => Promise<unknown>) => app.sql.begin((tx) => work(tx, systemClock.now()));

/** A second process, warm and busy with a token. */
async function busyProcess({ accessToken }: Person) {
  const process = await startAccountApp({ beside: app });
  /** By when they were asked for: a busy machine may take its time to answer. */
  const answers: { at: number; status: number }[] = [];
  const state = { stopped: false };
  const loop = (async () => {
    while (!state.stopped) {
      const at = performance.now();
      const { status } = await process.get('partner/auth/me', accessToken);
      answers.push({ at, status });
      await sleep(5);
    }
  })();
  while (answers.filter(({ status }) => status === 200).length < 20) await sleep(5);
  return {
    answers,
    /** Waits until so many requests have been answered that were sent after a moment: on a busy machine that takes its time. */
    hasAnswered: async (count: number, after: number) => {
      while (answers.filter(({ at }) => at > after).length < count) await sleep(20);
    },
    stop: async () => {
      state.stopped = true;
      await loop;
      await process.close();
    },
  };
}

const prepare = () =>
  Promise.all(
    ends.map(async (one) => {
      const person = await newSession();
      return { ...one, person, process: await busyProcess(person) };
    }),
  );

test('a session that is ended is refused within a second by another process that knew it', async () => {
  const busy = await prepare();
  const ended = [];
  try {
    for (const one of busy) {
      await one.end(one.person);
      ended.push({ ...one, endedAt: performance.now() });
    }
    for (const { endedAt, process } of ended) await process.hasAnswered(10, endedAt + SECOND);
  } finally {
    await Promise.all(busy.map(({ process }) => process.stop()));
  }
  for (const { name, endedAt, process } of ended) {
    const late = process.answers.filter(({ at }) => at > endedAt + SECOND);
    expect(new Set(late.map(({ status }) => status)), name).toEqual(new Set([401]));
  }
});

test('also while nobody can look whether it has ended: 503, never a stale yes', async () => {
  const person = await newSession();
  const process = await busyProcess(person);
  let endedAt = 0;
  try {
    await app.sql.begin(async (tx) => {
      await tx`lock table credential_changes in access exclusive mode`;
      await sleep(300);
      await endSessionsOf(tx, person.accountId, 'ROLE', systemClock.now());
      endedAt = performance.now();
      await sleep(1.4 * SECOND);
    });
    await process.hasAnswered(10, performance.now() + SECOND);
  } finally {
    await process.stop();
  }
  const late = process.answers.filter(({ at }) => at > endedAt + SECOND);
  expect(late.length).toBeGreaterThan(0);
  for (const { status } of late) expect([401, 503]).toContain(status);
  expect(late.at(-1)?.status).toBe(401);
});

test('no refresh token of an ended session works, and other people are not touched', async () => {
  const [bystander, ...persons] = await Promise.all([newSession(), ...ends.map(newSession)]);
  for (const [index, { end }] of ends.entries()) {
    const person = persons[index] as Person;
    await end(person);
    const answer = await app.post('partner/auth/refresh', { refreshToken: person.refreshToken });
    expect(answer.status, ends[index]?.name).toBe(401);
  }
  const { refreshToken, accessToken } = bystander as Person;
  expect((await app.get('partner/auth/me', accessToken)).status).toBe(200);
  expect((await app.post('partner/auth/refresh', { refreshToken })).status).toBe(200);
});

test('a disabled account cannot log in, in the words of a wrong password; enabled again it can, and old sessions stay ended', async () => {
  const person = await newSession();
  const wrong = await app.logIn({ ...person, password: 'not the right one' });
  await change((tx, now) => disableAccount(tx, person.accountId, now));
  const refused = await app.logIn(person);
  expect({ ...refused.body, requestId: '' }).toEqual({ ...wrong.body, requestId: '' });
  await app.post('partner/auth/forgot-password', { email: person.email });
  await app.sendMails();
  expect(app.mailTo(person.email)?.subject).not.toContain('password');
  await change((tx) => enableAccount(tx, person.accountId));
  expect((await app.logIn(person)).status).toBe(200);
  expect((await app.get('partner/auth/me', person.accessToken)).status).toBe(401);
});

test('a log-in that races with a password change never leaves a session of the old password', async () => {
  for (let round = 0; round < 5; round++) {
    const person = await newSession();
    const wish = { currentPassword: person.password, newPassword: 'another fine day' };
    const [changed, ...logIns] = await Promise.all([
      app.post('partner/auth/change-password', wish, as(person.accessToken)),
      ...Array.from({ length: 4 }, () => app.logIn(person)),
    ]);
    expect(changed.status).toBe(204);
    for (const { status, body } of logIns) {
      if (status !== 200) continue;
      expect((await app.post('partner/auth/refresh', { refreshToken: body.refreshToken })).status).toBe(401);
    }
  }
});
