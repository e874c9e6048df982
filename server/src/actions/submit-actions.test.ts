import type { SubmitAction } from '@sirgiving/contract';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPartner, newPool } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { Failpoints } from '../platform/failpoints.ts';
import { randomIds } from '../platform/ids.ts';
import { fundPool } from '../pools/index.ts';
import { submissionOf } from './submission.ts';
import { SubmissionQueue } from './submission-queue.ts';

let database: TestDatabase;
const queues: SubmissionQueue[] = [];
const openQueue = () => {
  const queue = new SubmissionQueue({
    databaseUrl: database.url,
    clock: systemClock,
    ids: randomIds,
    log: pino({ level: 'silent' }),
    failpoints: new Failpoints(undefined),
    onCommitted: () => {},
  });
  queues.push(queue);
  return queue;
};

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.stop()));
  await database.drop();
});

interface TestTenant extends Tenant {
  poolId?: string;
}

async function newTenant(tokens: number | undefined): Promise<TestTenant> {
  const tenant = await newPartner(database.sql);
  return tokens === undefined ? tenant : { ...tenant, poolId: await newPool(database.sql, tenant, tokens) };
}

const body = (key: string, change: Partial<SubmitAction> = {}): SubmitAction => ({
  idempotencyKey: key,
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' }],
  ...change,
});

const submit = async (queue: SubmissionQueue, tenant: Tenant, action: SubmitAction) => {
  const { result } = await queue.submit(
    submissionOf({ partnerId: tenant.partnerId, environment: tenant.environment }, 'api', action, randomIds),
  );
  return result.kind === 'completed'
    ? { status: 200, replayed: result.replayed, answer: result.answer, code: undefined, errors: undefined }
    : { status: result.problem.status, code: result.problem.code, errors: result.problem.options.errors };
};

const balanceOf = async (tenant: Tenant, externalUserId: string) => {
  const [row] = await database.sql<{ balance: number }[]>`
    select a.balance from partner_users u join ledger_accounts a on a.partner_id = u.partner_id and a.id = u.id
    where u.partner_id = ${tenant.partnerId} and u.environment = ${tenant.environment} and u.external_user_id = ${externalUserId}`;
  return row?.balance;
};
const poolBalance = async (tenant: TestTenant) => {
  const [row] = await database.sql<{ balance: number }[]>`
    select balance from ledger_accounts where partner_id = ${tenant.partnerId} and id = ${tenant.poolId ?? ''}`;
  return row?.balance;
};

describe('an action', () => {
  test('moves its tokens from the pool to the user and is answered with its ledger row', async () => {
    const queue = openQueue();
    const tenant = await newTenant(1000);
    const { status, answer } = await submit(queue, tenant, body('order_1'));
    expect(status).toBe(200);
    expect(answer).toMatchObject({ idempotencyKey: 'order_1', status: 'COMPLETED', tokensDistributed: 50 });
    expect(answer?.transactionIds).toHaveLength(1);
    expect(await balanceOf(tenant, 'user_42')).toBe(50);
    expect(await poolBalance(tenant)).toBe(950);
  });

  test('is rewarded once for one key and body, for ever', async () => {
    const queue = openQueue();
    const tenant = await newTenant(1000);
    const first = await submit(queue, tenant, body('once'));
    const again = await submit(queue, tenant, { ...body('once'), autoCreateUsers: true, metadata: {} });
    expect(again).toMatchObject({ status: 200, replayed: true, answer: first.answer });
    const [parallel, ...others] = await Promise.all(
      Array.from({ length: 100 }, () => submit(queue, tenant, body('together'))),
    );
    expect(others.every((other) => JSON.stringify(other.answer) === JSON.stringify(parallel?.answer))).toBe(true);
    expect(await balanceOf(tenant, 'user_42')).toBe(100);
  });

  test('with the key of another body is refused and told where it differs', async () => {
    const queue = openQueue();
    const tenant = await newTenant(1000);
    await submit(queue, tenant, body('reused'));
    const other = body('reused', { amount: 50, metadata: { note: 'x' } });
    const refused = await submit(queue, tenant, other);
    expect(refused).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(refused.errors?.map((error) => error.path)).toEqual(['/amount', '/metadata', '/metadata/note']);
  });

  test('fails without a pool and with too low a pool, and succeeds under the same key once there are tokens', async () => {
    const queue = openQueue();
    const tenant = await newTenant(undefined);
    const failed = await submit(queue, tenant, body('later'));
    expect(failed).toMatchObject({ status: 402, code: 'NO_ACTIVE_POOL' });
    const poolId = await newPool(database.sql, tenant, 0);
    expect(await submit(queue, tenant, body('later'))).toMatchObject({ status: 402, code: 'INSUFFICIENT_POOL' });
    await database.sql.begin((tx) => fundPool(tx, randomIds, { ...tenant, poolId, tokens: 60 }, systemClock.now()));
    const retries = await Promise.all(Array.from({ length: 50 }, () => submit(queue, tenant, body('later'))));
    expect(retries.every((retry) => retry.status === 200)).toBe(true);
    expect(await balanceOf(tenant, 'user_42')).toBe(50);
    const [action] = await database.sql`select attempts, status from actions where partner_id = ${tenant.partnerId}`;
    expect(action).toMatchObject({ attempts: 3, status: 'COMPLETED' });
  });

  test('of an unknown user is refused when users are not to be created, and leaves nothing', async () => {
    const queue = openQueue();
    const tenant = await newTenant(1000);
    expect(await submit(queue, tenant, body('who', { autoCreateUsers: false }))).toMatchObject({
      status: 422,
      code: 'USER_NOT_FOUND',
    });
    expect(await balanceOf(tenant, 'user_42')).toBeUndefined();
    const [count] =
      await database.sql`select count(*)::int as actions from actions where partner_id = ${tenant.partnerId}`;
    expect(count).toEqual({ actions: 0 });
  });

  test('of an unknown user without a pool is refused for want of the pool first', async () => {
    const tenant = await newTenant(undefined);
    expect(await submit(openQueue(), tenant, body('who', { autoCreateUsers: false }))).toMatchObject({
      status: 402,
      code: 'NO_ACTIVE_POOL',
    });
  });

  test('fills empty fields of its user and never overwrites filled ones', async () => {
    const queue = openQueue();
    const tenant = await newTenant(1000);
    const stakeholder = { stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane' };
    await submit(queue, tenant, body('a', { stakeholders: [{ ...stakeholder, userFirstName: 'Jane' }] }));
    await submit(
      queue,
      tenant,
      body('b', { stakeholders: [{ ...stakeholder, userFirstName: 'Other', userLastName: 'Doe' }] }),
    );
    const [user] =
      await database.sql`select first_name, last_name, email from partner_users where partner_id = ${tenant.partnerId}`;
    expect(user).toEqual({ first_name: 'Jane', last_name: 'Doe', email: null });
  });

  test('of a pool of 100 tokens never pays more, over three queues at once', async () => {
    const tenant = await newTenant(100);
    const three = [openQueue(), openQueue(), openQueue()];
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        submit(three[index % 3] as SubmissionQueue, tenant, body(`debit_${index}`, { amount: 1 })),
      ),
    );
    expect(results.filter((result) => result.status === 200)).toHaveLength(100);
    expect(results.filter((result) => result.code === 'INSUFFICIENT_POOL')).toHaveLength(200);
    expect(await poolBalance(tenant)).toBe(0);
  });
});
