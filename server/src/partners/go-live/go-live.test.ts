import { setTimeout as sleep } from 'node:timers/promises';
import { ACCEPTABLE_USE_VERSION, type GoLiveChecklist } from '@sirgiving/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../../test/app.ts';
import type { TestPerson } from '../../../test/people.ts';
import { systemClock } from '../../platform/clock.ts';
import { publicId, randomIds, rowId } from '../../platform/ids.ts';
import { MailBox } from '../../platform/mail.ts';
import { MailOutbox } from '../../platform/mail-outbox.ts';
import { createKey } from '../create-key.ts';
import { recordMilestones } from '../milestones.ts';
import { approveGoLive, denyGoLive, type GoLiveApproval } from './decide-go-live.ts';

const GO_LIVE = '/v1/partner/go-live';
const application = {
  partnerName: 'Corner Bakery',
  legalEntity: 'Corner Bakery Ltd.',
  contactEmail: 'alerts@bakery.example',
  useCase: 'Customers get SIR for every loaf.',
  integrationModel: 'SERVER',
  expectedMonthlyActions: 20_000,
  expectedMonthlyTokens: 150_500,
  actionTypes: ['PURCHASE'],
  stakeholderModel: 'The customer gets it all.',
  allowedIps: ['192.0.2.0/24'],
  acceptableUse: { version: ACCEPTABLE_USE_VERSION, accepted: true },
};

let t: TestApp;
let production: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
  production = await startTestApp({
    config: { environment: 'production', rateLimitPerMinute: 0 },
    shareDatabaseOf: t,
  });
});
afterAll(async () => {
  await production.close();
  await t.close();
});

async function newApplicant(): Promise<{ partner: TestPartner; owner: TestPerson }> {
  const partner = await t.newPartner({ status: 'PENDING_APPROVAL', poolTokens: 0 });
  return { partner, owner: await t.newMember('owner', partner) };
}

async function liveKey({ partnerId }: TestPartner): Promise<TestPartner> {
  const wanted = { partnerId, environment: 'production', name: 'Live', createdAt: systemClock.now() } as const;
  const keys = await t.sql.begin((tx) => createKey(tx, randomIds, t.secretBox, wanted));
  return { partnerId, environment: 'production', keys, poolId: undefined };
}

function deciding() {
  const mailBox = new MailBox('test', systemClock);
  const parts = { clock: systemClock, ids: randomIds, secretBox: t.secretBox, environment: 'production' } as const;
  const mailOutbox = new MailOutbox({ ...parts, delivery: { kind: 'memory', mailBox } });
  return { ids: randomIds, mailOutbox };
}

const approve = (partner: TestPartner, applicationId: unknown, more: Partial<GoLiveApproval> = {}) => {
  const approval = {
    partnerId: partner.partnerId,
    applicationId: rowId('glv', String(applicationId)) ?? '',
    decidedBy: randomIds.uuid(),
    identityChecked: true,
    ...more,
  };
  return t.sql.begin((tx) => approveGoLive(tx, deciding(), approval, systemClock.now()));
};

describe('an application to go live', () => {
  test('has the documented items, proposes tier and pool, and waits', async () => {
    const { owner } = await newApplicant();
    expect((await t.by(owner, 'GET', GO_LIVE)).body).toEqual({
      partnerStatus: 'PENDING_APPROVAL',
      application: null,
      acceptableUseVersion: ACCEPTABLE_USE_VERSION,
    });
    const { status, body } = await t.by(owner, 'POST', GO_LIVE, application);
    const { acceptableUse: _, ...items } = application;
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...items,
      id: expect.stringMatching(/^glv_/),
      status: 'PENDING',
      identityChecked: false,
      proposal: { tier: 'STANDARD', poolTokens: 452_000 },
      decision: null,
    });
    expect((await t.by(owner, 'GET', GO_LIVE)).body.application).toEqual(body);
    expect((await t.by(owner, 'POST', GO_LIVE, application)).body.code).toBe('GO_LIVE_DECIDED');
  });

  test('is one, also when two owners apply at once', async () => {
    const { partner, owner } = await newApplicant();
    const second = await t.newMember('owner', partner);
    const answers = await Promise.all([owner, second].map((one) => t.by(one, 'POST', GO_LIVE, application)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  test.each([
    ['acceptable use that was not accepted', { acceptableUse: { ...application.acceptableUse, accepted: false } }],
    ['an old edition of it', { acceptableUse: { version: '2020-01-01', accepted: true } }],
    ['a list of addresses that is none', { allowedIps: ['somewhere'] }],
    ['a field that nobody knows', { discount: 1 }],
    ['a webhook that is not https', { webhookUrl: 'http://bakery.example' }],
  ])('with %s is refused', async (_, change) => {
    const { owner } = await newApplicant();
    const refused = await t.by(owner, 'POST', GO_LIVE, { ...application, ...change });
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
  });

  test('is for owners, and not for partners that a seed has made', async () => {
    const { partner, owner } = await newApplicant();
    const developer = await t.newMember('developer', partner);
    expect((await t.by(developer, 'POST', GO_LIVE, application)).body.code).toBe('ROLE_REQUIRED');
    const seeded = await t.newPerson({ sandboxOnly: true });
    await t.by(seeded, 'POST', '/v1/partner/keys', { name: 'x', environment: 'sandbox' });
    expect((await t.by(seeded, 'POST', GO_LIVE, application)).body.code).toBe('SANDBOX_ONLY');
    expect((await t.by(owner, 'POST', GO_LIVE, application)).status).toBe(201);
  });
});

describe('an approval', () => {
  test('enables live keys, makes a pool with balance 0 and files its request, within a second everywhere', async () => {
    const { partner, owner } = await newApplicant();
    const live = await liveKey(partner);
    const create = (id: string) =>
      production.signed('POST', '/v1/partner/users', { externalUserId: id }, { partner: live });
    expect((await create('a')).body.code).toBe('PARTNER_NOT_APPROVED');
    const { body } = await t.by(owner, 'POST', GO_LIVE, { ...application, allowedIps: ['127.0.0.1'] });
    const { poolId, poolRequestId } = await approve(partner, body.id, { tier: 'PROFESSIONAL', poolTokens: 50_000 });
    await sleep(1_000);
    const created = await create('a');
    expect(created.status).toBe(201);
    const pools = await production.signed('GET', '/v1/partner/token-pools', undefined, { partner: live });
    expect(pools.body.data).toMatchObject([{ id: publicId('pool', poolId), balance: 0, isDefault: true }]);
    const [request] = await t.sql`
      select status, tokens, requested_by_kind, requested_by, environment from token_pool_requests where id = ${poolRequestId}`;
    expect(request).toEqual({
      status: 'PENDING',
      tokens: 50_000,
      requested_by_kind: 'MEMBER',
      requested_by: owner.accountId,
      environment: 'production',
    });
    const standing = await t.by(owner, 'GET', GO_LIVE);
    expect(standing.body).toMatchObject({
      partnerStatus: 'ACTIVE',
      application: {
        status: 'APPROVED',
        identityChecked: true,
        decision: { tier: 'PROFESSIONAL', poolTokens: 50_000, tokenPoolId: publicId('pool', poolId) },
      },
    });
    const info = await t.by(owner, 'GET', '/v1/partner/keys/partner-info');
    expect(info.body).toMatchObject({ name: 'Corner Bakery', tier: 'PROFESSIONAL', rateLimit: 5_000 });
    const keys = await t.by(owner, 'GET', '/v1/partner/keys', undefined, { environment: 'production' });
    expect(keys.body.data).toMatchObject([{ allowedIps: ['127.0.0.1/32'] }]);
    const next = await t.by(owner, 'POST', '/v1/partner/keys', { name: 'Next', environment: 'production' });
    const listed = await t.by(owner, 'GET', `/v1/partner/keys/${next.body.id}`, undefined, {
      environment: 'production',
    });
    expect(listed.body.allowedIps).toEqual(['127.0.0.1/32']);
    expect((await t.by(owner, 'POST', GO_LIVE, application)).body.code).toBe('GO_LIVE_DECIDED');
  });

  test('takes the proposed terms, another person than the applicant, and the check of identity; and happens once', async () => {
    const { partner, owner } = await newApplicant();
    const { body } = await t.by(owner, 'POST', GO_LIVE, application);
    const failure = (attempt: Promise<unknown>) =>
      attempt.then(
        () => 'none',
        (error) => error.code ?? String(error),
      );
    expect(await failure(approve(partner, body.id, { decidedBy: owner.accountId }))).toBe('SECOND_PERSON_REQUIRED');
    expect(await failure(approve(partner, body.id, { identityChecked: false }))).toBe('INVALID_REQUEST');
    await t.sql`update partners set status = 'SUSPENDED' where id = ${partner.partnerId}`;
    expect(await failure(approve(partner, body.id))).toBe('PARTNER_SUSPENDED');
    await t.sql`update partners set status = 'PENDING_APPROVAL' where id = ${partner.partnerId}`;
    const both = await Promise.all([failure(approve(partner, body.id)), failure(approve(partner, body.id))]);
    expect(both.sort()).toEqual(['GO_LIVE_DECIDED', 'none']);
    const { body: standing } = await t.by(owner, 'GET', GO_LIVE);
    expect(standing.application).toMatchObject({ decision: { tier: 'STANDARD', poolTokens: 452_000 } });
    const pools = await t.sql`select from token_pools where partner_id = ${partner.partnerId}`;
    expect(pools).toHaveLength(1);
    await expect(
      t.sql`update go_live_applications set decided_by = submitted_by where partner_id = ${partner.partnerId}`,
    ).rejects.toThrow('check constraint');
  });

  test('that is denied says why, and the partner may apply again', async () => {
    const { partner, owner } = await newApplicant();
    const { body } = await t.by(owner, 'POST', GO_LIVE, application);
    const denial = {
      partnerId: partner.partnerId,
      applicationId: rowId('glv', String(body.id)) ?? '',
      decidedBy: randomIds.uuid(),
      reason: 'We could not find the company.',
    };
    await t.sql.begin((tx) => denyGoLive(tx, deciding(), denial, systemClock.now()));
    const { body: standing } = await t.by(owner, 'GET', GO_LIVE);
    expect(standing).toMatchObject({
      partnerStatus: 'PENDING_APPROVAL',
      application: { status: 'DENIED', decision: { reason: 'We could not find the company.' } },
    });
    expect((await t.by(owner, 'POST', GO_LIVE, application)).status).toBe(201);
  });
});

describe('the checklist', () => {
  const doneOf = (body: unknown) =>
    (body as GoLiveChecklist).items.filter(({ doneAt }) => doneAt !== null).map(({ item }) => item);

  test('fills itself in from what the API has seen', async () => {
    const app = await startTestApp({ config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
    const partner = await t.newPartner({ status: 'PENDING_APPROVAL' });
    const owner = await t.newMember('owner', partner);
    expect(doneOf((await t.by(owner, 'GET', `${GO_LIVE}/checklist`)).body)).toEqual([]);
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a' }];
    const action = { idempotencyKey: 'o1', actionType: 'PURCHASE', amount: 5, currency: 'USD', stakeholders };
    const submit = () => app.signed('POST', '/v1/partner/actions/submit', action, { partner });
    const { body } = await submit();
    expect((await submit()).headers['idempotent-replayed']).toBe('true');
    await app.signed('POST', `/v1/partner/actions/${body.actionId}/reverse`, { reason: 'test' }, { partner });
    await app.request({ url: '/v1/partner/config', headers: { 'x-partner-key': partner.keys.publicKey } });
    await liveKey(partner);
    await t.by(owner, 'POST', GO_LIVE, application);
    // What was noted in memory is written when the server closes, or within 5 s.
    await app.close();
    const { body: list } = await t.by(owner, 'GET', `${GO_LIVE}/checklist`);
    expect(doneOf(list)).toEqual([
      'SIGNED_REQUEST',
      'ACTION_COMPLETED',
      'RETRY_REPLAYED',
      'ACTION_REVERSED',
      'WIDGET_LOADED',
      'LIVE_KEY_CREATED',
      'CONTACT_EMAIL_SET',
      'APPLICATION_SENT',
    ]);
    expect(list.isComplete).toBe(false);
    // The rows that proved it may go.
    await t.sql`delete from actions where partner_id = ${partner.partnerId}`;
    expect(doneOf((await t.by(owner, 'GET', `${GO_LIVE}/checklist`)).body)).toContain('ACTION_COMPLETED');
  });

  test('is complete once everything that the integration needs is done', async () => {
    const { partner, owner } = await newApplicant();
    await liveKey(partner);
    const { body } = await t.by(owner, 'POST', GO_LIVE, { ...application, integrationModel: 'WIDGET' });
    await approve(partner, body.id);
    const checklist = async () => (await t.by(owner, 'GET', `${GO_LIVE}/checklist`)).body;
    expect((await checklist()).isComplete).toBe(false);
    const tenant = { partnerId: partner.partnerId, environment: 'sandbox' } as const;
    await recordMilestones(t.sql, [{ ...tenant, milestone: 'WIDGET_LOADED', reachedAt: systemClock.now() }]);
    expect(await checklist()).toMatchObject({ isComplete: true });
  });
});
