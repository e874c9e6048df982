import { setTimeout as sleep } from 'node:timers/promises';
import { ACCEPTABLE_USE_VERSION } from '@sirgiving/contract';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createAccount, hashPassword } from '../../src/accounts/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { dumpOf, leaksIn } from '../fuzz/find-leaks.ts';
import { type HostAnswer, type KeyPair, TwoHosts } from './two-hosts.ts';

// The whole way of a partner, by HTTP alone, on a sandbox and a production process with one database.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.start({ LOG_LEVEL: 'trace' });
});
afterAll(() => hosts?.stop());

const email = 'owner@bakery.example';
const password = 'warm bread every morning';
const adminPassword = 'a long way from the counter';
const action = {
  idempotencyKey: 'order_98765',
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
};
const application = {
  partnerName: 'Corner Bakery',
  legalEntity: 'Corner Bakery Ltd',
  contactEmail: 'ops@bakery.example',
  useCase: 'Customers are rewarded for buying bread of the day before.',
  integrationModel: 'SERVER',
  expectedMonthlyActions: 20_000,
  expectedMonthlyTokens: 150_000,
  actionTypes: ['PURCHASE'],
  stakeholderModel: 'The customer gets everything.',
  acceptableUse: { version: ACCEPTABLE_USE_VERSION, accepted: true },
};

function expectStatus(answer: HostAnswer, status: number, code?: string): Record<string, unknown> {
  expect({ status: answer.status, code: answer.body.code }, JSON.stringify(answer.body)).toEqual({ status, code });
  return answer.body;
}

/** Every secret that was made or given on the way, by what it is. */
const secrets: Record<string, string> = { password, adminPassword };

/** Remembers a secret. */
function keep(name: string, secret: unknown): string {
  secrets[`${name} (${Object.keys(secrets).length})`] = String(secret);
  return String(secret);
}

function keysOf(body: Record<string, unknown>): KeyPair {
  const { publicKey, secretKey, hmacSecret } = body;
  return {
    publicKey: String(publicKey),
    secretKey: keep('key', secretKey),
    hmacSecret: keep('HMAC secret', hmacSecret),
  };
}

async function logIn(withPassword: string): Promise<HostAnswer> {
  const call = { body: { email, password: withPassword }, showsSecret: true };
  const login = await hosts.call('sandbox', 'POST', '/v1/partner/auth/login', call);
  expectStatus(login, 200);
  return login;
}

const submit = (environment: 'sandbox' | 'production', keys: KeyPair) =>
  hosts.call(environment, 'POST', '/v1/partner/actions/submit', { keys, body: action });

const admin = (by: string, method: string, path: string, body?: unknown) =>
  hosts.call('production', method, path, { token: by, ...(body === undefined ? {} : { body }) });

let token: string;
let refreshToken: string;
let trial: KeyPair;
let live: KeyPair;
let ann: string;
let bob: string;
let requestId: string;

test('somebody registers, confirms the address by mail and logs in', async () => {
  const registered = await hosts.call('sandbox', 'POST', '/v1/partner/auth/register', { body: { email, password } });
  expectStatus(registered, 201);
  const early = await hosts.call('sandbox', 'POST', '/v1/partner/auth/login', { body: { email, password } });
  expect(early.status).toBeGreaterThanOrEqual(400);
  const mailed = keep('mailed token', await hosts.mails.tokenFor(email, 'verify-email'));
  const verified = await hosts.call('sandbox', 'POST', '/v1/partner/auth/verify-email', { body: { token: mailed } });
  expectStatus(verified, 200);
  const login = await logIn(password);
  expect(login.body).toMatchObject({ partner: null, memberships: [] });
  token = keep('access token', login.body.accessToken);
  refreshToken = keep('refresh token', login.body.refreshToken);
});

test('the first key makes the partner; its requests work, and an action waits for a pool', async () => {
  const body = { name: 'Server', environment: 'sandbox', partnerName: 'Corner Bakery' };
  const created = await hosts.call('sandbox', 'POST', '/v1/partner/keys', { token, body, showsSecret: true });
  trial = keysOf(expectStatus(created, 201));
  expectStatus(await hosts.call('sandbox', 'GET', '/v1/partner/users', { keys: trial }), 200);
  expectStatus(await submit('sandbox', trial), 402, 'NO_ACTIVE_POOL');
});

test('a sandbox request approves itself, and the same idempotency key completes', async () => {
  const body = { tokens: 10_000, name: 'Main' };
  const request = await hosts.call('sandbox', 'POST', '/v1/partner/token-pools/request', { keys: trial, body });
  expect(expectStatus(request, 201)).toMatchObject({ status: 'APPROVED', tokens: 10_000 });
  expect((await submit('sandbox', trial)).body).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
  const again = await submit('sandbox', trial);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expectStatus(again, 200);
});

test('a live key can be made at once, and does nothing yet but read', async () => {
  const body = { name: 'Live server', environment: 'production' };
  const created = await hosts.call('production', 'POST', '/v1/partner/keys', { token, body, showsSecret: true });
  live = keysOf(expectStatus(created, 201));
  expectStatus(await hosts.call('production', 'GET', '/v1/partner/users', { keys: live }), 200);
  const user = { keys: live, body: { externalUserId: 'user_1' } };
  expectStatus(await hosts.call('production', 'POST', '/v1/partner/users', user), 403, 'PARTNER_NOT_APPROVED');
  expectStatus(await submit('production', live), 402, 'NO_ACTIVE_POOL');
});

test('keys of one environment are told on the host of the other where they belong', async () => {
  for (const [environment, keys] of [
    ['production', trial],
    ['sandbox', live],
  ] as const) {
    expectStatus(await submit(environment, keys), 401, 'WRONG_ENVIRONMENT');
    expectStatus(await hosts.call(environment, 'GET', '/v1/partner/users', { keys }), 401, 'WRONG_ENVIRONMENT');
    const shown = { headers: { 'x-partner-key': keys.publicKey } };
    expectStatus(await hosts.call(environment, 'GET', '/v1/partner/config', shown), 401, 'WRONG_ENVIRONMENT');
  }
});

test('an application to go live is handed in on either host, once', async () => {
  const sent = await hosts.call('sandbox', 'POST', '/v1/partner/go-live', { token, body: application });
  expect(expectStatus(sent, 201)).toMatchObject({ status: 'PENDING', proposal: { poolTokens: 450_000 } });
  const again = await hosts.call('production', 'POST', '/v1/partner/go-live', { token, body: application });
  expectStatus(again, 409, 'GO_LIVE_DECIDED');
});

/** An account as the operator makes it; everything else the admin does by HTTP. */
async function newAdmin(name: string): Promise<string> {
  const address = `${name}@sirgiving.example`;
  const passwordHash = await hashPassword(adminPassword);
  const wanted = { email: address, passwordHash, isAdmin: true, createdAt: systemClock.now() };
  await hosts.database.sql.begin((tx) => createAccount(tx, randomIds, wanted));
  const body = { email: address, password: adminPassword };
  const login = await hosts.call('production', 'POST', '/v1/admin/auth/login', { body, showsSecret: true });
  const first = keep('access token', expectStatus(login, 200).accessToken);
  keep('refresh token', login.body.refreshToken);
  const enrolment = await hosts.call('production', 'POST', '/v1/admin/auth/totp', {
    token: first,
    body: { password: adminPassword },
    showsSecret: true,
  });
  const { secret } = expectStatus(enrolment, 201);
  const otp = new TOTP({ secret: keep('TOTP seed', secret), algorithm: 'SHA1', digits: 6, period: 30 }).generate();
  const confirm = { token: first, body: { otp }, showsSecret: true };
  const confirmed = await hosts.call('production', 'POST', '/v1/admin/auth/totp/confirm', confirm);
  const [recoveryCode = '', ...others] = expectStatus(confirmed, 200).recoveryCodes as string[];
  for (const code of [recoveryCode, ...others]) keep('recovery code', code);
  const refused = await hosts.call('production', 'POST', '/v1/admin/auth/login', { body });
  expectStatus(refused, 401, 'OTP_REQUIRED');
  const proven = { body: { ...body, otp: recoveryCode }, showsSecret: true };
  const session = expectStatus(await hosts.call('production', 'POST', '/v1/admin/auth/login', proven), 200);
  keep('refresh token', session.refreshToken);
  return keep('access token', session.accessToken);
}

test('an admin approves; the live key works within a second, and its pool is still empty', async () => {
  [ann, bob] = await Promise.all([newAdmin('ann'), newAdmin('bob')]);
  const waiting = await admin(ann, 'GET', '/v1/admin/go-live?status=PENDING');
  const [found] = expectStatus(waiting, 200).data as { application: { id: string } }[];
  const approve = `/v1/admin/go-live/${found?.application.id}/approve`;
  const unnamed = { token: ann, body: { identityChecked: true } };
  expectStatus(await hosts.call('sandbox', 'POST', approve, unnamed), 400, 'INVALID_REQUEST');
  expectStatus(await hosts.call('production', 'POST', approve, { ...unnamed, token }), 401, 'INVALID_ACCESS_TOKEN');
  const approved = expectStatus(await admin(ann, 'POST', approve, { identityChecked: true }), 200);
  requestId = String(approved.poolRequestId);
  await sleep(1_000);
  const user = { keys: live, body: { externalUserId: 'user_1' } };
  expectStatus(await hosts.call('production', 'POST', '/v1/partner/users', user), 201);
  expectStatus(await submit('production', live), 402, 'INSUFFICIENT_POOL');
});

test('the pool request waits for a second admin; then the reward comes', async () => {
  const approve = `/v1/admin/pool-requests/${requestId}/approve`;
  const first = expectStatus(await admin(ann, 'POST', approve, {}), 200);
  expect(first).toMatchObject({ approvalsNeeded: 2, request: { status: 'PENDING', tokens: 450_000 } });
  expectStatus(await admin(ann, 'POST', approve, {}), 403, 'SECOND_PERSON_REQUIRED');
  expectStatus(await submit('production', live), 402, 'INSUFFICIENT_POOL');
  expect(expectStatus(await admin(bob, 'POST', approve, {}), 200)).toMatchObject({ request: { status: 'APPROVED' } });
  expect((await submit('production', live)).body).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
  const balance = await hosts.call('production', 'GET', '/v1/partner/users/user_42/balance', { keys: live });
  expect(expectStatus(balance, 200)).toMatchObject({ available: 50 });
  const log = await admin(bob, 'GET', '/v1/admin/audit-log');
  const actions = (expectStatus(log, 200).data as { action: string }[]).map(({ action: done }) => done);
  expect(actions).toEqual(['pool_request.approve', 'pool_request.approve', 'go_live.approve']);
});

/** What else people do with secrets at hand, also when it goes wrong. */
async function goOnWithSecrets(): Promise<void> {
  const auth = (path: string, body: object, showsSecret = false) =>
    hosts.call('sandbox', 'POST', `/v1/partner/auth/${path}`, { body, showsSecret });
  const refreshed = expectStatus(await auth('refresh', { refreshToken }, true), 200);
  keep('access token', refreshed.accessToken);
  keep('refresh token', refreshed.refreshToken);
  expectStatus(await auth('forgot-password', { email }), 200);
  const mailed = keep('mailed token', await hosts.mails.tokenFor(email, 'reset-password'));
  const next = keep('password', 'even warmer bread every morning');
  expectStatus(await auth('reset-password', { token: mailed, password: next }), 204);
  expect((await auth('reset-password', { token: mailed, password: next })).status).toBe(422);
  expect((await auth('refresh', { refreshToken })).status).toBe(401);
  expect((await auth('login', { email, password })).status).toBe(401);
  const { body } = await logIn(next);
  const access = keep('access token', body.accessToken);
  keep('refresh token', body.refreshToken);
  const { sql } = hosts.database;
  for (const table of ['accounts', 'account_sessions', 'api_key_lookup', 'partner_users']) {
    await sql.unsafe(`alter table ${table} rename to away`);
    // Both answer tokens where the table is not needed, a refresh in the same second even the same one.
    await auth('login', { email, password: next }, true);
    await auth('refresh', { refreshToken: String(body.refreshToken) }, true);
    await auth('register', { email: 'new@bakery.example', password: next });
    await hosts.call('sandbox', 'GET', '/v1/partner/auth/me', { token: access });
    await hosts.call('sandbox', 'GET', '/v1/partner/users', { keys: trial });
    await hosts.call('sandbox', 'GET', '/v1/partner/users', { token: access });
    await sql.unsafe(`alter table away rename to ${table}`);
  }
}

test('no log, table or answer of the whole way holds a secret, also when things go wrong', async () => {
  await goOnWithSecrets();
  // Requests are logged within a second or two.
  await sleep(2_000);
  const all = { ...secrets, masterKey: hosts.masterKey };
  expect(Object.keys(all).length).toBeGreaterThan(35);
  const dump = await dumpOf(hosts.database.sql);
  for (const known of ['-- request_log', '/v1/partner/actions/submit', email]) expect(dump.includes(known)).toBe(true);
  expect(hosts.output).toContain('a request failed in a way nobody foresaw');
  expect(hosts.answers.length).toBeGreaterThan(80);
  expect(leaksIn(hosts.output, all)).toEqual([]);
  expect(leaksIn(dump, all)).toEqual([]);
  expect(leaksIn(hosts.answers.join('\n'), all)).toEqual([]);
});
