import { pino } from 'pino';
import { SubmissionQueue } from '../../src/actions/index.ts';
import { reverseAction } from '../../src/actions/reverse-action.ts';
import { submissionOf } from '../../src/actions/submission.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Tenant } from '../../src/platform/endpoint.ts';
import { Failpoints } from '../../src/platform/failpoints.ts';
import { randomIds, rowId } from '../../src/platform/ids.ts';
import { redeemTokens } from '../../src/users/redeem-tokens.ts';
import { newPartner, newPool, newUser, otherEnvironment } from '../tenant-fixture.ts';
import type { TestDatabase } from '../test-database.ts';
import { registerWebhook } from '../webhook-setup.ts';

/** The row ids of a book that everything which writes has been through. */
export interface Book extends Tenant {
  poolId: string;
  /** Has earned, spent and owes. */
  ann: string;
  /** Has earned. */
  bob: string;
  /** An action that Ann and Bob share; partly reversed, twice. */
  shared: string;
  /** An action of Ann's that was wholly reversed after she had spent it. */
  owed: string;
  /** An action that the pool did not cover. */
  failed: string;
  /** Receives every event. */
  endpointId: string;
}

export function openQueue({ url }: Pick<TestDatabase, 'url'>): SubmissionQueue {
  return new SubmissionQueue({
    databaseUrl: url,
    clock: systemClock,
    ids: randomIds,
    log: pino({ level: 'silent' }),
    failpoints: new Failpoints(undefined),
    onCommitted: () => {},
  });
}

async function submit(queue: SubmissionQueue, tenant: Tenant, key: string, amount: number, users: readonly string[]) {
  const stakeholders = users.map((partnerUserId) => ({ stakeholderTypeCode: 'CUSTOMER', partnerUserId }));
  const body = { idempotencyKey: key, actionType: 'PURCHASE', amount, currency: 'USD', stakeholders };
  const { result } = await queue.submit(submissionOf(tenant, 'api', body, randomIds));
  const shown = result.kind === 'completed' ? result.answer.actionId : result.problem.options.extensions?.actionId;
  return rowId('act', String(shown)) ?? '';
}

/** Writes a new partner's book through the functions that write in production: funded, rewarded, refused, redeemed, reversed, in debt. */
export async function writeBook({ sql }: TestDatabase, queue: SubmissionQueue): Promise<Book> {
  const tenant = await newPartner(sql);
  const { partnerId } = tenant;
  const deps = { sql, ids: randomIds };
  const poolId = await newPool(sql, tenant, 1_000);
  await newPool(sql, tenant, 100, 'Other');
  const { endpointId } = await registerWebhook(sql, partnerId, 'https://hooks.example.org/all');
  const ann = await newUser(sql, tenant, 'ann');
  const [shared, owed, failed] = await Promise.all([
    submit(queue, tenant, 'shared', 50, ['ann', 'bob']),
    submit(queue, tenant, 'owed', 30, ['ann']),
    submit(queue, tenant, 'failed', 100_000, ['ann']),
    submit(queue, tenant, 'nothing', 0.2, ['bob']),
    submit(queue, otherEnvironment(tenant), 'no pool', 1, ['ann']),
  ]);
  const redeem = (tokens: number, idempotencyKey: string) =>
    redeemTokens(deps, tenant, { externalUserId: 'ann', tokens, idempotencyKey }, systemClock.now());
  await redeem(20, 'one');
  await redeem(20, 'two');
  const reverse = (actionId: string, request: { tokens?: number; idempotencyKey: string }) =>
    reverseAction(deps, tenant, actionId, { reason: 'returned', ...request }, systemClock.now());
  await reverse(shared, { tokens: 11, idempotencyKey: 'one' });
  await reverse(shared, { tokens: 10, idempotencyKey: 'two' });
  await reverse(owed, { idempotencyKey: 'all' });
  const [bob] = await sql<{ id: string }[]>`
    select id from partner_users where partner_id = ${partnerId} and external_user_id = 'bob'`;
  return { ...tenant, poolId, ann, bob: bob?.id ?? '', shared, owed, failed, endpointId };
}
