import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signRequest } from '@sirgiving/signature';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CredentialsFile } from '../../src/demo-credentials.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { dumpOf, leaksIn } from '../fuzz/find-leaks.ts';
import { readDemoCredentials, ServerProcess } from '../server-process.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { type Receiver, startReceiver } from '../webhook-receiver.ts';
import { MailCatcher } from './mail-catcher.ts';

const hex = () => randomBytes(32).toString('hex');
const masterKey = hex();
const customHeader = `Bearer ${hex()}`;

let database: TestDatabase;
let dataDir: string;
let server: ServerProcess;
let receiver: Receiver;
let mails: MailCatcher;
let demo: CredentialsFile;
/** Everything that was answered, except where a secret is shown once. */
const answers: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'sir-secrets-'));
  mails = await MailCatcher.start();
  server = new ServerProcess({
    SIR_DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    SIR_MASTER_KEY: masterKey,
    SIR_SEED_DEMO: '1',
    SIR_ALLOW_INSECURE_WEBHOOKS: '1',
    SMTP_URL: mails.url,
    LOG_LEVEL: 'trace',
  });
  await server.ready();
  demo = await readDemoCredentials(dataDir);
  receiver = await startReceiver();
});
afterAll(async () => {
  await server?.stop();
  await receiver?.close();
  await mails?.stop();
  await rm(dataDir, { recursive: true, force: true });
  await database?.drop();
});

interface Sending {
  body?: unknown;
  hmacSecret?: string;
  headers?: Record<string, string>;
}

/** A signed request over real HTTP; its answer is kept, unless it is the one place for a secret. */
async function send(
  method: string,
  target: string,
  sending: Sending = {},
  keep = true,
): Promise<Record<string, unknown>> {
  const { body, hmacSecret = demo.hmacSecret, headers } = sending;
  const text = body === undefined ? '' : JSON.stringify(body);
  const timestamp = String(Math.floor(systemClock.now().getTime() / 1_000));
  const signed = {
    'x-partner-key': demo.secretKey,
    'x-timestamp': timestamp,
    'x-signature': signRequest({ hmacSecret, timestamp, method, path: target, body: text }),
  };
  return ask(method, target, { body, headers: { ...signed, ...headers } }, keep);
}

/** The same without a signature. */
async function ask(
  method: string,
  target: string,
  { body, headers }: Omit<Sending, 'hmacSecret'>,
  keep = true,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${demo.baseUrl}${target}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.text();
  if (keep) answers.push([...response.headers].join('\n'), answer);
  return answer === '' ? {} : JSON.parse(answer);
}

describe('a planted leak is found', () => {
  const secret = `sk_test_${hex()}`;
  const digits = secret.slice('sk_test_'.length);
  test.each([
    ['as it is', secret],
    ['in capitals', secret.toUpperCase()],
    ['without its prefix', digits],
    ['as hex', Buffer.from(secret).toString('hex')],
    ['as base64', Buffer.from(secret).toString('base64')],
    ['as base64url in the midst of more', Buffer.from(`ab${secret}?>`).toString('base64url')],
    ['as base64 in the midst of more', Buffer.from(`{"key":"${secret}"}`).toString('base64')],
    ['as base64 of its bytes', Buffer.from(digits, 'hex').toString('base64')],
    ['as a URL has it', encodeURIComponent(secret)],
    ['percent-encoded', Buffer.from(secret).toString('hex').replaceAll(/../g, '%$&')],
    ['as JSON may have it', secret.replaceAll(/./g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`)],
  ])('in a log or an answer: %s', (_form, written) => {
    const line = JSON.stringify({ level: 30, msg: `key ${written} used` });
    expect(leaksIn(line, { other: hex() })).toEqual([]);
    expect(leaksIn(line.replaceAll('\\\\', '\\'), { secret })).not.toEqual([]);
  });

  test('in a table, as text and as bytes', async () => {
    const { sql } = database;
    const at = systemClock.now();
    const plant = async (column: string, value: unknown) => {
      await sql.begin(async (tx) => {
        await tx`
          insert into webhook_endpoints
            (partner_id, id, environment, url, event_types, receive_all_events, secret_encrypted, created_at, updated_at)
          values (gen_random_uuid(), gen_random_uuid(), 'sandbox', 'x', '{}', true, '', ${at}, ${at})`;
        await tx`update webhook_endpoints set ${tx({ [column]: value })} where url = 'x'`;
      });
      const leaks = leaksIn(await dumpOf(sql), { secret });
      await sql`delete from webhook_endpoints where url = 'x'`;
      return leaks;
    };
    expect(await plant('description', `see ${secret}`)).toContain('secret as it is');
    expect(await plant('secret_encrypted', Buffer.from(secret))).toContain('secret as hex');
    expect(await plant('secret_encrypted', Buffer.from(digits, 'hex'))).toContain('secret as its digits');
    expect(leaksIn(await dumpOf(sql), { secret })).toEqual([]);
  });
});

test('no log, table or answer of a whole run holds a secret, also when things go wrong', async () => {
  const webhook = { url: `${receiver.url}/hook`, receiveAllEvents: true, headers: { Authorization: customHeader } };
  const headers = { 'idempotency-key': 'secrets' };
  const created = await send('POST', '/v1/partner/webhooks', { body: webhook, headers }, false);
  const { secret: webhookSecret } = created;
  expect(webhookSecret).toMatch(/^whsec_[0-9a-f]{64}$/);
  const again = await send('POST', '/v1/partner/webhooks', { body: { ...webhook }, headers }, false);
  expect(again.id).toBe(created.id);

  const action = {
    idempotencyKey: 'secrets',
    actionType: 'PURCHASE',
    amount: 5,
    currency: 'USD',
    stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
  };
  await send('POST', '/v1/partner/actions/submit', { body: action });
  await receiver.waitFor(1);
  await send('POST', `/v1/partner/webhooks/${created.id}/test`);
  for (const path of ['webhooks', `webhooks/${created.id}`, `webhooks/${created.id}/deliveries`, 'users', 'actions']) {
    await send('GET', `/v1/partner/${path}`);
  }
  const { dumped, ...ofPeople } = await actAsPeople();
  await actAsPages(ofPeople);
  await goWrong(action, webhook, ofPeople);

  const secrets = {
    ...ofPeople,
    secretKey: demo.secretKey,
    hmacSecret: demo.hmacSecret,
    webhookSecret: String(webhookSecret),
    customHeader,
    masterKey,
  };
  expect(receiver.received.some((one) => one.headers.authorization === customHeader)).toBe(true);
  // By then the log of requests is written, too.
  await server.stop();
  const [logged] = await database.sql<{ count: number }[]>`select count(*) as count from request_log`;
  expect(logged?.count).toBeGreaterThan(20);
  expect(leaksIn(server.output, secrets)).toEqual([]);
  expect(server.output).toContain('a request failed in a way nobody foresaw');
  expect(leaksIn(dumped + (await dumpOf(database.sql)), secrets)).toEqual([]);
  expect(answers.length).toBeGreaterThan(20);
  expect(leaksIn(answers.join('\n'), secrets)).toEqual([]);
});

/** The secrets of people, and what stood in the tables while the link of an invitation worked. */
interface OfPeople {
  password: string;
  accessToken: string;
  refreshToken: string;
  /** What the link of an invitation ends with. */
  invitation: string;
}

/** The owner logs in and invites somebody, who looks at the invitation, shows it to the wrong person and declines. */
async function actAsPeople(): Promise<OfPeople & { dumped: string }> {
  const { accessToken, refreshToken } = await ask('POST', '/v1/partner/auth/login', { body: demo.portal }, false);
  const headers = { authorization: `Bearer ${accessToken}` };
  const invitation = { email: 'new@example.org', role: 'viewer' };
  await ask('POST', '/v1/partner/invitations', { body: invitation, headers });
  // The mail waits, or is under way: what it says is in the tables now, if anywhere.
  const waiting = await dumpOf(database.sql);
  const token = await mails.tokenFor(invitation.email, 'invitation');
  await ask('GET', '/v1/partner/invitations', { headers });
  await ask('POST', '/v1/partner/invitations/show', { body: { token } });
  await ask('POST', '/v1/partner/invitations/accept', { body: { token }, headers });
  const shown = await dumpOf(database.sql);
  for (let time = 0; time < 2; time++) {
    await ask('POST', '/v1/partner/invitations/decline', { body: { token } });
  }
  return {
    password: demo.portal.password,
    accessToken: String(accessToken),
    refreshToken: String(refreshToken),
    invitation: token,
    dumped: waiting + shown,
  };
}

/** Pages that show the publishable key, from a list of origins and from elsewhere, and put secrets where none belong. */
async function actAsPages({ accessToken, invitation }: OfPeople): Promise<void> {
  const config = '/v1/partner/config';
  const person = { authorization: `Bearer ${accessToken}` };
  const page = (origin: string, more = {}) => ({ 'x-partner-key': demo.publicKey, origin, ...more });
  const shop = 'https://shop.example.org';
  const keys = (await ask('GET', '/v1/partner/keys', { headers: person })).data as { id: string }[];
  const path = `/v1/partner/keys/${keys[0]?.id}`;
  await ask('PATCH', path, { body: { allowedOrigins: [shop] }, headers: person });
  for (const secret of [demo.secretKey, demo.hmacSecret, invitation]) {
    await ask('GET', config, { headers: page(shop, { referer: `${shop}/?key=${secret}`, cookie: `key=${secret}` }) });
    await ask('GET', `${config}?key=${secret}`, { headers: page(shop) });
    await ask('GET', `${config}?key=${secret}`, { headers: page('https://elsewhere.example.org') });
    await ask('GET', config, { headers: page(shop, { 'x-partner-key': secret }) });
    await ask('GET', `${config}?${secret}=1`, { headers: page('https://elsewhere.example.org') });
  }
  await ask('PATCH', path, {
    body: { allowedOrigins: [`https://${demo.hmacSecret}@shop.example.org`] },
    headers: person,
  });
  await ask('PATCH', path, { body: { allowedOrigins: [] }, headers: person });
}

/** Requests that are refused while a secret is at hand, and a database that fails in the midst of them. */
async function goWrong(action: object, webhook: object, { password, invitation }: OfPeople): Promise<void> {
  await send('POST', '/v1/partner/actions/submit', { body: action, hmacSecret: demo.secretKey });
  await send('POST', '/v1/partner/actions/submit', { body: action, hmacSecret: hex() });
  await send('GET', '/v1/partner/users', { headers: { 'x-signature': demo.hmacSecret } });
  await send('GET', '/v1/partner/users', { headers: { origin: 'https://shop.example.org' } });
  await send('GET', '/v1/partner/users', { headers: { 'x-timestamp': '1' } });
  await send('POST', '/v1/partner/webhooks', { body: { ...webhook, url: 'https://10.0.0.1/' } });
  await send('POST', '/v1/partner/webhooks', { body: { ...webhook, receiveAllEvents: 1 } });
  const { sql } = database;
  for (const table of [
    'webhook_endpoints',
    'partner_users',
    'api_key_lookup',
    'partner_invitation_lookup',
    'accounts',
  ]) {
    await sql.unsafe(`alter table ${table} rename to away`);
    await send('POST', '/v1/partner/webhooks', { body: webhook });
    await send('GET', '/v1/partner/users');
    await send('POST', '/v1/partner/actions/submit', { body: { ...action, idempotencyKey: table } });
    await ask('POST', '/v1/partner/invitations/show', { body: { token: invitation } });
    await ask('POST', '/v1/partner/auth/login', { body: { email: demo.portal.email, password } });
    await sql.unsafe(`alter table away rename to ${table}`);
  }
}
