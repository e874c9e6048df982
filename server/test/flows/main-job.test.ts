import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { verifyWebhook } from '@sirgiving/signature';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { processVariables } from '../../src/config.ts';
import type { CredentialsFile } from '../../src/demo-credentials.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { findProgram, testWithTools } from '../needed-tool.ts';
import { callAsDemo, readDemoCredentials, ServerProcess } from '../server-process.ts';
import { type Received, type Receiver, startReceiver } from '../webhook-receiver.ts';

const run = promisify(execFile);
const FIRST_REQUEST = fileURLToPath(new URL('../documented-first-request.sh', import.meta.url));
const tools = Object.fromEntries(['bash', 'shasum', 'openssl', 'curl'].map((tool) => [tool, findProgram(tool)]));
const withShellTools = testWithTools(tools);

let dataDir: string;
let server: ServerProcess;
let demo: CredentialsFile;
let receiver: Receiver;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sir-main-job-'));
  server = new ServerProcess({ SIR_DATA_DIR: dataDir });
  await server.ready();
  demo = await readDemoCredentials(dataDir);
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const body = async (method: string, path: string, sent?: unknown) =>
  (await callAsDemo(demo, method, path, sent)).body as Record<string, unknown>;
const poolBalance = async () => (await body('GET', `/v1/partner/token-pools/${demo.tokenPoolId}`)).balance as number;

describe('the main job, on a server that was started as the README says', () => {
  withShellTools('the documented shell client gets its answer', async () => {
    const { PATH = '' } = processVariables();
    const env = { PATH, SIR_BASE_URL: demo.baseUrl, SIR_SECRET_KEY: demo.secretKey, SIR_HMAC_SECRET: demo.hmacSecret };
    const { stdout } = await run('bash', [FIRST_REQUEST], { env });
    expect(JSON.parse(stdout)).toMatchObject({ data: [], pagination: { limit: 20, hasMore: false } });
  });

  withShellTools('49.99 USD become 50 tokens, and the partner’s server hears of it', async () => {
    const webhook = await body('POST', '/v1/partner/webhooks', {
      url: `${receiver.url}/hooks`,
      description: 'shop',
      eventTypes: ['action.completed'],
      receiveAllEvents: false,
    });
    const before = await poolBalance();
    const { status, body: action } = await callAsDemo(demo, 'POST', '/v1/partner/actions/submit', {
      idempotencyKey: 'order_98765',
      actionType: 'PURCHASE',
      amount: 49.99,
      currency: 'USD',
      stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42', userEmail: 'customer@example.com' }],
      autoCreateUsers: true,
      metadata: { orderId: '98765' },
    });
    expect(status).toBe(200);
    expect(action).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
    expect(await body('GET', '/v1/partner/users/user_42/balance')).toMatchObject({ available: 50 });
    expect(await poolBalance()).toBe(before - 50);

    await receiver.waitFor(1);
    const [received] = receiver.received as [Received];
    expect(received.event).toMatchObject({
      type: 'action.completed',
      environment: 'sandbox',
      sequence: 1,
      data: { actionId: (action as { actionId: string }).actionId, tokensDistributed: 50 },
    });
    expect(received.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'SIRGiving-Webhooks/1.0',
    });
    verifyEverywhere(received, webhook.secret as string);
  });
});

/** Our own verifier, the public library and openssl must agree about a delivery. */
function verifyEverywhere({ headers, body: sent }: Received, secret: string): void {
  const flat = headers as Record<string, string>;
  const nowSeconds = Math.floor(systemClock.now().getTime() / 1000);
  expect(verifyWebhook({ secret, headers: flat, body: sent, nowSeconds })).toMatchObject({ valid: true });
  expect(() => new Webhook(secret).verify(sent, flat)).not.toThrow();
  const signed = spawnSync('openssl', ['dgst', '-sha256', '-hmac', secret], {
    input: `${flat['x-sir-timestamp']}.${sent}`,
  });
  expect(`sha256=${signed.stdout.toString().trim().split(' ').at(-1)}`).toBe(flat['x-sir-signature']);
}
