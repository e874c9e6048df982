import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { errorCodes, eventTypeNames } from '@sirgiving/contract';
import { signWebhook } from '@sirgiving/signature';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../app.ts';
import { findProgram, testWithTools } from '../needed-tool.ts';

const run = promisify(execFile);
const SNIPPETS = new URL('../../src/docs-site/snippets/', import.meta.url);
const FILES_OF_THE_PAGE = /(?:href|src)="(\/partner-api\/[^"]+)"/g;

let app: TestApp;
let page: string;

beforeAll(async () => {
  app = await startTestApp();
  page = (await app.app.inject('/partner-api')).body;
});
afterAll(() => app.close());

describe('the files', () => {
  test('the page is the same with and without a slash, and all of its files are there', async () => {
    expect((await app.app.inject('/partner-api/')).body).toBe(page);
    const files = [...page.matchAll(FILES_OF_THE_PAGE)].map(([, path]) => path ?? '');
    expect(files.length).toBeGreaterThan(5);
    for (const path of files) expect((await app.app.inject(path)).statusCode, path).toBe(200);
  });

  test('scripts import only scripts that are served', async () => {
    const seen = new Set<string>();
    const follow = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const { statusCode, headers, body } = await app.app.inject(path);
      expect(statusCode, path).toBe(200);
      expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
      for (const [, target = ''] of body.matchAll(/from '(\.[^']+)'/g))
        await follow(new URL(target, `http://x${path}`).pathname);
    };
    await follow('/partner-api/page.js');
    expect(seen).toContain('/partner-api/signature/browser.js');
  });

  test('a strict policy stands on every file, and the page holds no script, style or handler of its own', async () => {
    for (const path of ['/partner-api', '/partner-api/page.js', '/partner-api/page.css', '/partner-api/openapi.json']) {
      const { headers } = await app.app.inject(path);
      const policy = String(headers['content-security-policy']);
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
      expect(policy).toContain(
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(policy).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/);
  });

  test('a browser that has a file is answered 304, and one that takes gzip gets less', async () => {
    const plain = await app.app.inject('/partner-api');
    const again = await app.app.inject({
      url: '/partner-api',
      headers: { 'if-none-match': String(plain.headers.etag) },
    });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    const zipped = await app.app.inject({ url: '/partner-api', headers: { 'accept-encoding': 'gzip, br' } });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(zipped.rawPayload.length).toBeLessThan(plain.rawPayload.length / 4);
  });
});

describe('the page', () => {
  test('has an anchor for every operation, error code and event type', async () => {
    const { operations } = (await app.app.inject('/partner-api/site.json')).json();
    const ids = new Set(anchors());
    for (const name of [...Object.keys(operations), ...errorCodes, ...eventTypeNames.map((type) => `event-${type}`)]) {
      expect(ids, name).toContain(name);
    }
  });

  test('has no anchor twice and no link into nothing', () => {
    const ids = anchors();
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id = '']) => id);
    expect([...new Set(links)].filter((id) => !ids.includes(id))).toEqual([]);
  });

  test('the `type` of a problem leads to its code', async () => {
    const { body } = await app.request({ url: '/v1/partner/users' });
    expect(body.type).toBe('https://devapi.sirgiving.org/partner-api#AUTHENTICATION_REQUIRED');
  });

  test('tells which environment it serves', async () => {
    const { environment, operations } = (await app.app.inject('/partner-api/site.json')).json();
    expect(environment).toBe('sandbox');
    expect(operations.submitAction).toMatchObject({
      method: 'POST',
      path: '/v1/partner/actions/submit',
      needs: 'secret key',
    });
  });

  test('publishes who may call what, as the table of routes has it', () => {
    const rowOf = (id: string) =>
      new RegExp(`<tr><th scope="row">(?:(?!</tr>)[^])*href="#${id}"(?:(?!</tr>)[^])*</tr>`).exec(page)?.[0] ?? '';
    const cells = (id: string) => [...rowOf(id).matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map(([, text]) => text);
    expect(cells('listUsers')).toEqual(['yes', 'yes', 'yes', 'yes', 'yes']);
    expect(cells('submitAction')).toEqual(['–', 'yes', '–', 'sandbox', 'sandbox']);
    expect(cells('rotateKey')).toEqual(['–', '–', '–', 'yes', 'yes']);
    expect(cells('applyForGoLive')).toEqual(['–', '–', '–', '–', 'yes']);
    expect(cells('createKey')).toEqual(['–', '–', '–', 'yes', 'yes']);
    expect(cells('acceptInvitation')).toEqual(['Everybody who is logged in']);
    const missing = app.table
      .filter(([, path]) => !path.startsWith('/v1/admin/'))
      .filter(
        ([, path]) => !page.includes(`<code>${path.replace('/v1/partner/', '').replaceAll(/:(\w+)/g, '{$1}')}</code>`),
      );
    expect(missing.map(([method, path]) => `${method} ${path}`)).toEqual([]);
  });

  test('what is not markup is escaped', () => {
    expect(page).toContain('X-Timestamp</code>');
    expect(page).not.toMatch(
      /<(?!\/?(?:a|article|body|button|caption|code|dd|details|dialog|div|dl|dt|figcaption|figure|footer|h[1-4]|head|header|html|img|input|kbd|label|li|link|main|meta|nav|ol|p|pre|script|section|span|strong|summary|table|tbody|td|textarea|th|thead|title|tr|ul|wbr|!doctype)\b)/i,
    );
  });

  function anchors(): string[] {
    return [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id = '']) => id);
  }
});

describe('the examples to copy', () => {
  test('sign-request.mjs signs what the server accepts', async () => {
    const { signedHeaders } = await import(new URL('sign-request.mjs', SNIPPETS).href);
    const path = '/v1/partner/users?limit=1';
    const { secretKey: key, hmacSecret } = app.keys;
    const read = await app.request({ url: path, headers: signedHeaders({ method: 'GET', path, key, hmacSecret }) });
    expect(read.status).toBe(200);
    const body = JSON.stringify({ externalUserId: 'signed-by-the-example' });
    const headers = signedHeaders({ method: 'POST', path: '/v1/partner/users', body, key, hmacSecret });
    const written = await app.request({
      method: 'POST',
      url: '/v1/partner/users',
      headers: { ...headers, 'content-type': 'application/json' },
      payload: body,
    });
    expect(written.status).toBe(201);
  });

  test('verify-webhook.mjs takes our deliveries and nothing else', async () => {
    const { isFromSirGiving } = await import(new URL('verify-webhook.mjs', SNIPPETS).href);
    const secret = `whsec_${'5f'.repeat(32)}`;
    const body = Buffer.from('{"id":"evt_1"}');
    const at = (timestamp: number) => {
      const sent = signWebhook({ secret, id: 'evt_1', timestamp, body });
      return { 'x-sir-timestamp': sent['X-SIR-Timestamp'], 'x-sir-signature': sent['X-SIR-Signature'] };
    };
    const now = Math.floor(performance.timeOrigin / 1000 + performance.now() / 1000);
    expect(isFromSirGiving(body, at(now), secret)).toBe(true);
    expect(isFromSirGiving(Buffer.from('{"id":"evt_2"}'), at(now), secret)).toBe(false);
    expect(isFromSirGiving(body, at(now), `whsec_${'5e'.repeat(32)}`)).toBe(false);
    expect(isFromSirGiving(body, at(now - 301), secret)).toBe(false);
    expect(isFromSirGiving(body, {}, secret)).toBe(false);
  });

  test('the shell examples on the page are the files that this test runs', async () => {
    for (const name of ['first-request', 'submit-action']) {
      const file = await readFile(new URL(`${name}.sh`, SNIPPETS), 'utf8');
      expect(textOf(page, name)).toBe(file.trimEnd());
    }
  });

  const withShell = testWithTools({
    bash: findProgram('bash'),
    curl: findProgram('curl'),
    openssl: findProgram('openssl'),
    'shasum (Debian package perl)': findProgram('shasum'),
  });
  withShell('the shell examples work as they are (bash, curl, openssl, shasum)', async () => {
    if (!app.app.server.listening) await app.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.app.server.address() as AddressInfo;
    const env = {
      PATH: process.env.PATH ?? '',
      SIR_BASE_URL: `http://127.0.0.1:${port}`,
      SIR_SECRET_KEY: app.keys.secretKey,
      SIR_HMAC_SECRET: app.keys.hmacSecret,
    };
    const answerOf = async (name: string) => {
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', textOf(page, name)], { env });
      return JSON.parse(stdout);
    };
    expect(await answerOf('first-request')).toMatchObject({ pagination: { hasMore: false } });
    expect(await answerOf('submit-action')).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
    expect(await answerOf('submit-action')).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
  });
});

/** The text of the code block with this name, as a reader copies it. */
function textOf(markup: string, name: string): string {
  const [, inside = ''] = new RegExp(`data-snippet="${name}"><code>([\\s\\S]*?)</code>`).exec(markup) ?? [];
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return inside
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, entity: string) => entities[entity] ?? '');
}
