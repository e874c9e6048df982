import { execFile } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { startTestApp, type TestApp } from '../app.ts';
import { findProgram, testWithTools } from '../needed-tool.ts';

const run = promisify(execFile);
const CHROMIUM = findProgram('chromium', 'chromium-browser', 'google-chrome');
const inBrowser = testWithTools({ 'chromium (Debian package chromium)': CHROMIUM });
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

let browser: Browser | undefined;
let sandbox: TestApp;
let production: TestApp;

beforeAll(async () => {
  sandbox = await startTestApp();
  production = await startTestApp({ config: { environment: 'production', allowInsecureWebhooks: false } });
  await sandbox.app.listen({ port: 0, host: '127.0.0.1' });
  await production.app.listen({ port: 0, host: '127.0.0.1' });
  if (CHROMIUM !== undefined) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await sandbox.close();
  await production.close();
});

/** A page, and everything that it should not have done. */
interface Opened {
  page: Page;
  complaints: string[];
  origin: string;
}

async function open(app: TestApp, options: BrowserContextOptions = { viewport: DESKTOP }): Promise<Opened> {
  if (browser === undefined) throw new Error('no browser');
  const origin = `http://127.0.0.1:${(app.app.server.address() as AddressInfo).port}`;
  const complaints: string[] = [];
  const page = await (await browser.newContext(options)).newPage();
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`another origin: ${request.url()}`);
  });
  page.on('console', (message) => {
    // A browser writes a line for each status of 4xx; those are answers that the page shows.
    const isStatus = message.text().startsWith('Failed to load resource: the server responded with a status of');
    if (message.type() === 'error' && !isStatus) complaints.push(`console: ${message.text()}`);
  });
  // What runs inside the page is given as text: this side knows no types of browsers.
  await page.addInitScript(
    `addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))`,
  );
  await page.goto(`${origin}/partner-api`);
  await page.locator('[data-keys]').waitFor({ state: options.javaScriptEnabled === false ? 'attached' : 'visible' });
  return { page, complaints, origin };
}

async function enterKeys(page: Page, key: string, hmacSecret: string): Promise<void> {
  await page.locator('[data-key]').fill(key);
  await page.locator('[data-hmac]').fill(hmacSecret);
  await page.locator('[data-use-keys]').click();
}

async function send(page: Page): Promise<string> {
  const answered = page.waitForResponse((response) => response.url().includes('/v1/partner/'));
  await page.locator('[data-send]').click();
  await answered;
  await page.locator('[data-status]').waitFor();
  return (await page.locator('[data-status]').textContent()) ?? '';
}

const text = async (page: Page, selector: string) => (await page.locator(selector).textContent()) ?? '';

describe('try it out', () => {
  inBrowser('a signed read shows what was signed, a curl command that works, and the answer', async () => {
    const { page, complaints, origin } = await open(sandbox);
    await page.locator('[data-try=listUsers]').click();
    await enterKeys(page, sandbox.keys.publicKey, sandbox.keys.hmacSecret);
    await page.locator('[name=limit]').fill('5');
    expect(await send(page)).toBe('200 OK');
    const canonical = await text(page, '[data-canonical]');
    expect(canonical).toMatch(
      /^\d{10}GET\/v1\/partner\/users\?limit=5e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855$/,
    );
    expect(await text(page, '[data-signature]')).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(await text(page, '[data-answer]'))).toMatchObject({ pagination: { limit: 5 } });
    expect(await text(page, '[data-headers]')).toContain('x-request-id');
    expect(await text(page, '[data-timing]')).toMatch(/^\d+ ms · /);
    expect(await text(page, '[data-validity]')).toContain('valid for 5 minutes');
    const curl = await text(page, '[data-curl]');
    expect(curl).toContain(`curl -sS '${origin}/v1/partner/users?limit=5'`);
    if (findProgram('curl') !== undefined) {
      const { stdout } = await run('sh', ['-c', curl]);
      expect(JSON.parse(stdout)).toMatchObject({ pagination: { limit: 5 } });
    }
    expect(complaints).toEqual([]);
  });

  inBrowser('an action is rewarded with the example as it stands, and once however often it is sent', async () => {
    const { page, complaints } = await open(sandbox);
    await page.locator('[data-try=submitAction]').click();
    await enterKeys(page, sandbox.keys.secretKey, sandbox.keys.hmacSecret);
    expect(await send(page)).toBe('200 OK');
    const first = JSON.parse(await text(page, '[data-answer]'));
    expect(first).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
    await page.keyboard.press('Control+Enter');
    await page.locator('[data-headers]', { hasText: 'idempotent-replayed' }).waitFor({ state: 'attached' });
    expect(JSON.parse(await text(page, '[data-answer]'))).toEqual(first);
    // The body is sent as it is written: a quote in it does not end the one of the shell.
    await page.locator('[data-body-text]').fill(`{ "idempotencyKey": "it's", "actionType": 1 }`);
    expect(await send(page)).toBe('400 Bad Request');
    expect(await text(page, '[data-curl]')).toContain(`"it'\\''s"`);
    await page.locator('[data-body-text]').fill('{ "a": ');
    expect(await text(page, '[data-body-fault]')).toContain('Not JSON yet');
    expect(complaints).toEqual([]);
  });

  inBrowser('ids with slashes, spaces and signs of other languages are signed as they are sent', async () => {
    const { page } = await open(sandbox);
    const id = 'team/7 žluť?#%';
    await sandbox.signed('POST', '/v1/partner/users', { externalUserId: id });
    await page.locator('[data-try=getUser]').click();
    await enterKeys(page, sandbox.keys.publicKey, sandbox.keys.hmacSecret);
    await page.locator('[name=externalId]').fill(id);
    expect(await send(page)).toBe('200 OK');
    expect(JSON.parse(await text(page, '[data-answer]'))).toMatchObject({ externalUserId: id });
  });

  inBrowser('says what is missing instead of sending', async () => {
    const { page } = await open(sandbox);
    await page.locator('[data-try=createUser]').click();
    await page.locator('[data-send]').click();
    expect(await text(page, '[data-send-fault]')).toBe('Enter your keys first.');
    await enterKeys(page, `sk_test_${'a'.repeat(63)}`, sandbox.keys.hmacSecret);
    expect(await text(page, '[data-key-fault]')).toContain('64 hex digits');
    await enterKeys(page, sandbox.keys.publicKey, sandbox.keys.hmacSecret);
    await page.locator('[data-send]').click();
    expect(await text(page, '[data-send-fault]')).toContain('needs your secret key');
  });

  inBrowser('a server that is gone and data that does not load are told in words', async () => {
    const { page } = await open(sandbox);
    await page.route('**/site.json', (route) => route.abort());
    await page.locator('[data-try=listUsers]').click();
    expect(await text(page, '#try-title')).toBe('This did not load');
    await page.unroute('**/site.json');
    await page.locator('[data-close]').click();
    await page.locator('[data-try=listUsers]').click();
    await enterKeys(page, sandbox.keys.publicKey, sandbox.keys.hmacSecret);
    await page.route('**/v1/partner/users', (route) => route.abort());
    await page.locator('[data-send]').click();
    await page.locator('[data-outcome-fault]:not([hidden])').waitFor();
    expect(await text(page, '[data-outcome-fault]')).toContain('No answer');
  });
});

describe('access tokens', () => {
  inBrowser('open what is for people; they are asked for, kept in no place, and gone after a reload', async () => {
    const { page, complaints } = await open(sandbox);
    const { accessToken } = await sandbox.newMember('owner');
    await page.locator('[data-try=listKeys]').click();
    await page.locator('[data-send]').click();
    expect(await text(page, '[data-send-fault]')).toBe('Enter an access token first.');
    expect(await page.locator('[data-key]').isVisible()).toBe(false);
    await page.locator('[data-token]').fill('no token');
    await page.locator('[data-use-token]').click();
    expect(await text(page, '[data-token-fault]')).toContain('three parts');
    await page.locator('[data-token]').fill(`Bearer ${accessToken}`);
    await page.locator('[data-use-token]').click();
    expect(await send(page)).toBe('200 OK');
    expect(JSON.parse(await text(page, '[data-answer]'))).toMatchObject({ data: [{ name: 'Test' }] });
    expect(await text(page, '[data-curl]')).toContain('-H "Authorization: Bearer $SIR_ACCESS_TOKEN"');
    expect(await page.locator('[data-canonical]').isVisible()).toBe(false);
    const kept = await page.evaluate<string>(`JSON.stringify([
      { ...localStorage }, { ...sessionStorage }, document.cookie, location.href,
      [...document.querySelectorAll('input')].map((field) => field.value), document.documentElement.outerHTML,
    ])`);
    expect(kept).not.toContain(accessToken);
    await page.reload();
    await page.locator('[data-try=listKeys]').click();
    expect(await page.locator('[data-token]').isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });

  inBrowser('are taken over from a log-in on the page', async () => {
    const { page } = await open(sandbox);
    const person = { email: 'try.it@example.org', password: 'a long enough sentence' };
    const post = (path: string, payload: object) =>
      sandbox.request({ method: 'POST', url: `/v1/partner/auth/${path}`, payload });
    await post('register', person);
    const mail = (await sandbox.mails()).find(({ to }) => to === person.email);
    await post('verify-email', { token: /#([\w-]{43})/.exec(mail?.text ?? '')?.[1] });
    // The dialog has one too, hidden until a token is asked for.
    await page.locator('[data-try=logIn]:visible').click();
    await page.locator('[data-body-text]').fill(JSON.stringify(person));
    expect(await send(page)).toBe('200 OK');
    await page.locator('[data-close]').click();
    await page.locator('[data-try=getAccount]').click();
    expect(await send(page)).toBe('200 OK');
    expect(JSON.parse(await text(page, '[data-answer]'))).toMatchObject({ account: { email: person.email } });
  });
});

describe('keys', () => {
  inBrowser('are in no storage, no cookie, no address and no field, and are gone after a reload', async () => {
    const { page } = await open(sandbox);
    await page.locator('[data-try=submitAction]').click();
    await enterKeys(page, sandbox.keys.secretKey, sandbox.keys.hmacSecret);
    await send(page);
    const kept = await page.evaluate<Record<'storage' | 'databases' | 'fields' | 'markup', string>>(`(async () => ({
      storage: JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state]),
      databases: JSON.stringify([await indexedDB.databases(), await caches.keys()]),
      fields: [...document.querySelectorAll('input')].map((field) => field.value).join(),
      markup: document.documentElement.outerHTML,
    }))()`);
    expect(kept.storage).toBe(JSON.stringify([{}, {}, '', page.url(), null]));
    expect(kept.databases).toBe('[[],[]]');
    for (const place of [kept.fields, kept.markup]) expect(place).not.toContain(sandbox.keys.hmacSecret);
    expect(kept.fields).not.toContain(sandbox.keys.secretKey);
    expect(await page.context().cookies()).toEqual([]);
    await page.reload();
    expect(await text(page, '[data-keys-label]')).toBe('Enter keys');
  });

  inBrowser('a whole credentials.json can be pasted, and forgotten', async () => {
    const { page } = await open(sandbox);
    await page.locator('[data-keys]').click();
    await page.evaluate(`{
      const clipboardData = new DataTransfer();
      clipboardData.setData('text', ${JSON.stringify(JSON.stringify(sandbox.keys))});
      const paste = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
      document.querySelector('[data-key]').dispatchEvent(paste);
    }`);
    expect(await text(page, '[data-keys-label]')).toMatch(/^sk_test_[0-9a-f]{4}…[0-9a-f]{4}$/);
    await page.locator('[data-keys]').click();
    await page.locator('[data-forget]').click();
    expect(await text(page, '[data-keys-label]')).toBe('Enter keys');
  });

  inBrowser('a secret key is refused on a production host, before anything is sent', async () => {
    const { page, complaints } = await open(production);
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    await page.locator('[data-try=listUsers]').click();
    await page.locator('[data-key]').waitFor();
    for (const key of [production.keys.secretKey, sandbox.keys.secretKey]) {
      await enterKeys(page, key, production.keys.hmacSecret);
      expect(await text(page, '[data-key-fault]')).toContain('a secret key does not belong in a browser');
    }
    await enterKeys(page, sandbox.keys.publicKey, sandbox.keys.hmacSecret);
    expect(await text(page, '[data-key-fault]')).toContain('This is a test key');
    expect(sent.filter((url) => url.includes('/v1/'))).toEqual([]);
    await enterKeys(page, production.keys.publicKey, production.keys.hmacSecret);
    expect(await send(page)).toBe('200 OK');
    await page.locator('[data-close]').click();
    await page.locator('[data-try=submitAction]').click();
    await page.locator('[data-send]').click();
    expect(await text(page, '[data-send-fault]')).toContain('send it from your server');
    expect(complaints).toEqual([]);
  });
});

describe('reading', () => {
  inBrowser(
    'search finds endpoints, codes and events by the keyboard alone, and says when there is nothing',
    async () => {
      const { page } = await open(sandbox);
      await page.keyboard.press('/');
      await page.keyboard.type('insufficient pool');
      await page.keyboard.press('Enter');
      expect(new URL(page.url()).hash).toBe('#INSUFFICIENT_POOL');
      await page.locator('#search').fill('no such thing at all');
      expect(await text(page, '.nav-empty')).toContain('Nothing here matches');
      await page.locator('#search').press('Escape');
      await page.locator('#search').fill('redeem');
      await page.locator('#search').press('ArrowDown');
      expect(await page.evaluate(`document.activeElement.getAttribute('href')`)).toBe('#createUserRedemption');
    },
  );

  inBrowser('nothing is wider than a phone, and the contents open and close there', async () => {
    const { page, complaints } = await open(sandbox, { viewport: PHONE, hasTouch: true, isMobile: true });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width);
    await page.locator('.menu').tap();
    await page.locator('nav a[href="#submitAction"]').tap();
    expect(await page.locator('nav').isVisible()).toBe(false);
    await page.locator('[data-try=submitAction]').tap();
    expect(await page.locator('#try').evaluate((dialog) => dialog.scrollWidth <= dialog.clientWidth)).toBe(true);
    expect(complaints).toEqual([]);
  });

  inBrowser('without scripts everything can be read, and nothing that would not work is offered', async () => {
    const { page } = await open(sandbox, { viewport: DESKTOP, javaScriptEnabled: false });
    expect(await page.locator('#submitAction h3').isVisible()).toBe(true);
    expect(await page.locator('button:visible, input:visible').count()).toBe(0);
  });

  inBrowser('the page does not move while it loads', async () => {
    const { page } = await open(sandbox);
    const shift = await page.evaluate<number>(`new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => resolve(sum), 300);
    })`);
    // This server says that it is elsewhere, so that its address is written anew; a real one has nothing to correct.
    expect(shift).toBeLessThan(0.001);
  });
});
