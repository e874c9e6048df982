import { decodeJwt } from 'jose';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, as, randomAddress, SettableClock, startAccountApp } from '../../test/account-app.ts';

const SECOND = 1_000;

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

type Person = { email: string; password: string };

/** The person's app, an independent one. */
const codeOf = (secret: string, at = clock.now().getTime()) => new TOTP({ secret }).generate({ timestamp: at });
/** Long enough for the next code, so that each is used once. */
const nextCode = (secret: string) => {
  clock.advance(31 * SECOND);
  return codeOf(secret);
};
const call = (path: string, accessToken: string, body: object) =>
  app.post(`partner/auth/totp${path}`, body, as(accessToken));

async function newPersonWithTotp() {
  const person = await app.newPerson();
  const { body } = await app.logIn(person);
  const { secret } = (await call('', body.accessToken, { password: person.password })).body;
  const confirmed = await call('/confirm', body.accessToken, { otp: nextCode(secret) });
  expect(confirmed.status).toBe(200);
  return { person, secret, recoveryCodes: confirmed.body.recoveryCodes, accessToken: body.accessToken };
}

const logIn = (person: Person, otp?: string, remoteAddress = randomAddress()) =>
  app.post('partner/auth/login', { ...person, ...(otp === undefined ? {} : { otp }) }, { remoteAddress });

describe('enrolling', () => {
  test('gives a seed that every app takes, and counts once a first code was seen', async () => {
    const person = await app.newPerson();
    const { body } = await app.logIn(person);
    const enrolled = await call('', body.accessToken, { password: person.password });
    expect(enrolled.status).toBe(201);
    const url = new URL(String(enrolled.body.otpauthUrl));
    expect(`${url.protocol}//${url.host}`).toBe('otpauth://totp');
    expect(decodeURIComponent(url.pathname)).toBe(`/SIR Giving:${person.email}`);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      secret: enrolled.body.secret,
      digits: '6',
      period: '30',
    });
    expect((await logIn(person)).status).toBe(200);
    expect(await call('/confirm', body.accessToken, { otp: '000000' })).toMatchObject({
      status: 401,
      body: { code: 'INVALID_OTP' },
    });
    const confirmed = await call('/confirm', body.accessToken, { otp: codeOf(enrolled.body.secret) });
    expect(new Set(confirmed.body.recoveryCodes).size).toBe(10);
    expect(await logIn(person)).toMatchObject({ status: 401, body: { code: 'OTP_REQUIRED' } });
    const again = await call('', body.accessToken, { password: person.password });
    expect(again).toMatchObject({ status: 409, body: { code: 'TOTP_ALREADY_ENABLED' } });
  });

  test('and turning off need the password, turning off a code too', async () => {
    const { person, secret, accessToken } = await newPersonWithTotp();
    const other = await app.newPerson();
    const session = (await app.logIn(other)).body.accessToken;
    expect(await call('', session, { password: 'not the right one' })).toMatchObject({
      status: 401,
      body: { code: 'INVALID_CREDENTIALS' },
    });
    const disable = (password: string, otp: string) => call('/disable', accessToken, { password, otp });
    expect(await disable('not the right one', nextCode(secret))).toMatchObject({
      body: { code: 'INVALID_CREDENTIALS' },
    });
    expect(await disable(person.password, '000000')).toMatchObject({ body: { code: 'INVALID_OTP' } });
    expect((await disable(person.password, nextCode(secret))).status).toBe(204);
    expect((await logIn(person)).status).toBe(200);
    expect(await disable(person.password, '000000')).toMatchObject({ status: 422, body: { code: 'TOTP_NOT_ENABLED' } });
  });
});

describe('a log-in with one-time passwords', () => {
  test('asks for one only after the right password, and tells so in the token', async () => {
    const { person, secret } = await newPersonWithTotp();
    const wrong = await logIn({ ...person, password: 'not the right one' }, nextCode(secret));
    expect(wrong.body.code).toBe('INVALID_CREDENTIALS');
    const { status, body } = await logIn(person, codeOf(secret));
    expect(status).toBe(200);
    const claims = decodeJwt(body.accessToken);
    expect(claims.amr).toEqual(['pwd', 'otp']);
    expect(claims.otp_at).toBe(Math.floor(clock.now().getTime() / 1_000));
  });

  test('takes each code once, also when it is sent many times at once', async () => {
    const { person, secret } = await newPersonWithTotp();
    const otp = nextCode(secret);
    const answers = await Promise.all(Array.from({ length: 5 }, () => logIn(person, otp)));
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect((await logIn(person, otp)).body.code).toBe('INVALID_OTP');
  });

  test('takes the codes of a clock that is half a minute off, and no others', async () => {
    const { person, secret } = await newPersonWithTotp();
    clock.advance(300 * SECOND);
    const now = clock.now().getTime();
    expect((await logIn(person, codeOf(secret, now - 90 * SECOND))).status).toBe(401);
    expect((await logIn(person, codeOf(secret, now + 90 * SECOND))).status).toBe(401);
    expect((await logIn(person, codeOf(secret, now - 30 * SECOND))).status).toBe(200);
    expect((await logIn(person, codeOf(secret, now + 30 * SECOND))).status).toBe(200);
    // The code of now is older than one that was used.
    expect((await logIn(person, codeOf(secret, now))).status).toBe(401);
  });

  test('takes each recovery code once', async () => {
    const { person, recoveryCodes } = await newPersonWithTotp();
    const [first = '', second = ''] = recoveryCodes;
    expect(first).toMatch(/^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/);
    expect((await logIn(person, first)).status).toBe(200);
    expect((await logIn(person, first)).body.code).toBe('INVALID_OTP');
    expect((await logIn(person, second)).status).toBe(200);
  });

  test('slows down guesses from all unknown networks together, but not where the person has logged in before', async () => {
    const { person, secret } = await newPersonWithTotp();
    const home = randomAddress();
    expect((await logIn(person, nextCode(secret), home)).status).toBe(200);
    const codes = [];
    for (let index = 0; index < 12; index++) codes.push((await logIn(person, '000000')).body.code);
    expect(codes.filter((code) => code === 'INVALID_OTP').length).toBe(5);
    expect(codes.at(-1)).toBe('TOO_MANY_ATTEMPTS');
    expect((await logIn(person, codeOf(secret, clock.now().getTime() + 30 * SECOND), home)).status).toBe(200);
  });
});

describe('a one-time password given anew', () => {
  test('renews the time in the access token of the same session', async () => {
    const { person, secret } = await newPersonWithTotp();
    const { body } = await logIn(person, nextCode(secret));
    clock.advance(400 * SECOND);
    const proven = await call('/prove', body.accessToken, { otp: codeOf(secret) });
    expect(proven.status).toBe(200);
    const [before, after] = [decodeJwt(body.accessToken), decodeJwt(proven.body.accessToken)];
    expect(after.sid).toBe(before.sid);
    expect(after.otp_at).toBe(Math.floor(clock.now().getTime() / 1_000));
    const refreshed = await app.post('partner/auth/refresh', { refreshToken: body.refreshToken });
    expect(decodeJwt(refreshed.body.accessToken).otp_at).toBe(after.otp_at);
    expect((await app.get('partner/auth/me', proven.body.accessToken)).status).toBe(200);
  });

  test('cannot be guessed with a stolen access token', async () => {
    const { accessToken } = await newPersonWithTotp();
    const codes = [];
    for (let index = 0; index < 12; index++)
      codes.push((await call('/prove', accessToken, { otp: '000000' })).body.code);
    expect(codes.filter((code) => code === 'INVALID_OTP').length).toBeLessThanOrEqual(5);
    expect(codes.at(-1)).toBe('TOO_MANY_ATTEMPTS');
  });
});

test('seeds are sealed for their account, recovery codes hashed', async () => {
  const { secret, recoveryCodes, person } = await newPersonWithTotp();
  const other = await newPersonWithTotp();
  const rows = [await app.sql`select * from accounts`, await app.sql`select * from account_recovery_codes`];
  const text = JSON.stringify(rows);
  for (const word of [secret, ...recoveryCodes]) {
    expect(text).not.toContain(word);
    expect(text).not.toContain(JSON.stringify([...Buffer.from(word)]).slice(1, -1));
  }
  await app.sql`
    update accounts set totp_seed_encrypted = (select totp_seed_encrypted from accounts where email = ${other.person.email})
    where email = ${person.email}`;
  await expect(logIn(person, nextCode(other.secret))).rejects.toMatchObject({ name: 'SecretNotOpened' });
});
