import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, randomAddress, SettableClock, startAccountApp } from '../../test/account-app.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const PASSWORD = 'correct horse battery';

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

const post = (path: string, body: object) => app.post(`partner/auth/${path}`, body, { remoteAddress: randomAddress() });
const register = (email: string, more: object = {}) => post('register', { email, password: PASSWORD, ...more });
const verify = (token: string | undefined) => post('verify-email', { token });
const forgot = (email: string) => post('forgot-password', { email });
const reset = (token: string | undefined, password = 'another fine day') => post('reset-password', { token, password });
const withoutIds = ({ status, body }: { status: number; body: object }) => ({
  status,
  body: { ...body, requestId: '' },
});

async function mailed(email: string): Promise<string> {
  await app.sendMails();
  return app.mailTo(email)?.token ?? '';
}

const NOT_VALID = { status: 422, body: { code: 'LINK_NOT_VALID' } };

describe('a registration', () => {
  test('makes an account only when the mailed link is used, once', async () => {
    const email = 'once@example.org';
    const answer = await register(email, { firstName: 'Ada', lastName: 'Lovelace' });
    expect(answer).toMatchObject({ status: 201, body: { email, status: 'VERIFICATION_SENT' } });
    expect((await app.logIn({ email, password: PASSWORD })).status).toBe(401);
    const token = await mailed(email);
    expect(await verify(token)).toMatchObject({ status: 200, body: { email, emailVerified: true } });
    expect(await verify(token)).toMatchObject(NOT_VALID);
    const { body } = await app.logIn({ email, password: PASSWORD });
    expect(body.account).toMatchObject({ firstName: 'Ada', lastName: 'Lovelace', emailVerified: true });
  });

  test('is over after 30 minutes', async () => {
    const email = 'late@example.org';
    await register(email);
    const token = await mailed(email);
    clock.advance(30 * MINUTE);
    expect(await verify(token)).toMatchObject(NOT_VALID);
  });

  test('brings the password into force that came with it, and no other registration’s of the same address', async () => {
    const email = 'contested@example.org';
    await register(email, { password: 'the password of a stranger' });
    const strangers = await mailed(email);
    await register(email, { password: 'the password of the owner' });
    expect((await verify(await mailed(email))).status).toBe(200);
    expect(await verify(strangers)).toMatchObject(NOT_VALID);
    expect((await app.logIn({ email, password: 'the password of a stranger' })).status).toBe(401);
    expect((await app.logIn({ email, password: 'the password of the owner' })).status).toBe(200);
  });

  test('of an address that has an account is answered alike, changes nothing and says so by mail only', async () => {
    const person = await app.newPerson();
    const [again, fresh] = [await register(person.email.toUpperCase()), await register('fresh@example.org')];
    expect(withoutIds(again)).toEqual({
      ...withoutIds(fresh),
      body: { ...withoutIds(fresh).body, email: person.email.toUpperCase() },
    });
    await app.sendMails();
    expect(app.mailTo(person.email.toUpperCase())).toMatchObject({ subject: 'You already have an account', token: '' });
    expect((await app.logIn(person)).status).toBe(200);
  });

  test('at once by two with one link makes one account', async () => {
    const email = 'twice@example.org';
    await register(email);
    const token = await mailed(email);
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify(token)));
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect((await app.sql`select from accounts where email = ${email}`).length).toBe(1);
  });

  test.each([
    ['short', 'at least 10', 'too short'],
    ['aaaaaaaaaaaa', '5 different', 'of one letter'],
    ['weak-person@example.org', 'e-mail address', 'the e-mail address'],
  ])('with the password %s is refused', async (password, words) => {
    const answer = await register('weak-person@example.org', { password });
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
    expect(JSON.stringify(answer.body.errors)).toContain('/password');
    if (words !== 'at least 10') expect(answer.body.detail).toContain(words);
  });
});

describe('a forgotten password', () => {
  test('is set anew by a link that works once, and ends what the old one could', async () => {
    const person = await app.newPerson();
    const before = await app.logIn(person);
    expect(await forgot(person.email)).toMatchObject({ status: 200, body: { status: 'SENT_IF_KNOWN' } });
    const token = await mailed(person.email);
    expect((await reset(token)).status).toBe(204);
    expect(await reset(token, 'yet another one')).toMatchObject(NOT_VALID);
    expect((await app.logIn(person)).status).toBe(401);
    expect((await app.logIn({ ...person, password: 'another fine day' })).status).toBe(200);
    expect((await app.post('partner/auth/refresh', { refreshToken: before.body.refreshToken })).status).toBe(401);
    await app.sendMails();
    expect(app.mailTo(person.email)?.subject).toBe('Your password was changed');
  });

  test('has a link for 30 minutes', async () => {
    const person = await app.newPerson();
    await forgot(person.email);
    const token = await mailed(person.email);
    clock.advance(30 * MINUTE);
    expect(await reset(token)).toMatchObject(NOT_VALID);
  });

  test('that is asked for twice has two links, of which the first that is used ends the other', async () => {
    const person = await app.newPerson();
    await forgot(person.email);
    const first = await mailed(person.email);
    await forgot(person.email);
    const second = await mailed(person.email);
    expect(first).not.toBe(second);
    // A stranger who asks for links does not make the owner's useless.
    expect((await reset(first)).status).toBe(204);
    expect(await reset(second)).toMatchObject(NOT_VALID);
  });

  test('of an unknown address is answered in the same words and the same time, and mails nobody', async () => {
    const persons = [];
    for (let index = 0; index < 20; index++) persons.push(await app.newPerson());
    const times = { known: [] as number[], unknown: [] as number[] };
    const measure = async (email: string) => {
      const begin = performance.now();
      const answer = await forgot(email);
      return { milliseconds: performance.now() - begin, answer };
    };
    for (const [index, { email }] of persons.entries()) {
      const known = await measure(email);
      const unknown = await measure(`nobody-${index}@example.org`);
      times.known.push(known.milliseconds);
      times.unknown.push(unknown.milliseconds);
      const { body } = withoutIds(known.answer);
      expect(withoutIds(unknown.answer)).toEqual({
        status: 200,
        body: { ...body, email: `nobody-${index}@example.org` },
      });
    }
    const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
    const [known, unknown] = [median(times.known), median(times.unknown)];
    console.log(`a known address: ${known.toFixed(2)} ms, an unknown one: ${unknown.toFixed(2)} ms`);
    expect(Math.abs(known - unknown)).toBeLessThan(Math.max(1, 0.5 * Math.max(known, unknown)));
    await app.sendMails();
    expect(app.mailBox.list().filter(({ to }) => to.startsWith('nobody-'))).toEqual([]);
    for (const { email } of persons) expect(app.mailTo(email)?.subject).toBe('Choose a new password');
  });
});

test('nobody’s mailbox is flooded: five mails at once, then one in twelve minutes, whoever asks', async () => {
  const person = await app.newPerson();
  const count = async () => {
    await app.sendMails();
    return app.mailBox.list().filter(({ to, subject }) => to === person.email && subject === 'Choose a new password')
      .length;
  };
  for (let index = 0; index < 12; index++) expect((await forgot(person.email)).status).toBe(200);
  const first = await count();
  expect(first).toBeLessThanOrEqual(5);
  expect(first).toBeGreaterThan(2);
  clock.advance(13 * MINUTE);
  for (let index = 0; index < 5; index++) await forgot(person.email);
  expect(await count()).toBe(first + 1);
});

test('one network cannot ask for mails without end', async () => {
  const remoteAddress = randomAddress();
  const answers = [];
  for (let index = 0; index < 40; index++) {
    answers.push(await app.post('partner/auth/forgot-password', { email: `p${index}@example.org` }, { remoteAddress }));
  }
  expect(answers.at(-1)).toMatchObject({ status: 429, body: { code: 'TOO_MANY_ATTEMPTS' } });
  expect(Number(answers.at(-1)?.headers['retry-after'])).toBeGreaterThan(0);
});

test('without mail, what needs it answers 503 MAIL_NOT_CONFIGURED, and the rest works', async () => {
  const mute = await startAccountApp({ beside: app, clock, delivery: { kind: 'none' } });
  const person = await app.newPerson();
  const unavailable = { status: 503, body: { code: 'MAIL_NOT_CONFIGURED', retryable: false } };
  const wish = { email: 'new@example.org', password: PASSWORD };
  expect(await mute.post('partner/auth/register', wish)).toMatchObject(unavailable);
  expect(await mute.post('partner/auth/forgot-password', { email: person.email })).toMatchObject(unavailable);
  expect((await mute.logIn(person)).status).toBe(200);
  await mute.close();
});

test('unknown fields are refused, but on the documented log-in ignored and named', async () => {
  const person = await app.newPerson();
  expect((await register('x@example.org', { role: 'admin' })).status).toBe(400);
  const answer = await app.logIn(person, { rememberMe: true });
  expect(answer).toMatchObject({ status: 200, headers: { 'x-sir-ignored-fields': '/rememberMe' } });
});
