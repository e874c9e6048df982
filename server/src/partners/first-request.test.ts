import { execFile, spawnSync } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { processVariables } from '../config.ts';

const SCRIPT = fileURLToPath(new URL('../../test/documented-first-request.sh', import.meta.url));
const TOOLS = ['bash', 'shasum', 'openssl', 'curl', 'awk'];
const missing = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);

let app: TestApp;
let baseUrl: string;
beforeAll(async () => {
  app = await startTestApp();
  await app.app.listen({ host: '127.0.0.1', port: 0 });
  baseUrl = `http://127.0.0.1:${(app.app.server.address() as AddressInfo).port}`;
});
afterAll(() => app.close());

async function runScript(changed: Record<string, string> = {}) {
  const { secretKey, hmacSecret } = app.keys;
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    SIR_BASE_URL: baseUrl,
    SIR_SECRET_KEY: secretKey,
    SIR_HMAC_SECRET: hmacSecret,
  };
  return promisify(execFile)('bash', [SCRIPT], { env: { ...env, ...changed } });
}

test('every tool of the documented example is there where nothing may be skipped', () => {
  expect(processVariables().CI === undefined ? [] : missing).toEqual([]);
});

test.skipIf(missing.length > 0)(
  `the documented first request works unchanged (needs ${TOOLS.join(', ')})`,
  async () => {
    const { stdout } = await runScript();
    expect(JSON.parse(stdout)).toEqual({ data: [], pagination: { limit: 20, nextCursor: null, hasMore: false } });
  },
);

test.skipIf(missing.length > 0)(
  'the documented first request with another secret is refused, with a hint',
  async () => {
    const { stdout } = await runScript({ SIR_HMAC_SECRET: app.keys.secretKey }).catch(
      (error: { stdout: string }) => error,
    );
    expect(JSON.parse(stdout)).toMatchObject({
      status: 401,
      code: 'INVALID_SIGNATURE',
      hint: { saw: { method: 'GET', path: '/v1/partner/users' }, mistake: 'SECRET_KEY_AS_HMAC_SECRET' },
    });
  },
);
