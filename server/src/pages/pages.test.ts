import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccountApp, startAccountApp } from '../../test/account-app.ts';
import { findProgram, testWithTools } from '../../test/needed-tool.ts';
import { type OpenedPage, openPage } from '../../test/open-page.ts';

const CHROMIUM = findProgram('chromium', 'chromium-browser', 'google-chrome');
const inBrowser = testWithTools({ 'chromium (Debian package chromium)': CHROMIUM });
const PASSWORD = 'correct horse battery';

let app: AccountApp;
let browser: Browser | undefined;
let origin: string;
beforeAll(async () => {
  app = await startAccountApp();
  await app.app.listen({ port: 0, host: '127.0.0.1' });
  origin = `http://localhost:${(app.app.server.address() as AddressInfo).port}`;
  if (CHROMIUM !== undefined) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await app.close();
});

const get = (url: string, host: string) => app.app.inject({ method: 'GET', url, headers: { host } });

async function register(email: string): Promise<string> {
  await app.post('partner/auth/register', { email, password: PASSWORD });
  await app.sendMails();
  return app.mailTo(email)?.token ?? '';
}

describe('/dev/mail', () => {
  test('shows the mails that were not sent, as a page and as JSON', async () => {
    const token = await register('reader@example.org');
    const page = await get('/dev/mail', 'localhost:8080');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.body).toContain('Confirm your e-mail address');
    expect(page.body).toContain(`https://devapi.example.org/account/verify-email#${token}`);
    const { data } = (await get('/dev/mail.json', '127.0.0.1')).json();
    expect(data[0]).toMatchObject({ to: 'reader@example.org', subject: 'Confirm your e-mail address' });
  });

  test.each(['localhost', 'localhost:8080', '127.0.0.1:1', '[::1]', '[::1]:8080', 'LOCALHOST'])(
    'answers %s',
    async (host) => {
      for (const path of ['/dev/mail', '/dev/mail.json']) expect((await get(path, host)).statusCode).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '192.0.2.1',
    '127.0.0.2',
    '[::2]',
    'localhost:x',
  ])('is not there for the host "%s"', async (host) => {
    for (const path of ['/dev/mail', '/dev/mail.json']) {
      const answer = await get(path, host);
      expect(answer.statusCode).toBe(404);
      expect(answer.body).not.toContain('example.org');
    }
  });

  test('shows what a mail says as text, whatever it is', async () => {
    app.mailBox.keep('x', {
      to: '<script>alert(1)</script>@x',
      subject: '"><img src=x>',
      text: '<b>bold</b> https://x/"onclick=',
    });
    const page = await get('/dev/mail', 'localhost');
    expect(page.body).not.toMatch(/<script>alert|<img src=x|<b>|"onclick/);
  });
});

test('no page can load anything from elsewhere, be framed, or send a form by itself', async () => {
  const names = ['verify-email', 'reset-password', 'forgot-password', 'invitation'];
  for (const path of ['/dev/mail', ...names.map((name) => `/account/${name}`)]) {
    const { headers, body, statusCode } = await get(path, 'localhost');
    expect(statusCode).toBe(200);
    const policy = String(headers['content-security-policy']);
    for (const part of ["default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'"]) {
      expect(policy).toContain(part);
    }
    expect(policy).not.toContain('unsafe');
    expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff' });
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
  }
});

describe('the links of mails', () => {
  async function open(path: string): Promise<OpenedPage> {
    if (browser === undefined) throw new Error('no browser');
    return openPage(await browser.newContext(), `${origin}${path}`);
  }

  inBrowser('confirm an address with one click, and say it when they are too old', async () => {
    const email = 'clicker@example.org';
    const token = await register(email);
    const { page, complaints } = await open(`/account/verify-email#${token}`);
    // The token does not stay in the address, nor in the history.
    expect(page.url()).toBe(`${origin}/account/verify-email`);
    await page.getByRole('button', { name: 'Confirm my address' }).click();
    await page.getByText('Your address is confirmed. You can log in now.').waitFor();
    expect((await app.logIn({ email, password: PASSWORD })).status).toBe(200);
    const again = await open(`/account/verify-email#${token}`);
    await again.page.getByRole('button').click();
    await again.page.getByText('This link was used before or is too old.').waitFor();
    const broken = await open('/account/verify-email#abc');
    await broken.page.getByText('This link is not complete.').waitFor();
    expect([...complaints, ...again.complaints, ...broken.complaints]).toEqual([]);
  });

  inBrowser('set a new password that was asked for there, and name what is wrong with one', async () => {
    const { email } = await app.newPerson('forgetful@example.org');
    const asking = await open('/account/forgot-password');
    await asking.page.getByLabel('E-mail address').fill(email);
    await asking.page.getByRole('button').click();
    await asking.page.getByText('a mail is on its way').waitFor();
    await app.sendMails();
    const { page, complaints } = await open(`/account/reset-password#${app.mailTo(email)?.token}`);
    await page.getByLabel('New password').fill('aaaaaaaaaaaa');
    await page.getByRole('button').click();
    await page.getByText('must have at least 5 different characters').waitFor();
    await page.getByLabel('New password').fill('another fine day');
    await page.getByRole('button').click();
    await page.getByText('Your new password is set.').waitFor();
    expect((await app.logIn({ email, password: 'another fine day' })).status).toBe(200);
    expect([...complaints, ...asking.complaints]).toEqual([]);
  });
});

inBrowser(
  'a browser keeps the cookie of a session on localhost, sends it to refresh, and shows it to no script',
  async () => {
    if (browser === undefined) throw new Error('no browser');
    const person = await app.newPerson();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${origin}/account/forgot-password`);
    // What runs inside the page is given as text: this side knows no types of browsers.
    const call = (path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> =>
      page.evaluate(`fetch('/v1/partner/auth/${path}', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: ${JSON.stringify(JSON.stringify(body))},
    }).then(async (response) => ({ status: response.status, body: await response.json().catch(() => ({})) }))`);
    expect((await call('login', { ...person, session: 'cookie' })).status).toBe(200);
    expect(await context.cookies()).toMatchObject([
      { name: '__Host-sir-refresh', httpOnly: true, secure: true, sameSite: 'Strict' },
    ]);
    expect(await page.evaluate('document.cookie')).toBe('');
    const refreshed = await call('refresh', {});
    expect(refreshed).toMatchObject({ status: 200, body: { tokenType: 'Bearer' } });
    expect(refreshed.body.refreshToken).toBeUndefined();
    expect((await call('logout', {})).status).toBe(204);
    expect(await context.cookies()).toEqual([]);
  },
);
