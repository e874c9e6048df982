import type { RecordedExamples } from '../../src/openapi/recorded-examples.ts';
import { randomIds, rowId } from '../../src/platform/ids.ts';
import { denyPoolRequest, fundPool } from '../../src/pools/index.ts';
import { publicPoolId } from '../app.ts';
import { recordAdmins } from './record-admins.ts';
import { recordPeople } from './record-people.ts';
import { type Recording, startRecording } from './recording.ts';

/**
 * Lives through a partner's first hour against the whole server and keeps every call, and every delivery that its webhook got. The
 * clock is the test's own and ids are written anew in the order in which they appear, so that the same server gives the same text.
 */
export async function recordExamples(): Promise<RecordedExamples> {
  const recording = await startRecording();
  const { record } = recording;
  try {
    const webhookId = await registerWebhook(recording);
    await keepUsers(recording);
    const actionId = await rewardActions(recording);
    await readTheBooks(recording);
    await reverseAndRedeem(recording, actionId);
    await fillPools(recording);
    await recordPeople(recording);
    await watchWebhooks(recording, webhookId);
    await record('Gone for ever', 'DELETE', '/v1/partner/users/user_43');
    await recordAdmins(recording);
    await record('It answers', 'GET', '/livez');
    await record('It can work', 'GET', '/readyz');
  } finally {
    await recording.stop();
  }
  return recording.result();
}

async function registerWebhook({ app, record, receiverUrl }: Recording): Promise<string> {
  const wanted = { url: `${receiverUrl}/webhooks/sir`, description: 'Our shop', receiveAllEvents: true };
  const answer = await record('The secret is shown once', 'POST', '/v1/partner/webhooks', wanted);
  const inside = { url: 'https://10.0.0.1/webhooks', eventTypes: ['action.completed'] };
  await record('An address inside a private network', 'POST', '/v1/partner/webhooks', inside);
  const { partnerId, environment, poolId = '' } = app.partner;
  // What SIR Giving does, so that the example of its event is a delivery too.
  await app.sql.begin((tx) =>
    fundPool(tx, randomIds, { partnerId, environment, poolId, tokens: 250_000 }, new Date('2026-11-24T12:02:00.000Z')),
  );
  return String(answer.body.id);
}

async function keepUsers({ record }: Recording): Promise<void> {
  const user = {
    externalUserId: 'user_42',
    email: 'customer@example.com',
    firstName: 'Jane',
    lastName: 'Doe',
    metadata: { plan: 'gold' },
  };
  await record('A user with a profile', 'POST', '/v1/partner/users', user);
  await record('The id is taken', 'POST', '/v1/partner/users', { externalUserId: 'user_42' });
  await record('Signed with a publishable key', 'POST', '/v1/partner/users', user, { key: 'publishable' });
  await record('Nothing but an id', 'POST', '/v1/partner/users', { externalUserId: 'user_43' });
  await record('The first page of one', 'GET', '/v1/partner/users?limit=1');
  const tooOld = { timestamp: Date.parse('2026-11-24T11:00:00.000Z') / 1000 };
  await record('A clock that is late by more than an hour', 'GET', '/v1/partner/users', undefined, tooOld);
  await record('Jane', 'GET', '/v1/partner/users/user_42');
  await record('Nobody has this id', 'GET', '/v1/partner/users/user_404');
  await record('A new name, and no family name', 'PATCH', '/v1/partner/users/user_42', {
    firstName: 'Janet',
    lastName: null,
  });
}

async function rewardActions({ record }: Recording): Promise<string> {
  const submit = '/v1/partner/actions/submit';
  const jane = {
    stakeholderTypeCode: 'CUSTOMER',
    partnerUserId: 'user_42',
    userEmail: 'customer@example.com',
    userFirstName: 'Jane',
    userLastName: 'Doe',
  };
  const purchase = {
    idempotencyKey: 'order_98765',
    actionType: 'PURCHASE',
    amount: 49.99,
    currency: 'USD',
    stakeholders: [jane],
    autoCreateUsers: true,
    metadata: { orderId: '98765' },
  };
  await record('What it would give', 'POST', '/v1/partner/actions/preview', purchase);
  const answer = await record('A purchase is rewarded', 'POST', submit, purchase);
  await record('The same key with another amount', 'POST', submit, { ...purchase, amount: 59.99 });
  await record('More than the pool has', 'POST', submit, {
    ...purchase,
    idempotencyKey: 'order_98766',
    amount: 9_000_000,
  });
  await record('A currency without a rate', 'POST', submit, {
    ...purchase,
    idempotencyKey: 'order_98767',
    currency: 'XAU',
  });
  await record('Fields that do not fit', 'POST', submit, { ...purchase, amount: '49.99', stakeholders: [] });
  const referrer = { stakeholderTypeCode: 'REFERRER', partnerUserId: 'user_42' };
  const referee = { stakeholderTypeCode: 'REFEREE', partnerUserId: 'user_43' };
  const referral = { actionType: 'REFERRAL', amount: 25, currency: 'USD', stakeholders: [referrer, referee] };
  const actions = [
    { idempotencyKey: 'referral_7', ...referral },
    { idempotencyKey: 'referral_8', ...referral, currency: 'XAU' },
  ];
  await record('One is rewarded, one is refused', 'POST', '/v1/partner/actions/batch', {
    mode: 'independent',
    actions,
  });
  const another = actions.map((action) => ({ ...action, idempotencyKey: `${action.idempotencyKey}b` }));
  await record('All or nothing', 'POST', '/v1/partner/actions/batch', { mode: 'atomic', actions: another });
  return String(answer.body.actionId);
}

async function readTheBooks({ app, record }: Recording): Promise<void> {
  const poolId = publicPoolId(app.partner);
  await record('Purchases that were rewarded', 'GET', '/v1/partner/actions?actionType=PURCHASE&status=COMPLETED');
  await record('Jane’s balance', 'GET', '/v1/partner/users/user_42/balance');
  const { body } = await record('Her latest', 'GET', '/v1/partner/users/user_42/transactions?limit=2');
  const [latest] = body.data as { id: string }[];
  await record('Rewards only', 'GET', '/v1/partner/transactions?kind=REWARD&limit=2');
  await record('A reward', 'GET', `/v1/partner/transactions/${latest?.id}`);
  await record('All of them', 'GET', '/v1/partner/token-pools');
  await record('The default pool', 'GET', `/v1/partner/token-pools/${poolId}`);
  await record('What was put in', 'GET', `/v1/partner/token-pools/${poolId}/transactions?kind=ALLOCATION`);
}

async function reverseAndRedeem({ record }: Recording, actionId: string): Promise<void> {
  const redemptions = '/v1/partner/users/user_42/redemptions';
  await record('A voucher', 'POST', redemptions, { tokens: 20, idempotencyKey: 'voucher_1', reference: 'Coffee' });
  await record('More than she has', 'POST', redemptions, { tokens: 9_000, idempotencyKey: 'voucher_2' });
  const reverse = `/v1/partner/actions/${actionId}/reverse`;
  const half = { reason: 'One of two items came back', tokens: 25, idempotencyKey: 'refund_1' };
  await record('A part of it', 'POST', reverse, half);
  await record('More than what remains', 'POST', reverse, { ...half, tokens: 26, idempotencyKey: 'refund_2' });
  await record('Partly reversed', 'GET', `/v1/partner/actions/${actionId}`);
  await record('Every number and why', 'GET', `/v1/partner/actions/${actionId}/explain`);
}

async function fillPools({ app, clock, record }: Recording): Promise<void> {
  const request = '/v1/partner/token-pools/request';
  const poolId = publicPoolId(app.partner);
  const spring = { tokens: 250_000, poolId, reason: 'The spring campaign' };
  await record('The sandbox approves at once', 'POST', request, spring);
  const { body } = await record('Too many for that', 'POST', request, { ...spring, tokens: 5_000_000 });
  const { partnerId, environment } = app.partner;
  const requestId = rowId('preq', String(body.id)) ?? '';
  const decision = { adminAccountId: randomIds.uuid(), reason: 'Ask for a month at a time, please.' };
  // What SIR Giving does, so that the example of its event is a delivery too.
  await app.sql.begin((tx) =>
    denyPoolRequest(tx, randomIds, { partnerId, environment, requestId }, decision, clock.now()),
  );
  await record('The two latest', 'GET', '/v1/partner/token-pools/requests?limit=2');
  const pool = await record('A threshold, and what may be rewarded', 'PATCH', `/v1/partner/token-pools/${poolId}`, {
    lowBalance: { thresholds: [{ tokens: 1_400_000 }] },
    restrictions: { actionTypes: ['PURCHASE', 'REFERRAL'] },
    autoRefill: { amount: 100_000, floor: 50_000, monthlyCeiling: 500_000 },
  });
  // The event of a threshold needs a balance that goes below it.
  const amount = Number(pool.body.balance) - 1_399_000;
  await app.signed('POST', '/v1/partner/actions/submit', {
    idempotencyKey: 'order_99000',
    actionType: 'PURCHASE',
    amount,
    currency: 'USD',
    stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
  });
}

async function watchWebhooks({ record }: Recording, webhookId: string): Promise<void> {
  const webhook = `/v1/partner/webhooks/${webhookId}`;
  await record('It is on its way', 'POST', `${webhook}/test`);
  await record('All of them', 'GET', '/v1/partner/webhooks');
  await record('Our shop', 'GET', webhook);
  const { body } = await record('The two latest', 'GET', `${webhook}/deliveries?limit=2`);
  const [latest] = body.data as { id: string }[];
  await record('Delivered at the first attempt', 'GET', `/v1/partner/webhooks/deliveries/${latest?.id}`);
  await record('It is gone', 'DELETE', webhook);
}
