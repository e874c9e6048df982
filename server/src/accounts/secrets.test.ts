import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccountApp, as, SettableClock, startAccountApp } from '../../test/account-app.ts';
import { purgeAccounts } from './purge-accounts.ts';

const DAY = 86_400_000;

const clock = new SettableClock();
let app: AccountApp;
beforeAll(async () => {
  app = await startAccountApp({ clock });
});
afterAll(() => app.close());

/** Every row of every table, as text in which bytes stand in hex. */
async function dump(): Promise<string> {
  const tables = await app.sql<{ name: string }[]>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`;
  const rows = await Promise.all(tables.map(({ name }) => app.sql`select t::text as row from ${app.sql(name)} t`));
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n');
}

/** A secret as it may stand somewhere, in the clear or written in another way. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const forms = [
    secret,
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ];
  return forms.map((form) => form.replace(/=+$/, '').toLowerCase());
}

const leaks = (text: string, secrets: Record<string, string>) =>
  Object.entries(secrets)
    .filter(([, secret]) => formsOf(secret).some((form) => text.toLowerCase().includes(form)))
    .map(([name]) => name);

test('no password, token, seed or code of a person stands in a table in any form, whatever they did', async () => {
  const email = 'ada@example.org';
  const secrets: Record<string, string> = { password: 'correct horse battery', 'next password': 'another fine day' };
  await app.post('partner/auth/register', { email, password: secrets.password });
  // The mail waits: its token is in the database now, if anywhere.
  const waiting = await dump();
  await app.sendMails();
  secrets['verification token'] = app.mailTo(email)?.token ?? '';
  await app.post('partner/auth/verify-email', { token: secrets['verification token'] });
  const { body } = await app.logIn({ email, password: secrets.password ?? '' });
  Object.assign(secrets, { 'access token': body.accessToken, 'refresh token': body.refreshToken });
  const enrolled = await app.post('partner/auth/totp', { password: secrets.password }, as(body.accessToken));
  secrets['one-time password seed'] = enrolled.body.secret;
  const otp = new TOTP({ secret: enrolled.body.secret }).generate({ timestamp: clock.now().getTime() });
  const confirmed = await app.post('partner/auth/totp/confirm', { otp }, as(body.accessToken));
  for (const [index, code] of confirmed.body.recoveryCodes.entries()) secrets[`recovery code ${index}`] = code;
  const next = await app.post('partner/auth/refresh', { refreshToken: body.refreshToken });
  secrets['next refresh token'] = next.body.refreshToken;
  await app.post('partner/auth/forgot-password', { email });
  const resetting = await dump();
  await app.sendMails();
  secrets['reset token'] = app.mailTo(email)?.token ?? '';
  const signatures = [body.accessToken, body.refreshToken, next.body.refreshToken].map(
    (jwt) => jwt.split('.')[2] ?? '',
  );
  for (const [index, signature] of signatures.entries()) secrets[`signature ${index}`] = signature;
  const asked = await dump();
  await app.post('partner/auth/reset-password', { token: secrets['reset token'], password: secrets['next password'] });
  const all = [waiting, resetting, asked, await dump()].join('\n');

  expect(Object.values(secrets).every((secret) => secret.length >= 10)).toBe(true);
  expect(leaks(all, secrets)).toEqual([]);
  // The search finds what is planted, in each form.
  for (const secret of Object.values(secrets)) {
    for (const form of formsOf(secret)) expect(leaks(`${all}${form}`, { planted: secret })).toEqual(['planted']);
  }
});

test('what says nothing any more is deleted, and nothing else', async () => {
  const count = async () => {
    const [row] = await app.sql<Record<string, number>[]>`
      select (select count(*) from account_registrations)::int as registrations,
        (select count(*) from password_resets)::int as resets,
        (select count(*) from account_sessions)::int as sessions,
        (select count(*) from attempt_counters where succeeded_at is null)::int as guesses,
        (select count(*) from accounts)::int as accounts`;
    return row;
  };
  const person = await app.newPerson();
  await app.post('partner/auth/register', { email: 'unconfirmed@example.org', password: 'correct horse battery' });
  await app.post('partner/auth/forgot-password', { email: person.email });
  await app.logIn(person);
  await app.logIn({ ...person, password: 'not the right one' });
  const before = await count();
  await purgeAccounts(app.sql, clock);
  expect(await count()).toEqual(before);
  clock.advance(2 * DAY);
  await purgeAccounts(app.sql, clock);
  expect(await count()).toMatchObject({ registrations: 0, resets: 0, guesses: 0, sessions: before?.sessions });
  clock.advance(60 * DAY);
  await purgeAccounts(app.sql, clock);
  expect(await count()).toMatchObject({ sessions: 0, accounts: before?.accounts });
});
