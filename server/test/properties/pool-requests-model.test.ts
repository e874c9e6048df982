import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reverseAction } from '../../src/actions/reverse-action.ts';
import { submissionOf } from '../../src/actions/submission.ts';
import type { SubmissionQueue } from '../../src/actions/submission-queue.ts';
import { verifyLedger } from '../../src/ledger/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Tx } from '../../src/platform/db.ts';
import type { Tenant } from '../../src/platform/endpoint.ts';
import { randomIds, rowId } from '../../src/platform/ids.ts';
import { Problem } from '../../src/platform/problem-json.ts';
import {
  approvePoolRequest,
  denyPoolRequest,
  filePoolRequest,
  fundPool,
  PoolFundingRefused,
  SECOND_APPROVAL_ABOVE_TOKENS,
  withdrawTokens,
} from '../../src/pools/index.ts';
import { newPartner } from '../tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { openQueue } from './healthy-book.ts';

let database: TestDatabase;
let queue: SubmissionQueue;
beforeAll(async () => {
  database = await createTestDatabase();
  queue = openQueue(database);
});
afterAll(async () => {
  await queue.stop();
  await database.drop();
});

const PEOPLE = ['ann', 'bob', 'cem'] as const;
type Person = (typeof PEOPLE)[number];
const accounts: Record<Person, string> = { ann: randomIds.uuid(), bob: randomIds.uuid(), cem: randomIds.uuid() };

type Command =
  | { do: 'file'; who: Person; tokens: number }
  | { do: 'approve'; who: Person; request: number; tokens: number | undefined }
  | { do: 'deny'; who: Person; request: number }
  | { do: 'fund' | 'withdraw'; tokens: number }
  | { do: 'reward and reverse'; tokens: number };

interface ModelRequest {
  by: Person;
  tokens: number;
  status: 'PENDING' | 'APPROVED' | 'DENIED';
  approval: { tokens: number; by: Person } | undefined;
}

/** What should happen, written down as plainly as the rule is: the new state, or the code of the refusal. */
class Model {
  readonly requests: ModelRequest[] = [];
  balance = 0;
  hasPool = false;
  /** Of each allocation: who asked, and who approved. */
  readonly allocations: { tokens: number; people: Person[] }[] = [];

  run(command: Command): string {
    switch (command.do) {
      case 'file':
        this.requests.push({ by: command.who, tokens: command.tokens, status: 'PENDING', approval: undefined });
        return 'PENDING';
      case 'approve':
        return this.approve(command);
      case 'deny':
        return this.decide(command.request, (request) => {
          request.status = 'DENIED';
          return 'DENIED';
        });
      case 'fund':
        return this.hasPool ? 'refused' : 'no pool';
      case 'withdraw':
        if (!this.hasPool) return 'no pool';
        if (command.tokens > this.balance) return 'INSUFFICIENT_POOL';
        this.balance -= command.tokens;
        return `${this.balance}`;
      case 'reward and reverse':
        if (!this.hasPool) return 'no pool';
        return command.tokens > this.balance ? 'INSUFFICIENT_POOL' : `${this.balance}`;
    }
  }

  private decide(index: number, decide: (request: ModelRequest) => string): string {
    const request = this.requests[index % Math.max(1, this.requests.length)];
    if (request === undefined) return 'no request';
    return request.status === 'PENDING' ? decide(request) : 'REQUEST_DECIDED';
  }

  private approve({ who, request: index, tokens: wanted }: Extract<Command, { do: 'approve' }>): string {
    return this.decide(index, (request) => {
      const tokens = wanted ?? request.approval?.tokens ?? request.tokens;
      const same = request.approval?.tokens === tokens ? request.approval : undefined;
      if (who === request.by || who === same?.by) return 'SECOND_PERSON_REQUIRED';
      if (same === undefined) request.approval = { tokens, by: who };
      if (same === undefined && tokens > SECOND_APPROVAL_ABOVE_TOKENS) return 'PENDING';
      request.status = 'APPROVED';
      this.hasPool = true;
      this.balance += tokens;
      this.allocations.push({ tokens, people: same === undefined ? [request.by, who] : [request.by, same.by, who] });
      return 'APPROVED';
    });
  }
}

/** The same commands on the functions themselves; answers in the model's words. */
class Real {
  private readonly requests: string[] = [];
  private key = 0;
  constructor(private readonly tenant: Tenant) {}

  async run(command: Command): Promise<string> {
    try {
      return await this.attempt(command);
    } catch (error) {
      if (error instanceof Problem) return error.code;
      if (error instanceof PoolFundingRefused) return 'refused';
      throw error;
    }
  }

  private async attempt(command: Command): Promise<string> {
    const { tenant } = this;
    const now = systemClock.now();
    const begin = <T>(work: (tx: Tx) => Promise<T>) => database.sql.begin(work) as Promise<T>;
    if (command.do === 'file') {
      const requester = { kind: 'ADMIN', id: accounts[command.who] } as const;
      const filed = await begin((tx) =>
        filePoolRequest(tx, randomIds, { ...tenant, tokens: command.tokens, requester }, now),
      );
      this.requests.push(filed.id);
      return filed.status;
    }
    if (command.do === 'approve' || command.do === 'deny') {
      const requestId = this.requests[command.request % Math.max(1, this.requests.length)];
      if (requestId === undefined) return 'no request';
      const adminAccountId = accounts[command.who];
      const which = { ...tenant, requestId };
      const decided = await begin((tx) =>
        command.do === 'deny'
          ? denyPoolRequest(tx, randomIds, which, { adminAccountId, reason: 'no' }, now)
          : approvePoolRequest(tx, randomIds, which, { adminAccountId, tokens: command.tokens }, now),
      );
      return decided.status;
    }
    const pool = await this.pool();
    if (pool === undefined) return 'no pool';
    const { tokens } = command;
    if (command.do === 'reward and reverse') return this.rewardAndReverse(tokens);
    const change = command.do === 'fund' ? fundPool : withdrawTokens;
    return `${(await begin((tx) => change(tx, randomIds, { ...tenant, poolId: pool.id, tokens }, now))).balance}`;
  }

  async pool(): Promise<{ id: string; balance: number } | undefined> {
    const { partnerId, environment } = this.tenant;
    const [pool] = await database.sql<{ id: string; balance: number }[]>`
      select id, balance from ledger_accounts where partner_id = ${partnerId} and environment = ${environment} and kind = 'pool'`;
    return pool;
  }

  private async rewardAndReverse(tokens: number): Promise<string> {
    this.key += 1;
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'jane' }];
    const body = {
      idempotencyKey: `key_${this.key}`,
      actionType: 'PURCHASE',
      amount: tokens,
      currency: 'USD',
      stakeholders,
    };
    const { result } = await queue.submit(submissionOf(this.tenant, 'api', body, randomIds));
    if (result.kind === 'problem') return result.problem.code;
    const actionId = rowId('act', result.answer.actionId) ?? '';
    await reverseAction(
      { sql: database.sql, ids: randomIds },
      this.tenant,
      actionId,
      { reason: 'returned' },
      systemClock.now(),
    );
    return `${(await this.pool())?.balance}`;
  }
}

const person = fc.constantFrom(...PEOPLE);
const amount = fc.constantFrom(1, 40_000, SECOND_APPROVAL_ABOVE_TOKENS, SECOND_APPROVAL_ABOVE_TOKENS + 1, 250_000);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant('file' as const), who: person, tokens: amount }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('approve' as const),
      who: person,
      request: fc.nat(5),
      tokens: fc.option(amount, { nil: undefined, freq: 2 }),
    }),
  },
  fc.record({ do: fc.constant('deny' as const), who: person, request: fc.nat(5) }),
  fc.record({ do: fc.constantFrom('fund' as const, 'withdraw' as const), tokens: amount }),
  fc.record({ do: fc.constant('reward and reverse' as const), tokens: amount }),
);

test('no production allocation is posted without two people behind it, three where it is large (I14)', async () => {
  let allocations = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 8, maxLength: 24 }), async (commands) => {
      const tenant = await newPartner(database.sql, 'production');
      const model = new Model();
      const real = new Real(tenant);
      for (const one of commands) expect([one, await real.run(one)]).toEqual([one, model.run(one)]);
      expect((await real.pool())?.balance ?? 0).toBe(model.balance);
      const rows = await database.sql<{ tokens: number; people: string[] }[]>`
        select t.tokens, array_remove(array[r.requested_by, r.first_approved_by, r.second_approved_by], null)::text[] as people
        from ledger_transactions t
        join token_pool_requests r on r.partner_id = t.partner_id and r.id = t.request_id
        where t.partner_id = ${tenant.partnerId} and t.kind = 'ALLOCATION' order by t.sequence`;
      expect([...rows]).toEqual(
        model.allocations.map(({ tokens, people }) => ({ tokens, people: people.map((name) => accounts[name]) })),
      );
      for (const { tokens, people } of rows) {
        expect(new Set(people).size).toBe(people.length);
        expect(people.length).toBeGreaterThanOrEqual(tokens > SECOND_APPROVAL_ABOVE_TOKENS ? 3 : 2);
      }
      expect((await verifyLedger(database.sql, { partnerId: tenant.partnerId })).findings).toEqual([]);
      allocations += rows.length;
    }),
    { numRuns: 60, verbose: true },
  );
  // A run that never allocated would have shown nothing.
  expect(allocations).toBeGreaterThan(10);
}, 60_000);
