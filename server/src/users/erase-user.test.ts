import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { verifyTraces } from '../actions/index.ts';
import { verifyLedger } from '../ledger/index.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => api.close());

const USER = '/v1/partner/users';
const signed = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  api.signed(method, path, body, { headers });

const person = (partnerUserId: string, mark: string) => ({
  stakeholderTypeCode: 'CUSTOMER',
  partnerUserId,
  userEmail: `${mark}@example.com`,
  userFirstName: `First-${mark}`,
  userLastName: `Last-${mark}`,
});

const action = (idempotencyKey: string, stakeholders: unknown[], amount = 40) => ({
  idempotencyKey,
  actionType: 'PURCHASE',
  amount,
  currency: 'USD',
  stakeholders,
  autoCreateUsers: true,
});

/** Every row of the database that holds a text, by table; what the test wrote itself is in none of them. */
async function tablesHolding(text: string): Promise<string[]> {
  const tables = await api.sql<{ name: string }[]>`
    select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`;
  const holding: string[] = [];
  for (const { name } of tables) {
    const rows = await api.sql`select 1 from ${api.sql(name)} t where strpos(t::text, ${text}) > 0 limit 1`;
    if (rows.length > 0) holding.push(name);
  }
  return holding.sort();
}

const verify = () => verifyLedger(api.sql, { partnerId: api.partner.partnerId, moreChecks: [verifyTraces] });

test('erases the person from every table, and the books, chains and traces still hold', async () => {
  const made = await signed(
    'POST',
    USER,
    { externalUserId: 'jane-7731', email: 'jane@example.com', metadata: { shoe: 'size-7731' } },
    { 'idempotency-key': 'make-jane' },
  );
  await signed('PATCH', `${USER}/jane-7731`, { firstName: 'Jane-Marie' }, { 'idempotency-key': 'name-jane' });
  const both = [person('jane-7731', 'jane'), { ...person('bob-1', 'bob'), stakeholderTypeCode: 'REFERRER' }];
  const first = action('erase-1', both);
  const submitted = await signed('POST', '/v1/partner/actions/submit', first);
  await signed('POST', '/v1/partner/actions/submit', action('erase-zero', [person('jane-7731', 'jane')], 0));
  await signed('POST', `${USER}/jane-7731/redemptions`, { tokens: 5, idempotencyKey: 'spend-1' });
  for (const mark of ['jane-7731', 'jane@example.com', 'Jane-Marie', 'size-7731']) {
    expect(await tablesHolding(mark)).not.toEqual([]);
  }

  expect((await signed('DELETE', `${USER}/jane-7731`)).status).toBe(204);

  for (const mark of ['jane-7731', 'jane@example.com', 'Jane-Marie', 'First-jane', 'Last-jane', 'size-7731']) {
    expect([mark, await tablesHolding(mark)]).toEqual([mark, []]);
  }
  expect(await tablesHolding('bob-1')).toEqual(['events', 'partner_users']);
  const { findings } = await verify();
  expect(findings).toEqual([]);

  // Nobody finds the person; a retry of the action is a replay, and another body under its key is still told apart.
  for (const rest of ['', '/balance', '/transactions']) {
    expect((await signed('GET', `${USER}/jane-7731${rest}`)).body).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect((await signed('GET', USER)).text).not.toContain('erased:');
  const replay = await signed('POST', '/v1/partner/actions/submit', first);
  expect([replay.status, replay.headers['idempotent-replayed']]).toEqual([200, 'true']);
  expect(replay.body).toMatchObject({ actionId: submitted.body.actionId, tokensDistributed: 40 });
  expect(replay.text).toContain('erased:');
  const other = await signed('POST', '/v1/partner/actions/submit', { ...first, amount: 41 });
  expect(other.body).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });

  // Reversing works on the books; the id is free for somebody else, who starts with nothing.
  const reversed = await signed('POST', `/v1/partner/actions/${submitted.body.actionId}/reverse`, {
    reason: 'returned',
  });
  expect(reversed.body).toMatchObject({ status: 'REVERSED', reversedTokens: 40 });
  const next = await signed('POST', USER, { externalUserId: 'jane-7731' });
  expect(next.status).toBe(201);
  expect(next.body.id).not.toBe(made.body.id);
  expect((await signed('GET', `${USER}/jane-7731/balance`)).body).toMatchObject({ available: 0, lifetimeEarned: 0 });
  expect((await verify()).findings).toEqual([]);
});

test('erasing is 404 for who is not there, was erased, or is another partner’s, and needs a secret key', async () => {
  await signed('POST', USER, { externalUserId: 'once' });
  const marker = async () => {
    const [row] = await api.sql<{ id: string }[]>`
      select external_user_id as id from partner_users where erased_at is not null order by id desc limit 1`;
    return row?.id ?? '';
  };
  const stranger = await api.newPartner();
  for (const options of [{ partner: stranger }, { key: 'publishable' as const }]) {
    const answer = await api.signed('DELETE', `${USER}/once`, undefined, options);
    expect([403, 404]).toContain(answer.status);
  }
  expect((await signed('GET', `${USER}/once`)).status).toBe(200);
  expect((await signed('DELETE', `${USER}/once`, undefined, { 'idempotency-key': 'e1' })).status).toBe(204);
  const again = await signed('DELETE', `${USER}/once`, undefined, { 'idempotency-key': 'e1' });
  expect([again.status, again.headers['idempotent-replayed']]).toEqual([204, 'true']);
  // Of another second, so that its signature is another one.
  const timestamp = Math.floor(Date.parse(again.headers.date ?? '') / 1000) - 10;
  expect((await api.signed('DELETE', `${USER}/once`, undefined, { timestamp })).status).toBe(404);
  const erased = encodeURIComponent(await marker());
  expect((await signed('DELETE', `${USER}/${erased}`, undefined, { 'idempotency-key': 'e3' })).status).toBe(404);
  expect((await signed('GET', `${USER}/${erased}`)).status).toBe(404);
  expect((await signed('PATCH', `${USER}/${erased}`, { firstName: 'N' })).status).toBe(404);
});

test('while a person is erased, actions that name them leave nothing behind and the books hold', async () => {
  const id = 'racing-4410';
  await signed('POST', '/v1/partner/actions/submit', action('race-start', [person(id, 'racing')]));
  const submissions = Array.from({ length: 40 }, async (_, n) => {
    await new Promise((resolve) => setTimeout(resolve, n * 3));
    return signed('POST', '/v1/partner/actions/submit', {
      ...action(`race-${n}`, [person(id, 'racing')]),
      autoCreateUsers: false,
    });
  });
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect((await signed('DELETE', `${USER}/${id}`)).status).toBe(204);
  const statuses = (await Promise.all(submissions)).map(({ status }) => status);
  expect(statuses.filter((status) => status !== 200 && status !== 422)).toEqual([]);
  expect(await tablesHolding(id)).toEqual([]);
  expect(await tablesHolding('racing@example.com')).toEqual([]);
  expect((await verify()).findings).toEqual([]);
});
