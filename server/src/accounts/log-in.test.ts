import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, randomAddress, SettableClock, startAccountApp } from '../../test/account-app.ts';
import { createAccount } from './create-account.ts';
import { hashPassword } from './passwords.ts';

const SECOND = 1_000;

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

type Person = { email: string; password: string };
const logIn = ({ email, password }: Person, remoteAddress = randomAddress()) =>
  app.post('partner/auth/login', { email, password }, { remoteAddress });
const guess = (email: string, remoteAddress: string) => logIn({ email, password: 'a wrong guess' }, remoteAddress);
const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

describe('an unknown address', () => {
  test('is answered in the same words as a wrong password', async () => {
    const person = await app.newPerson();
    const [wrong, unknown] = [
      await guess(person.email, randomAddress()),
      await guess('nobody@example.org', randomAddress()),
    ];
    expect(wrong.status).toBe(401);
    expect({ ...unknown, headers: {}, body: { ...unknown.body, requestId: '' } }).toEqual({
      ...wrong,
      headers: {},
      body: { ...wrong.body, requestId: '' },
    });
    const names = (headers: object) => Object.keys(headers).sort();
    expect(names(unknown.headers)).toEqual(names(wrong.headers));
  });

  test('is answered in the same time as a wrong password', async () => {
    const person = await app.newPerson();
    const times = { known: [] as number[], unknown: [] as number[] };
    const measure = async (email: string) => {
      const begin = performance.now();
      await guess(email, randomAddress());
      return performance.now() - begin;
    };
    await measure(person.email);
    for (let round = 0; round < 60; round++) {
      times.known.push(await measure(person.email));
      times.unknown.push(await measure(`nobody-${round}@example.org`));
    }
    const [known, unknown] = [median(times.known), median(times.unknown)];
    console.log(`a wrong password: ${known.toFixed(2)} ms, an unknown address: ${unknown.toFixed(2)} ms`);
    // Without a hash to compare with, an unknown address would take a fifth of the time.
    expect(Math.abs(known - unknown)).toBeLessThan(0.5 * Math.max(known, unknown));
  });
});

describe('guessing', () => {
  test('slows down more and more for an account from one network, and says for how long', async () => {
    const { email } = await app.newPerson();
    const address = randomAddress();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 22; attempt++) {
      const answer = await guess(email, address);
      if (answer.status === 429) {
        expect(answer.body.code).toBe('TOO_MANY_ATTEMPTS');
        const wait = Number(answer.headers['retry-after']);
        waits.push(wait);
        clock.advance(wait * SECOND - 1);
        expect((await guess(email, address)).status).toBe(429);
        clock.advance(1);
      }
    }
    expect(waits.length).toBeGreaterThan(5);
    expect(waits.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 32]);
  });

  test('a thousand at once is not a thousand guesses', async () => {
    const { email } = await app.newPerson();
    const address = randomAddress();
    const beside = await startAccountApp({ beside: app, clock });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? app : beside).post(
          'partner/auth/login',
          { email, password: `guess number ${index}` },
          { remoteAddress: address },
        ),
      ),
    );
    const judged = answers.filter(({ status }) => status === 401);
    expect(judged.length).toBe(10);
    expect(answers.length - judged.length).toBe(answers.filter(({ status }) => status === 429).length);
    await beside.close();
  });

  test('from an IPv6 network counts for the network, whatever address of it is used', async () => {
    const { email } = await app.newPerson();
    const answers = [];
    for (let index = 0; index < 12; index++) answers.push(await guess(email, `2001:db8:1:2::${index + 1}`));
    expect(answers.map(({ status }) => status)).toEqual([...Array(10).fill(401), 429, 429]);
    expect((await guess(email, '2001:db8:1:3::1')).status).toBe(401);
  });

  test('at many accounts from one network slows down the network', async () => {
    const address = randomAddress();
    const answers = [];
    for (let index = 0; index < 60; index++) answers.push(await guess(`victim-${index}@example.org`, address));
    const judged = answers.filter(({ status }) => status === 401).length;
    expect(judged).toBeGreaterThanOrEqual(50);
    expect(judged).toBeLessThan(55);
    expect(answers.at(-1)?.status).toBe(429);
  });
});

describe('nobody can lock another out', () => {
  test('a stranger’s guesses, however many, do not keep the owner from logging in from elsewhere', async () => {
    const person = await app.newPerson();
    for (let network = 0; network < 5; network++) {
      const address = randomAddress();
      for (let attempt = 0; attempt < 15; attempt++) await guess(person.email, address);
    }
    expect((await logIn(person)).status).toBe(200);
  });

  test('guesses at other accounts from the owner’s own network do not keep out who has logged in there before', async () => {
    const person = await app.newPerson();
    const office = randomAddress();
    expect((await logIn(person, office)).status).toBe(200);
    for (let index = 0; index < 60; index++) await guess(`victim-${index}@example.org`, office);
    expect((await guess('newcomer@example.org', office)).status).toBe(429);
    expect((await logIn(person, office)).status).toBe(200);
  });

  test('a new password by mail lets the owner in at once, from where the guesses came too', async () => {
    const person = await app.newPerson();
    const office = randomAddress();
    for (let attempt = 0; attempt < 15; attempt++) await guess(person.email, office);
    expect((await logIn(person, office)).status).toBe(429);
    await app.post('partner/auth/forgot-password', { email: person.email }, { remoteAddress: office });
    await app.sendMails();
    const password = 'another fine day';
    const { token } = app.mailTo(person.email) ?? {};
    const reset = await app.post('partner/auth/reset-password', { token, password }, { remoteAddress: office });
    expect(reset.status).toBe(204);
    expect((await logIn({ ...person, password }, office)).status).toBe(200);
  });

  test('being refused does not prolong the wait', async () => {
    const person = await app.newPerson();
    const address = randomAddress();
    let answer = await guess(person.email, address);
    while (answer.status === 401) answer = await guess(person.email, address);
    for (let attempt = 0; attempt < 50; attempt++) await guess(person.email, address);
    clock.advance(Number(answer.headers['retry-after']) * SECOND);
    expect((await logIn(person, address)).status).toBe(200);
  });
});

test('a right password starts the count anew', async () => {
  const person = await app.newPerson();
  const address = randomAddress();
  for (let round = 0; round < 4; round++) {
    for (let attempt = 0; attempt < 8; attempt++) expect((await guess(person.email, address)).status).toBe(401);
    expect((await logIn(person, address)).status).toBe(200);
  }
});

test('counters name neither addresses of mail nor of the network', async () => {
  const { email } = await app.newPerson();
  await guess(email, '203.0.113.77');
  const rows = await app.sql`select *, encode(key_hash, 'escape') as text from attempt_counters`;
  expect(rows.length).toBeGreaterThan(0);
  for (const word of [email, '203.0.113.77']) expect(JSON.stringify(rows)).not.toContain(word);
});

test('what a seed made cannot log in to a process that serves production', async () => {
  const production = await startAccountApp({ beside: app, clock, environment: 'production' });
  const person = { email: 'seeded@example.org', password: 'correct horse battery' };
  const passwordHash = await hashPassword(person.password);
  const wanted = { email: person.email, passwordHash, sandboxOnly: true, createdAt: clock.now() };
  await app.sql.begin((tx) => createAccount(tx, app.deps.ids, wanted));
  expect((await production.logIn(person)).status).toBe(401);
  expect((await app.logIn(person)).status).toBe(200);
  await production.close();
});

test('passwords are kept as argon2id: 19 MiB, two passes, one lane, a salt of its own', async () => {
  const persons = [await app.newPerson(), await app.newPerson()];
  const rows = await app.sql<{ hash: string }[]>`
    select password_hash as hash from accounts where email in ${app.sql(persons.map(({ email }) => email))}`;
  for (const { hash } of rows) expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(new Set(rows.map(({ hash }) => hash)).size).toBe(2);
});

test('the same letters typed on another keyboard are the same password', async () => {
  const email = 'jose@example.org';
  await app.post('partner/auth/register', { email, password: 'pase usted, José' }, { remoteAddress: randomAddress() });
  await app.sendMails();
  await app.post('partner/auth/verify-email', { token: app.mailTo(email)?.token });
  expect((await app.logIn({ email, password: 'pase usted, Jose\u0301' })).status).toBe(200);
});
