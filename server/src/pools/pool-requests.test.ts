import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIXTURE_TIME, newPartner, newPool } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { verifyLedger } from '../ledger/index.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, randomIds } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import {
  approvePoolRequest,
  closePool,
  denyPoolRequest,
  filePoolRequest,
  findPoolRequest,
  fundPool,
  listAllPoolRequests,
  type PoolRequest,
  SANDBOX_SELF_APPROVAL_TOKENS,
  SECOND_APPROVAL_ABOVE_TOKENS,
  withdrawTokens,
} from './index.ts';
import { listPools } from './queries.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const [ann, bob, cem] = ['ann', 'bob', 'cem'].map(() => randomIds.uuid()) as [string, string, string];
const member = { kind: 'MEMBER', id: ann } as const;

type Wanted = Partial<Parameters<typeof filePoolRequest>[2]>;
const file = (tenant: Tenant, tokens: number, more: Wanted = {}) =>
  database.sql.begin((tx) =>
    filePoolRequest(tx, randomIds, { ...tenant, tokens, requester: member, ...more }, FIXTURE_TIME),
  );
const approve = ({ partnerId, environment, id }: PoolRequest, adminAccountId: string, tokens?: number) =>
  database.sql.begin((tx) =>
    approvePoolRequest(
      tx,
      randomIds,
      { partnerId, environment, requestId: id },
      { adminAccountId, tokens },
      FIXTURE_TIME,
    ),
  );
const deny = ({ partnerId, environment, id }: PoolRequest, adminAccountId: string) =>
  database.sql.begin((tx) =>
    denyPoolRequest(
      tx,
      randomIds,
      { partnerId, environment, requestId: id },
      { adminAccountId, reason: 'Ask for less.' },
      FIXTURE_TIME,
    ),
  );
const poolsOf = async (tenant: Tenant) => (await listPools(database.sql, tenant, {}, pageRequest({}))).data;
const eventsOf = ({ partnerId }: Tenant) =>
  database.sql<{ type: string; data: Record<string, unknown> }[]>`
    select type, data from events where partner_id = ${partnerId} order by position`;
const allocationsOf = async ({ partnerId, environment }: Tenant) => {
  const rows = await database.sql<{ tokens: number; requestId: string | null }[]>`
    select tokens, request_id as "requestId" from ledger_transactions
    where partner_id = ${partnerId} and environment = ${environment} and kind = 'ALLOCATION' order by created_at, id`;
  return [...rows];
};

describe('in the sandbox', () => {
  test('a request makes the first pool and funds it at once, the next one funds it again', async () => {
    const tenant = await newPartner(database.sql);
    const first = await file(tenant, 5_000);
    expect(first).toMatchObject({ status: 'APPROVED', approvedTokens: 5_000, decidedAt: FIXTURE_TIME });
    await file(tenant, 700);
    await file(tenant, 30, { poolName: 'Spring' });
    expect((await poolsOf(tenant)).map(({ name, balance, isDefault }) => [name, balance, isDefault])).toEqual([
      ['Spring', 30, false],
      ['Main pool', 5_700, true],
    ]);
    const [approved, funded] = await eventsOf(tenant);
    expect(approved).toEqual({
      type: 'token_pool.request.approved',
      data: {
        requestId: publicId('preq', first.id),
        poolId: publicId('pool', first.poolId ?? ''),
        tokens: 5_000,
        approvedTokens: 5_000,
        transactionId: publicId('txn', first.transactionId ?? ''),
      },
    });
    expect(funded).toMatchObject({ type: 'token_pool.funded', data: { tokens: 5_000, balance: 5_000 } });
  });

  test('requests for the first pool at once make one pool', async () => {
    const tenant = await newPartner(database.sql);
    await Promise.all(Array.from({ length: 6 }, () => file(tenant, 10)));
    expect((await poolsOf(tenant)).map(({ balance }) => balance)).toEqual([60]);
  });

  test('a request above the limit waits, and nothing is funded', async () => {
    const tenant = await newPartner(database.sql);
    const large = await file(tenant, SANDBOX_SELF_APPROVAL_TOKENS + 1);
    expect(large).toMatchObject({ status: 'PENDING', transactionId: null });
    expect(await poolsOf(tenant)).toEqual([]);
    // One admin is enough there, however much it is.
    expect(await approve(large, bob)).toMatchObject({ status: 'APPROVED' });
    expect((await poolsOf(tenant)).map(({ balance }) => balance)).toEqual([SANDBOX_SELF_APPROVAL_TOKENS + 1]);
  });

  test('another partner’s pool is not found, a closed one is refused, and 20 may wait', async () => {
    const tenant = await newPartner(database.sql);
    const strange = await newPool(database.sql, await newPartner(database.sql));
    const closed = await newPool(database.sql, tenant, 0);
    await database.sql.begin((tx) => closePool(tx, { ...tenant, poolId: closed }));
    await expect(file(tenant, 1, { poolId: strange })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(file(tenant, 1, { poolId: closed })).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    // The default pool is closed, and is no less so when it is not named.
    await expect(file(tenant, 1)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    const many = SANDBOX_SELF_APPROVAL_TOKENS + 1;
    for (let n = 0; n < 20; n++) await file(tenant, many);
    await expect(file(tenant, many)).rejects.toMatchObject({ code: 'LIMIT_REACHED' });
    expect(await eventsOf(tenant)).toEqual([]);
  });
});

describe('in production', () => {
  test('a request waits for one admin up to the set amount, who may approve another amount', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const request = await file(tenant, 500);
    expect(await poolsOf(tenant)).toEqual([]);
    expect(await approve(request, bob, 400)).toMatchObject({
      status: 'APPROVED',
      tokens: 500,
      approvedTokens: 400,
      firstApprovedBy: bob,
    });
    expect((await poolsOf(tenant)).map(({ balance }) => balance)).toEqual([400]);
    expect(await allocationsOf(tenant)).toEqual([{ tokens: 400, requestId: request.id }]);
  });

  test('above it two different admins approve the same amount', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const much = SECOND_APPROVAL_ABOVE_TOKENS + 1;
    const request = await file(tenant, much);
    expect(await approve(request, bob)).toMatchObject({ status: 'PENDING', firstApprovedBy: bob });
    await expect(approve(request, bob)).rejects.toMatchObject({ code: 'SECOND_PERSON_REQUIRED' });
    // Another amount is another approval: it takes the place of the first.
    expect(await approve(request, cem, much + 1)).toMatchObject({ status: 'PENDING', firstApprovedBy: cem });
    expect(await poolsOf(tenant)).toEqual([]);
    expect(await approve(request, bob)).toMatchObject({
      status: 'APPROVED',
      approvedTokens: much + 1,
      firstApprovedBy: cem,
      secondApprovedBy: bob,
    });
    expect((await poolsOf(tenant)).map(({ balance }) => balance)).toEqual([much + 1]);
  });

  test('whoever asked does not approve, whether once or as the second', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const own = { code: 'SECOND_PERSON_REQUIRED' };
    const request = await file(tenant, 500, { requester: { kind: 'ADMIN', id: bob } });
    await expect(approve(request, bob)).rejects.toMatchObject(own);
    const much = await file(tenant, 500_000, { requester: { kind: 'ADMIN', id: bob } });
    await approve(much, cem);
    await expect(approve(much, bob)).rejects.toMatchObject(own);
    expect(await allocationsOf(tenant)).toEqual([]);
  });

  test('a decision is made once, also by two admins at once', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const request = await file(tenant, 500);
    const decisions = await Promise.allSettled([approve(request, bob), approve(request, cem), deny(request, cem)]);
    expect(decisions.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const decision of decisions) {
      if (decision.status === 'rejected') expect(decision.reason).toMatchObject({ code: 'REQUEST_DECIDED' });
    }
    const denied = await file(tenant, 600);
    await deny(denied, bob);
    await expect(approve(denied, cem)).rejects.toMatchObject({ code: 'REQUEST_DECIDED' });
    expect((await eventsOf(tenant)).at(-1)).toEqual({
      type: 'token_pool.request.denied',
      data: { requestId: publicId('preq', denied.id), tokens: 600, reason: 'Ask for less.' },
    });
  });

  test('is not funded around its requests, and what was put in comes out again without one', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const { poolId } = await approve(await file(tenant, 500), bob);
    const direct = { ...tenant, poolId: poolId ?? '', tokens: 5 };
    await expect(database.sql.begin((tx) => fundPool(tx, randomIds, direct, FIXTURE_TIME))).rejects.toMatchObject({
      name: 'PoolFundingRefused',
    });
    const withdraw = (tokens: number) =>
      database.sql.begin((tx) => withdrawTokens(tx, randomIds, { ...direct, tokens }, FIXTURE_TIME));
    await expect(withdraw(501)).rejects.toMatchObject({ code: 'INSUFFICIENT_POOL' });
    expect(await withdraw(200)).toMatchObject({ balance: 300 });
  });
});

describe('the database itself refuses', () => {
  const attempts: [string, string, (request: PoolRequest) => string][] = [
    ['an approval by nobody', 'production_has_an_approver', () => 'first_approved_by = null'],
    ['an approval by whoever asked', 'approvers_are_other_people', () => `first_approved_by = '${ann}'`],
    [
      'a large approval by one person',
      'much_has_two_approvers',
      () => `first_approved_by = '${bob}', approved_tokens = ${SECOND_APPROVAL_ABOVE_TOKENS + 1}`,
    ],
    [
      'the same person twice',
      'approvers_are_other_people',
      () => `first_approved_by = '${bob}', second_approved_by = '${bob}'`,
    ],
    [
      'whoever asked as the second',
      'approvers_are_other_people',
      () => `first_approved_by = '${bob}', second_approved_by = '${ann}'`,
    ],
    [
      'an approval without an allocation',
      'approval_is_whole',
      () => `first_approved_by = '${bob}', transaction_id = null`,
    ],
  ];
  test.each(attempts)('%s', async (_what, constraint, change) => {
    const tenant = await newPartner(database.sql, 'production');
    const poolId = await newPool(database.sql, tenant, 0);
    const request = await file(tenant, 500);
    const approved = database.sql.unsafe(`
      update token_pool_requests
      set status = 'APPROVED', decided_at = now(), pool_id = '${poolId}'
      where partner_id = '${tenant.partnerId}' and id = '${request.id}'`);
    await expect(approved).rejects.toMatchObject({ constraint_name: 'approval_is_whole' });
    const columns = new Map(
      [`approved_tokens = 500, transaction_id = '${randomIds.uuid()}', first_approved_by = '${bob}'`, change(request)]
        .flatMap((list) => list.split(', '))
        .map((assignment) => [assignment.split(' = ', 1)[0], assignment]),
    );
    const refused = database.sql.unsafe(`
      update token_pool_requests
      set status = 'APPROVED', decided_at = now(), pool_id = '${poolId}', ${[...columns.values()].join(', ')}
      where partner_id = '${tenant.partnerId}' and id = '${request.id}'`);
    await expect(refused).rejects.toMatchObject({ constraint_name: constraint });
  });

  test('an allocation in production without a request, and two for one request', async () => {
    const tenant = await newPartner(database.sql, 'production');
    const request = await approve(await file(tenant, 500), bob);
    const insert = (requestId: string | null) => database.sql`
      insert into ledger_transactions (partner_id, id, environment, pool_id, sequence, kind, tokens, hash, created_at, request_id)
      values (${tenant.partnerId}, ${randomIds.uuid()}, 'production', ${request.poolId}, 99, 'ALLOCATION', 5,
        ${Buffer.alloc(32)}, ${FIXTURE_TIME}, ${requestId})`;
    await expect(insert(null)).rejects.toMatchObject({ constraint_name: 'production_allocation_has_a_request' });
    await expect(insert(request.id)).rejects.toMatchObject({ constraint_name: 'ledger_transactions_request' });
  });
});

test('those who decide see the requests of all partners, and find one by its id in its environment only', async () => {
  const tenant = await newPartner(database.sql, 'production');
  const request = await file(tenant, 900, { reason: 'A campaign' });
  const [newest] = (await listAllPoolRequests(database.sql, 'production', { status: 'PENDING' }, pageRequest({}))).data;
  expect(newest).toEqual(request);
  const byId = (environment: 'sandbox' | 'production') =>
    findPoolRequest(database.sql, environment, publicId('preq', request.id));
  expect(await byId('production')).toEqual(request);
  expect(await byId('sandbox')).toBeUndefined();
});

test('the verifier finds an allocation that is not what was approved (I14), and an approval that nobody was told of (I9)', async () => {
  const tenant = await newPartner(database.sql, 'production');
  const { partnerId } = tenant;
  const verify = async () => (await verifyLedger(database.sql, { partnerId })).violations;
  const request = await approve(await file(tenant, 500), bob);
  expect(await verify()).toEqual({});
  await database.sql`update token_pool_requests set approved_tokens = 400 where partner_id = ${partnerId}`;
  expect(await verify()).toEqual({ I14: 1 });
  await database.sql`update token_pool_requests set approved_tokens = 500 where partner_id = ${partnerId}`;
  await database.sql`update ledger_transactions set request_id = ${randomIds.uuid()} where request_id = ${request.id}`;
  expect(await verify()).toEqual({ I14: 2 });
  await database.sql`update ledger_transactions set request_id = ${request.id} where partner_id = ${partnerId}`;
  await database.sql`
    update events set data = '{}' where partner_id = ${partnerId} and type = 'token_pool.request.approved'`;
  expect(await verify()).toEqual({ I9: 2 });
});
