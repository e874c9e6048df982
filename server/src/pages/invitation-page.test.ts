import type { AddressInfo } from 'node:net';
import { Secret, TOTP } from 'otpauth';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { findProgram, testWithTools } from '../../test/needed-tool.ts';
import { openPage } from '../../test/open-page.ts';
import type { TestPerson } from '../../test/people.ts';
import { systemClock } from '../platform/clock.ts';

const CHROMIUM = findProgram('chromium', 'chromium-browser', 'google-chrome');
const inBrowser = testWithTools({ 'chromium (Debian package chromium)': CHROMIUM });
const PASSWORD = 'correct horse battery';
const INVITATIONS = '/v1/partner/invitations';
const PHONE = { width: 360, height: 740 };

let t: TestApp;
let owner: TestPerson;
let browser: Browser | undefined;
let context: BrowserContext;
let origin: string;
const complaints: string[][] = [];

beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
  owner = await t.newMember('owner');
  await t.app.listen({ port: 0, host: '127.0.0.1' });
  // A host by whose name browsers keep the cookie of a session without https.
  origin = `http://localhost:${(t.app.server.address() as AddressInfo).port}`;
  if (CHROMIUM !== undefined) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterEach(async () => {
  await context.close();
  expect(complaints.splice(0).flat()).toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await t.close();
});

/** The token of the newest link that was mailed to somebody. */
async function mailedToken(email: string): Promise<string> {
  const mail = (await t.mails()).find(({ to }) => to === email);
  return /#([\w-]{43})\n/.exec(mail?.text ?? '')?.[1] ?? '';
}

async function invite(email: string, role = 'developer'): Promise<string> {
  expect(await t.by(owner, 'POST', INVITATIONS, { email, role })).toMatchObject({ status: 201 });
  return mailedToken(email);
}

const post = (url: string, payload: object) => t.request({ method: 'POST', url, payload });

/** Somebody who can log in with PASSWORD. */
async function register(email: string): Promise<void> {
  await post('/v1/partner/auth/register', { email, password: PASSWORD });
  const confirmed = await post('/v1/partner/auth/verify-email', { token: await mailedToken(email) });
  expect(confirmed.status).toBe(200);
}

/** Opens a link on a phone, in a browser that knows nobody; `sameBrowser`: in another tab of the one before. */
async function open(token: string, { page: path = 'invitation', sameBrowser = false } = {}): Promise<Page> {
  if (browser === undefined) throw new Error('no browser');
  if (!sameBrowser) context = await browser.newContext({ viewport: PHONE });
  const opened = await openPage(context, `${origin}/account/${path}#${token}`);
  complaints.push(opened.complaints);
  return opened.page;
}

async function rolesOfTeam(): Promise<Record<string, string>> {
  const { body } = await t.by(owner, 'GET', '/v1/partner/members');
  return Object.fromEntries((body.data as { email: string; role: string }[]).map(({ email, role }) => [email, role]));
}

const says = (page: Page, text: string) => page.getByRole('status').getByText(text).waitFor();

/** By role, since what is hidden has none. */
const passwordOf = (page: Page) => page.getByRole('textbox', { name: 'Password', exact: true });

async function logIn(page: Page): Promise<void> {
  await passwordOf(page).fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in and join the team' }).click();
}

inBrowser('an invitation says whose team it is and which role, and whoever logs in there has joined', async () => {
  const email = 'jane@example.org';
  await register(email);
  const page = await open(await invite(email, 'viewer'));
  // The token does not stay in the address, nor in the history.
  expect(page.url()).toBe(`${origin}/account/invitation`);
  await page.getByText('Test Partner invites you to its team, as a viewer, who can see everything').waitFor();
  expect(await page.getByText('an owner, who can').isVisible()).toBe(false);
  expect(await page.getByLabel('E-mail address').first().inputValue()).toBe(email);
  await passwordOf(page).fill('not the password');
  await page.getByRole('button', { name: 'Log in and join the team' }).click();
  await says(page, 'The e-mail address or the password is wrong');
  await logIn(page);
  await says(page, 'Welcome! You belong to the team of Test Partner now.');
  expect(await rolesOfTeam()).toMatchObject({ [email]: 'viewer' });
  expect(await page.getByRole('button').filter({ visible: true }).count()).toBe(0);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width);
});

inBrowser('whoever is logged in there only has to press a button', async () => {
  const email = 'already@example.org';
  await register(email);
  const first = await open(await invite(email));
  await logIn(first);
  await says(first, 'Welcome!');
  const other = await t.newMember('owner', await t.newPartner());
  expect((await t.by(other, 'POST', INVITATIONS, { email, role: 'owner' })).status).toBe(201);
  const page = await open(await mailedToken(email), { sameBrowser: true });
  await page.getByText('You are logged in with this address.').waitFor();
  await page.getByRole('button', { name: 'Join the team' }).click();
  await says(page, 'Welcome!');
});

inBrowser('somebody without an account registers, confirms the address, comes back and has joined', async () => {
  const email = 'new@example.org';
  const page = await open(await invite(email));
  await page.getByRole('button', { name: 'Register' }).click();
  expect(await page.evaluate('document.activeElement.id')).toBe('register-password');
  const password = passwordOf(page);
  await password.fill('aaaaaaaaaaaa');
  await page.getByRole('button', { name: 'Register' }).click();
  await says(page, 'must have at least 5 different characters');
  await password.fill(PASSWORD);
  await page.getByRole('button', { name: 'Register' }).click();
  await says(page, `A mail is on its way to ${email}.`);
  const mailed = await open(await mailedToken(email), { page: 'verify-email', sameBrowser: true });
  await mailed.getByRole('button', { name: 'Confirm my address' }).click();
  await says(mailed, 'Your address is confirmed.');
  // What was typed is still there.
  await page.getByRole('button', { name: 'Log in and join the team' }).click();
  await says(page, 'Welcome!');
  expect(await rolesOfTeam()).toMatchObject({ [email]: 'developer' });
});

inBrowser('whoever is logged in with another address is told so, and can log in with the right one', async () => {
  const [wrong, right] = ['wrong@example.org', 'right@example.org'];
  await register(wrong);
  await register(right);
  const page = await open(await invite(wrong));
  await logIn(page);
  await says(page, 'Welcome!');
  const other = await open(await invite(right), { sameBrowser: true });
  await other.getByText(`You are logged in as ${wrong}, and the invitation was sent to ${right}.`).waitFor();
  expect(await other.getByRole('button', { name: 'Join the team' }).isVisible()).toBe(false);
  await other.getByRole('button', { name: 'Log out, and log in with that address' }).click();
  await logIn(other);
  await says(other, 'Welcome!');
  expect(await rolesOfTeam()).toMatchObject({ [right]: 'developer' });
});

inBrowser('asks for a one-time password where the account has them', async () => {
  const email = 'careful@example.org';
  await register(email);
  const { body } = await post('/v1/partner/auth/login', { email, password: PASSWORD });
  const headers = { authorization: `Bearer ${body.accessToken}` };
  const by = (path: string, payload: object) =>
    t.request({ method: 'POST', url: `/v1/partner/auth/${path}`, headers, payload });
  const { secret } = (await by('totp', { password: PASSWORD })).body;
  const otp = new TOTP({ secret: Secret.fromBase32(String(secret)) }).generate({
    timestamp: systemClock.now().getTime(),
  });
  const confirmed = await by('totp/confirm', { otp });
  expect(confirmed.status).toBe(200);
  const page = await open(await invite(email));
  expect(await page.getByLabel('One-time password').isVisible()).toBe(false);
  await logIn(page);
  await says(page, 'Send the one-time password');
  await page.getByLabel('One-time password').fill(String((confirmed.body.recoveryCodes as string[])[0]));
  await page.getByRole('button', { name: 'Log in and join the team' }).click();
  await says(page, 'Welcome!');
});

inBrowser('a link that is not whole, was used, declined or taken back says what to do', async () => {
  const email = 'late@example.org';
  const GONE = 'There is no such invitation: it was answered, revoked or has become too old. Ask whoever invited you';
  await says(await open('abc'), 'This link is not complete.');
  await context.close();

  const token = await invite(email);
  const page = await open(token);
  await page.getByRole('button', { name: 'Decline the invitation' }).click();
  await page.getByRole('button', { name: 'Really decline? Press once more' }).click();
  await says(page, 'You have declined the invitation.');
  const declined = await open(token, { sameBrowser: true });
  await says(declined, GONE);
  expect(await declined.getByRole('button').filter({ visible: true }).count()).toBe(0);

  // Taken back while the page was open.
  await register(email);
  const waiting = await open(await invite(email), { sameBrowser: true });
  await passwordOf(waiting).fill(PASSWORD);
  const { body } = await t.by(owner, 'GET', INVITATIONS);
  for (const { id } of body.data as { id: string }[])
    expect((await t.by(owner, 'DELETE', `${INVITATIONS}/${id}`)).status).toBe(204);
  await waiting.getByRole('button', { name: 'Log in and join the team' }).click();
  await says(waiting, GONE);

  // Without a network nothing is lost: the button can be pressed again.
  const offline = await open(await invite(email), { sameBrowser: true });
  await offline.getByText('You are logged in with this address.').waitFor();
  await offline.route('**/v1/**', (route) => route.abort());
  await offline.getByRole('button', { name: 'Join the team' }).click();
  await says(offline, 'The server did not answer. Please try again.');
  await offline.unroute('**/v1/**');
  complaints.length = 0;
  await offline.getByRole('button', { name: 'Join the team' }).click();
  await says(offline, 'Welcome!');
});
