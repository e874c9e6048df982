import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccountApp, as, SettableClock, startAccountApp } from '../../test/account-app.ts';
import { hashPassword, isPassword } from './passwords.ts';

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

const change = (accessToken: string, currentPassword: string, newPassword = 'another fine day') =>
  app.post('partner/auth/change-password', { currentPassword, newPassword }, as(accessToken));

test('a flood of passwords is hashed two at a time, and what would wait too long is refused at once', async () => {
  const began = performance.now();
  const outcomes = await Promise.allSettled(Array.from({ length: 160 }, () => hashPassword('correct horse battery')));
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused.length).toBe(160 - 102);
  expect(refused[0]).toHaveProperty('reason.code', 'OVERLOADED');
  console.log(`102 hashes took ${(performance.now() - began).toFixed(0)} ms`);
  const hash = await hashPassword('correct horse battery');
  expect(await isPassword('correct horse battery', hash)).toBe(true);
});

test('nobody has the password that unknown addresses are compared with', async () => {
  for (const password of ['', 'x', 'nobody', 'password']) expect(await isPassword(password, undefined)).toBe(false);
});

test('a password is changed by who knows the present one; every session ends and a mail tells', async () => {
  const person = await app.newPerson();
  const [one, other] = [(await app.logIn(person)).body, (await app.logIn(person)).body];
  expect(await change(one.accessToken, 'not the right one')).toMatchObject({
    status: 401,
    body: { code: 'INVALID_CREDENTIALS' },
  });
  expect(await change(one.accessToken, person.password, 'aaaaaaaaaaaa')).toMatchObject({
    status: 400,
    body: { errors: [{ path: '/newPassword' }] },
  });
  expect((await change(one.accessToken, person.password)).status).toBe(204);
  for (const { refreshToken } of [one, other]) {
    expect((await app.post('partner/auth/refresh', { refreshToken })).status).toBe(401);
  }
  expect((await app.logIn(person)).status).toBe(401);
  expect((await app.logIn({ ...person, password: 'another fine day' })).status).toBe(200);
  await app.sendMails();
  expect(app.mailTo(person.email)?.subject).toBe('Your password was changed');
});

test('a stolen access token does not do to guess the password', async () => {
  const { accessToken } = (await app.logIn(await app.newPerson())).body;
  const codes = [];
  for (let guess = 0; guess < 10; guess++) codes.push((await change(accessToken, `guess number ${guess}`)).body.code);
  expect(codes.filter((code) => code === 'INVALID_CREDENTIALS').length).toBe(5);
  expect(codes.at(-1)).toBe('TOO_MANY_ATTEMPTS');
});

test('a link that was mailed before a change of the password is no key to the account any more', async () => {
  const person = await app.newPerson();
  const { accessToken } = (await app.logIn(person)).body;
  await app.post('partner/auth/forgot-password', { email: person.email });
  await app.sendMails();
  const { token } = app.mailTo(person.email) ?? {};
  await change(accessToken, person.password);
  const answer = await app.post('partner/auth/reset-password', { token, password: 'the password of a thief' });
  expect(answer).toMatchObject({ status: 422, body: { code: 'LINK_NOT_VALID' } });
});
