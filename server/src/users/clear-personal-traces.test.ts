import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { verifyTraces } from '../actions/index.ts';
import { verifyLedger } from '../ledger/index.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => api.close());

const ACTIONS_PER_BATCH = 1_000;
const JANE = '/v1/partner/users/jane-7731';

const action = (idempotencyKey: string, ...users: string[]) => ({
  idempotencyKey,
  actionType: 'PURCHASE',
  amount: 2,
  currency: 'USD',
  stakeholders: users.map((partnerUserId) => ({
    stakeholderTypeCode: 'CUSTOMER',
    partnerUserId,
    userEmail: `${partnerUserId}@example.com`,
  })),
});

async function rewardMany(batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    const actions = Array.from({ length: ACTIONS_PER_BATCH }, (_, n) => action(`${batch}-${n}`, 'jane-7731', 'bob'));
    const answer = await api.signed('POST', '/v1/partner/actions/batch', { actions, mode: 'independent' });
    expect(answer.body.summary).toMatchObject({ completed: ACTIONS_PER_BATCH });
  }
}

/** The session of this database that waits for a row which somebody else holds. */
async function waitingSession(): Promise<number> {
  for (;;) {
    const [session] = await api.sql<{ pid: number }[]>`
      select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (session !== undefined) return session.pid;
    await sleep(10);
  }
}

/** How many rows name the person still. */
async function namesLeft() {
  const [left] = await api.sql<{ actions: number; events: number; users: number }[]>`
    select
      (select count(*) from actions where strpos(fingerprint_leaves::text, '/stakeholders/0/partnerUserId') > 0) as actions,
      (select count(*) from events where strpos(data::text, 'jane-7731') > 0) as events,
      (select count(*) from partner_users where strpos(partner_users::text, 'jane-7731') > 0) as users`;
  return left;
}

async function markers(): Promise<string[]> {
  const rows = await api.sql<{ marker: string }[]>`
    select distinct (regexp_matches(data::text, 'erased:usr_[a-z0-9]+', 'g'))[1] as marker from events`;
  return rows.map(({ marker }) => marker);
}

const findings = async () => (await verifyLedger(api.sql, { moreChecks: [verifyTraces] })).findings;

test('an erasure holds up nobody, and one that is killed in the middle leaves the books whole and goes on when it is sent again', {
  timeout: 60_000,
}, async () => {
  await rewardMany(4);
  const { partnerId } = api.partner;
  const holder = await api.sql.reserve();
  await holder`begin`;
  // In the second portion of events.
  await holder`select from events where partner_id = ${partnerId} and environment = 'sandbox' and position = 7000 for update`;
  const erasing = api.signed('DELETE', JANE, undefined, { headers: { 'idempotency-key': 'first try' } });
  const pid = await waitingSession();
  expect((await api.signed('POST', '/v1/partner/actions/submit', action('meanwhile', 'bob'))).status).toBe(200);
  expect((await api.signed('POST', '/v1/partner/actions/submit', action('also', 'jane-7731'))).status).toBe(200);
  await api.sql`select pg_terminate_backend(${pid})`;
  expect((await erasing).body).toMatchObject({ code: 'UNAVAILABLE' });
  await holder`rollback`;
  holder.release();

  const half = await namesLeft();
  // Two of three events name the person: a third of what 4,000 actions told is done.
  expect(half?.events).toBeGreaterThan(4_600);
  expect(half?.events).toBeLessThan(4_700);
  expect(half).toMatchObject({ actions: 2, users: 1 });
  expect(await findings()).toEqual([]);
  expect((await api.signed('GET', JANE)).status).toBe(200);
  const told = await markers();
  expect(told).toHaveLength(1);

  const again = await api.signed('DELETE', JANE, undefined, { headers: { 'idempotency-key': 'second try' } });
  expect(again.status).toBe(204);
  expect(await namesLeft()).toEqual({ actions: 1, events: 0, users: 0 });
  expect(await markers()).toEqual(told);
  const rows = await api.sql`select external_user_id as marker from partner_users where erased_at is not null`;
  expect(rows).toMatchObject([{ marker: told[0] }]);
  expect(await findings()).toEqual([]);
});

test('the same erasure sent twice at once is done once, and both are told so', async () => {
  await api.signed('POST', '/v1/partner/users', { externalUserId: 'twice' });
  const answers = await Promise.all([1, 2].map(() => api.signed('DELETE', '/v1/partner/users/twice')));
  expect(answers.map(({ status }) => status)).toEqual([204, 204]);
  expect(answers.map(({ headers }) => headers['idempotent-replayed']).sort()).toEqual(['true', undefined]);
});
