import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, publicPoolId, startTestApp, type TestApp, type TestPartner } from '../../test/app.ts';
import type { TestPerson } from '../../test/people.ts';
import { openSession } from '../accounts/session.ts';
import { createSessionTokens } from '../accounts/session-tokens.ts';
import { verifyLedger } from '../ledger/index.ts';
import { FindingList } from '../ledger/verify/findings.ts';
import { systemClock } from '../platform/clock.ts';
import { sqlState } from '../platform/db.ts';
import { publicId, randomIds, rowId } from '../platform/ids.ts';
import { verifyAudit } from './verify-audit.ts';

let sandbox: TestApp;
let production: TestApp;
let alice: TestPerson;
let bob: TestPerson;
let carol: TestPerson;
let live: TestPartner;
beforeAll(async () => {
  sandbox = await startTestApp();
  production = await startTestApp({ config: { environment: 'production' }, shareDatabaseOf: sandbox });
  [alice, bob, carol] = await Promise.all([
    sandbox.newPerson({ admin: true }),
    sandbox.newPerson({ admin: true }),
    sandbox.newPerson({ admin: true }),
  ]);
  live = await production.newPartner({ environment: 'production' });
});
afterAll(async () => {
  await production.close();
  await sandbox.close();
});

const idOf = ({ partnerId }: TestPartner) => publicId('ptn', partnerId);

/** A call of the administration about production data. */
function call(person: TestPerson, method: string, path: string, body?: unknown): Promise<Answer> {
  return production.by(person, method, `/v1/admin/${path}`, body);
}

async function ok(answer: Promise<Answer>): Promise<Record<string, unknown>> {
  const { status, body, text } = await answer;
  expect(status, text).toBeLessThan(300);
  return body;
}

async function livePool(partner: TestPartner = live): Promise<string> {
  const body = { name: 'Main', reason: 'first pool' };
  return String((await ok(call(alice, 'POST', `partners/${idOf(partner)}/token-pools`, body))).id);
}

async function fileFunding(pool: string, tokens: number, by = alice): Promise<string> {
  const path = `partners/${idOf(live)}/token-pools/${pool}/fund`;
  const filed = await ok(call(by, 'POST', path, { tokens, reason: 'campaign' }));
  expect(filed).toMatchObject({ status: 'REQUESTED', tokens });
  return String(filed.poolRequestId);
}

const approve = (by: TestPerson, request: string, body: object = {}) =>
  call(by, 'POST', `pool-requests/${request}/approve`, body);

const verify = () => verifyLedger(sandbox.sql, { moreChecks: [verifyAudit] });

test('in production an admin only asks for tokens: somebody else approves, and above 100,000 two others', async () => {
  const pool = await livePool();
  const little = await fileFunding(pool, 5_000);
  expect((await approve(alice, little)).body).toMatchObject({ code: 'SECOND_PERSON_REQUIRED', status: 403 });
  expect(await ok(approve(bob, little, { tokens: 4_000 }))).toMatchObject({
    request: { status: 'APPROVED', tokens: 5_000, approvedTokens: 4_000 },
  });
  expect((await approve(carol, little)).body).toHaveProperty('code', 'REQUEST_DECIDED');

  const much = await fileFunding(pool, 200_000);
  expect(await ok(approve(bob, much))).toMatchObject({ request: { status: 'PENDING' }, approvalsNeeded: 2 });
  expect((await approve(bob, much)).body).toHaveProperty('code', 'SECOND_PERSON_REQUIRED');
  expect((await approve(alice, much)).body).toHaveProperty('code', 'SECOND_PERSON_REQUIRED');
  expect(await ok(approve(carol, much))).toMatchObject({ request: { status: 'APPROVED', approvedTokens: 200_000 } });

  expect(await ok(call(alice, 'GET', 'issuance'))).toMatchObject({ issued: 204_000, inPools: 204_000, withUsers: 0 });
  const takeOut = `partners/${idOf(live)}/token-pools/${pool}/withdraw`;
  expect(await ok(call(alice, 'POST', takeOut, { tokens: 4_000, reason: 'too much' }))).toHaveProperty(
    'balance',
    200_000,
  );
  expect(await ok(call(alice, 'POST', `partners/${idOf(live)}/token-pools/${pool}/close`, { reason: 'over' }))).toEqual(
    {
      poolId: pool,
      balance: 200_000,
    },
  );
  expect(await verify()).toMatchObject({ ok: true });
});

test('the database itself refuses an approval in production by who asked', async () => {
  const request = await fileFunding(await livePool(), 10);
  const id = rowId('preq', request) ?? '';
  const update = sandbox.sql`
    update token_pool_requests set first_approved_by = requested_by where partner_id = ${live.partnerId} and id = ${id}`;
  expect(sqlState(await update.catch((error: unknown) => error))).toBe('23514');
  const denied = await ok(call(alice, 'POST', `pool-requests/${request}/deny`, { reason: 'a slip' }));
  expect(denied).toMatchObject({ request: { status: 'DENIED', denialReason: 'a slip' } });
  const listed = await ok(call(alice, 'GET', `pool-requests?status=DENIED&partnerId=${idOf(live)}`));
  expect(listed.data).toMatchObject([{ request: { id: request } }]);
});

test('approving, funding and withdrawing in production need a one-time password of the last 15 minutes', async () => {
  const pool = await livePool();
  const request = await fileFunding(pool, 10);
  const now = systemClock.now();
  const otpAt = new Date(now.getTime() - 16 * 60_000);
  const wanted = { id: randomIds.uuid(), accountId: bob.accountId, audience: 'admin', byCookie: false } as const;
  const session = await sandbox.sql.begin((tx) => openSession(tx, { ...wanted, amr: ['pwd', 'otp'], otpAt }, now));
  const accessToken = await createSessionTokens(sandbox.secretBox, systemClock).issueAccess(session, now);
  const hasty = { ...bob, accessToken };
  expect((await approve(hasty, request)).body).toMatchObject({ code: 'OTP_REQUIRED', status: 401 });
  for (const way of ['fund', 'withdraw']) {
    const path = `partners/${idOf(live)}/token-pools/${pool}/${way}`;
    expect((await call(hasty, 'POST', path, { tokens: 1, reason: 'x' })).body).toHaveProperty('code', 'OTP_REQUIRED');
  }
  expect((await call(hasty, 'GET', `pool-requests/${request}`)).status).toBe(200);
  await ok(approve(bob, request));
});

test('partners are suspended, approved and given other terms, and each change is in the log with who, when, before, after and why', async () => {
  const partner = await sandbox.newPartner();
  const id = idOf(partner);
  const bySandbox = await sandbox.by(alice, 'POST', `/v1/admin/partners/${id}/suspend`, { reason: 'x' });
  expect(bySandbox.body).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ path: 'X-Partner-Environment' }] });
  expect(await ok(call(alice, 'POST', `partners/${id}/suspend`, { reason: 'fraud' }))).toMatchObject({
    status: 'SUSPENDED',
  });
  await expect
    .poll(
      async () => (await sandbox.signed('POST', '/v1/partner/users', { externalUserId: 'a' }, { partner })).body.code,
    )
    .toBe('PARTNER_SUSPENDED');
  expect((await sandbox.signed('GET', '/v1/partner/users', undefined, { partner })).status).toBe(200);
  await ok(call(bob, 'POST', `partners/${id}/approve`, { reason: 'cleared' }));
  const terms = { tier: 'ENTERPRISE', enabledFeatures: ['ACTIONS'], reason: 'contract' };
  expect(await ok(call(bob, 'PATCH', `partners/${id}`, terms))).toMatchObject({
    tier: 'ENTERPRISE',
    rateLimits: { sandbox: 50_000, production: 50_000 },
  });
  expect(await ok(call(bob, 'GET', `partners/${id}`))).toMatchObject({
    status: 'ACTIVE',
    enabledFeatures: ['ACTIONS'],
  });

  const log = await ok(call(alice, 'GET', `audit-log?partnerId=${id}`));
  const changed = { before: { status: 'ACTIVE' }, after: { status: 'SUSPENDED' }, reason: 'fraud', target: id };
  expect(log.data).toMatchObject([
    { action: 'partner.terms', after: { tier: 'ENTERPRISE', features: ['ACTIONS'] } },
    { action: 'partner.approve', actor: { email: bob.email } },
    { action: 'partner.suspend', actor: { kind: 'ADMIN', email: alice.email }, ...changed },
  ]);
});

test('a partner is given limits of its own, one at a time, and they are lifted again; the log has each with its reason', async () => {
  const partner = await sandbox.newPartner({ poolTokens: 0 });
  const path = `partners/${idOf(partner)}`;
  const set = (rateLimitOverrides: object, reason: string) =>
    call(alice, 'PATCH', path, { rateLimitOverrides, reason });
  expect(await ok(set({ production: 20_000 }, 'a big sale'))).toMatchObject({
    rateLimits: { sandbox: 1_000, production: 20_000 },
    rateLimitOverrides: { sandbox: null, production: 20_000 },
  });
  const read = () => sandbox.signed('GET', '/v1/partner/users', undefined, { partner });
  expect((await read()).headers['x-ratelimit-limit']).toBe('1000');
  await ok(set({ sandbox: 5 }, 'a loop'));
  await expect.poll(async () => (await read()).headers['x-ratelimit-limit']).toBe('5');
  for (const bad of [{}, { sandbox: 0 }, { sandbox: 1_000_001 }, { sandbox: 1.5 }, { sandbox: '5' }, { test: 5 }]) {
    expect((await set(bad, 'x')).body, JSON.stringify(bad)).toHaveProperty('code', 'INVALID_REQUEST');
  }
  await ok(set({ sandbox: null }, 'mended'));
  expect(await ok(call(bob, 'GET', path))).toMatchObject({
    rateLimits: { sandbox: 1_000, production: 20_000 },
    rateLimitOverrides: { sandbox: null, production: 20_000 },
  });
  const log = await ok(call(alice, 'GET', `audit-log?target=${idOf(partner)}`));
  const now = (sandboxLimit: number | null) => ({ rateLimitOverrides: { sandbox: sandboxLimit, production: 20_000 } });
  expect(log.data).toMatchObject([
    { action: 'partner.terms', reason: 'mended', before: now(5), after: now(null) },
    { action: 'partner.terms', reason: 'a loop', before: now(null), after: now(5) },
    { action: 'partner.terms', reason: 'a big sale', before: { rateLimitOverrides: { production: null } } },
  ]);
});

test('a retry of an admin’s change does nothing again, and is in the log once', async () => {
  const partner = await sandbox.newPartner();
  const path = `/v1/admin/partners/${idOf(partner)}/token-pools/${publicPoolId(partner)}/fund`;
  const once = { headers: { 'idempotency-key': 'fund-1' } };
  const body = { tokens: 7, reason: 'gift' };
  const first = await sandbox.by(alice, 'POST', path, body, once);
  const second = await sandbox.by(alice, 'POST', path, body, once);
  expect(first.body).toMatchObject({ status: 'FUNDED' });
  expect(second).toMatchObject({ body: first.body, headers: { 'idempotent-replayed': 'true' } });
  const inProduction = { headers: { ...once.headers, 'x-partner-environment': 'production' } };
  expect((await sandbox.by(alice, 'POST', path, body, inProduction)).status).toBe(404);
  const log = await ok(sandbox.by(alice, 'GET', `/v1/admin/audit-log?partnerId=${idOf(partner)}`));
  expect(log.data).toHaveLength(1);
});

test('a key of any partner is listed without secrets and revoked', async () => {
  const partner = await sandbox.newPartner();
  const keys = `/v1/admin/partners/${idOf(partner)}/keys`;
  const listed = await sandbox.by(alice, 'GET', keys);
  const { publicKey, secretKey, hmacSecret, id } = partner.keys;
  expect(listed.body.data).toMatchObject([{ publicKey, revokedAt: null }]);
  expect(listed.text).not.toContain(secretKey);
  expect(listed.text).not.toContain(hmacSecret);
  const revoke = `${keys}/${publicId('key', id)}/revoke`;
  expect((await sandbox.by(alice, 'POST', revoke, { reason: 'leaked' })).body).toMatchObject({ alreadyRevoked: false });
  expect((await sandbox.signed('GET', '/v1/partner/users', undefined, { partner })).status).toBe(401);
  const other = `/v1/admin/partners/${idOf(live)}/keys/${publicId('key', id)}/revoke`;
  expect((await sandbox.by(alice, 'POST', other, { reason: 'x' })).status).toBe(404);
});

test('going live is approved by somebody else in one audited step, and its tokens still wait for their own approval', async () => {
  const partner = await sandbox.newPartner({ status: 'PENDING_APPROVAL' });
  const owner = await sandbox.newMember('owner', partner);
  const application = {
    ...{ partnerName: 'Bakery', legalEntity: 'Bakery Ltd', contactEmail: 'it@bakery.example', useCase: 'Loyalty' },
    ...{ integrationModel: 'SERVER', expectedMonthlyActions: 1_000, expectedMonthlyTokens: 20_000 },
    ...{
      actionTypes: ['PURCHASE'],
      stakeholderModel: 'Customers',
      acceptableUse: { version: '2026-11-24', accepted: true },
    },
  };
  const sent = await ok(sandbox.by(owner, 'POST', '/v1/partner/go-live', application));
  const path = `go-live/${sent.id}`;
  expect((await call(alice, 'POST', `${path}/approve`, {})).body).toHaveProperty('code', 'INVALID_REQUEST');
  const approved = await ok(call(alice, 'POST', `${path}/approve`, { identityChecked: true, poolTokens: 60_000 }));
  expect(approved).toMatchObject({ application: { application: { status: 'APPROVED' } } });
  expect((await call(bob, 'POST', `${path}/deny`, { reason: 'late' })).body).toHaveProperty('code', 'GO_LIVE_DECIDED');
  const request = String(approved.poolRequestId);
  expect(await ok(call(bob, 'GET', `pool-requests/${request}`))).toMatchObject({ request: { status: 'PENDING' } });
  expect(await ok(approve(alice, request))).toMatchObject({ request: { status: 'APPROVED', approvedTokens: 60_000 } });
  expect(await ok(call(bob, 'GET', 'go-live?status=APPROVED'))).toMatchObject({ data: [{ partnerId: idOf(partner) }] });
  expect(await ok(call(bob, 'GET', `ledger/verification?partnerId=${idOf(partner)}`))).toMatchObject({ ok: true });
});

test('an admin is taken out of the administration by another one, and is out within a second', async () => {
  const former = await sandbox.newPerson({ admin: true });
  const path = `admins/${publicId('acc', former.accountId)}/revoke`;
  expect((await call(former, 'POST', path, { reason: 'x' })).body).toHaveProperty('code', 'SECOND_PERSON_REQUIRED');
  expect(await ok(call(alice, 'POST', path, { reason: 'left' }))).toMatchObject({ isAdmin: false });
  expect((await call(former, 'GET', 'partners')).status).toBe(401);
  expect((await call(alice, 'POST', path, { reason: 'again' })).status).toBe(404);
});

test('verification finds an entry of the audit log that was changed, taken out or never written', async () => {
  expect(await verify()).toMatchObject({ ok: true });
  const corruptions = [
    "update audit_log set reason = 'other' where sequence = 2",
    "update audit_log set before_change = '{}' where sequence = 3",
    'delete from audit_log where sequence = 2',
    'delete from audit_log where sequence = (select max(sequence) from audit_log)',
    `update token_pool_requests set first_approved_by = '${randomIds.uuid()}' where first_approved_by is not null`,
  ];
  for (const corruption of corruptions) {
    const undone = new Error('undone');
    const work = sandbox.sql.begin(async (tx) => {
      await tx.unsafe(corruption);
      const found = new FindingList();
      await verifyAudit.run(tx, {}, found);
      expect(found.violations, corruption).toHaveProperty('I14');
      throw undone;
    });
    await expect(work).rejects.toBe(undone);
  }
});
