import type { SubmitAction } from '@sirgiving/contract';
import { verifyTraces } from '../../src/actions/index.ts';
import { reverseAction } from '../../src/actions/reverse-action.ts';
import { type Submission, submissionOf } from '../../src/actions/submission.ts';
import type { SubmissionQueue } from '../../src/actions/submission-queue.ts';
import { readBatchItems, submitIndependent } from '../../src/actions/submit-batch.ts';
import { verifyLedger } from '../../src/ledger/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Sql } from '../../src/platform/db.ts';
import type { Tenant } from '../../src/platform/endpoint.ts';
import { randomIds, rowId } from '../../src/platform/ids.ts';
import { Problem } from '../../src/platform/problem-json.ts';
import { createPool, fundPool } from '../../src/pools/index.ts';
import { createUser } from '../../src/users/create-user.ts';
import { redeemTokens } from '../../src/users/redeem-tokens.ts';
import { updateUser } from '../../src/users/update-user.ts';
import { newPartner } from '../tenant-fixture.ts';
import type { ModelUser, Redeem, RedeemAnswer, Reverse, ReverseAnswer, Submit, SubmitAnswer } from './ledger-model.ts';

/** A submission as the API takes it. */
export function bodyOf({ key, cents, currency, stakeholders, autoCreateUsers }: Submit): SubmitAction {
  return {
    idempotencyKey: key,
    actionType: 'PURCHASE',
    amount: cents / 100,
    currency,
    stakeholders: stakeholders.map(({ code, user, email }) => ({
      stakeholderTypeCode: code,
      partnerUserId: user,
      ...(email === undefined ? {} : { userEmail: email }),
    })),
    autoCreateUsers,
  };
}

/** A problem by its code; anything else is thrown on. */
async function orCode<T>(work: () => Promise<T>): Promise<T | { code: string }> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem) return { code: error.code };
    throw error;
  }
}

/** What the books say of every user, the pool and every action. */
export interface Figures {
  pool: number | undefined;
  users: Record<string, ModelUser>;
  actions: Record<string, unknown>;
}

/** The functions under test, on a partner of their own, with answers in the form that the model gives. */
export class RealLedger {
  private poolId: string | undefined;
  private readonly actionIds = new Map<string, string>();

  private constructor(
    private readonly sql: Sql,
    private readonly queue: SubmissionQueue,
    readonly tenant: Tenant,
  ) {}

  static async open(sql: Sql, queue: SubmissionQueue): Promise<RealLedger> {
    return new RealLedger(sql, queue, await newPartner(sql));
  }

  async createPool(): Promise<void> {
    this.poolId = await this.sql.begin(async (tx) => {
      const { poolId } = await createPool(tx, randomIds, { ...this.tenant, name: 'Main' }, systemClock.now());
      return poolId;
    });
  }

  async fund(tokens: number): Promise<number> {
    const poolId = this.poolId ?? '';
    const { balance } = await this.sql.begin((tx) =>
      fundPool(tx, randomIds, { ...this.tenant, poolId, tokens }, systemClock.now()),
    );
    return balance;
  }

  /** `through`: another process than this ledger's own. */
  async submit(submit: Submit, through = this.queue): Promise<SubmitAnswer> {
    const { result } = await through.submit(submissionOf(this.tenant, 'api', bodyOf(submit), randomIds));
    if (result.kind === 'problem') {
      this.remember(submit.key, result.problem.options.extensions?.actionId);
      return { code: result.problem.code };
    }
    return this.seen(result.answer, result.replayed);
  }

  private seen(
    answer: {
      idempotencyKey: string;
      actionId: string;
      tokensDistributed: number;
      transactionIds: string[];
      distributions: { tokens: number }[];
    },
    replayed: boolean,
  ): SubmitAnswer {
    this.remember(answer.idempotencyKey, answer.actionId);
    const shares = answer.distributions.map(({ tokens }) => tokens);
    return { tokens: answer.tokensDistributed, shares, rows: answer.transactionIds.length, replayed };
  }

  private remember(key: string, actionId: unknown): void {
    if (typeof actionId === 'string') this.actionIds.set(key, rowId('act', actionId) ?? '');
  }

  /** An independent batch: the status and tokens, or the problem, of each item. */
  async submitBatch(submits: readonly Submit[]): Promise<unknown[]> {
    if (submits.length === 0) return [];
    const { items } = readBatchItems(this.tenant, submits.map(bodyOf), randomIds);
    const submit = async (submission: Submission) => (await this.queue.submit(submission)).result;
    const { results } = await submitIndependent(items, submit, (problem) => ({ code: problem.code }) as never);
    return results.map(({ status, action, error }) => ({
      status,
      tokens: action?.tokensDistributed,
      code: error?.code,
    }));
  }

  async submitTogether(submits: readonly Submit[]): Promise<{ at: number; code: string } | SubmitAnswer[]> {
    const { items } = readBatchItems(this.tenant, submits.map(bodyOf), randomIds);
    try {
      const { results } = await this.queue.submitAtomic(items, (problem) => ({ code: problem.code }) as never);
      return results.map(({ action }) => {
        if (action === undefined) throw new Error('an atomic batch answered without an action');
        return this.seen(action, false);
      });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'BATCH_REJECTED') throw error;
      const [fault] = error.options.errors ?? [];
      return { at: Number(fault?.path.split('/').at(-1)), code: fault?.message ?? '' };
    }
  }

  reverse(request: Reverse): Promise<ReverseAnswer> {
    const { action, mode, key, tokens, parts } = request;
    return orCode(async () => {
      const { action: answer, replayed } = await reverseAction(
        { sql: this.sql, ids: randomIds },
        this.tenant,
        this.actionIds.get(action) ?? randomIds.uuid(),
        {
          reason: 'returned',
          onInsufficientBalance: mode,
          ...(key === undefined ? {} : { idempotencyKey: key }),
          ...(tokens === undefined ? {} : { tokens }),
          ...(parts === undefined
            ? {}
            : {
                distributions: parts.map((part) => ({
                  stakeholderTypeCode: part.code,
                  partnerUserId: part.user,
                  tokens: part.tokens,
                })),
              }),
        },
        systemClock.now(),
      );
      const { status, reversedTokens, reversal } = answer;
      const rows = reversal.transactionIds.length;
      return { status, reversedTokens, tokens: reversal.tokens, debt: reversal.debt, rows, replayed };
    });
  }

  redeem({ user, tokens, key }: Redeem): Promise<RedeemAnswer> {
    return orCode(async () => {
      const request = { externalUserId: user, tokens, idempotencyKey: key };
      const { redemption, replayed } = await redeemTokens(
        { sql: this.sql, ids: randomIds },
        this.tenant,
        request,
        systemClock.now(),
      );
      return { tokens: redemption.tokens, replayed };
    });
  }

  createUser(user: string): Promise<{ code: string } | { created: true }> {
    return orCode(async () => {
      await this.sql.begin((tx) => createUser(tx, randomIds, this.tenant, { externalUserId: user }, systemClock.now()));
      return { created: true as const };
    });
  }

  setEmail(user: string, email: string | null): Promise<{ code: string } | { email: string | null }> {
    return orCode(async () => {
      const changed = await this.sql.begin((tx) => updateUser(tx, this.tenant, user, { email }, systemClock.now()));
      return { email: changed.email ?? null };
    });
  }

  /** Everything that the model knows too. */
  async figures(): Promise<Figures> {
    const { partnerId } = this.tenant;
    const [pools, users, actions] = await Promise.all([
      this.sql<
        { balance: number }[]
      >`select balance from ledger_accounts where partner_id = ${partnerId} and kind = 'pool'`,
      this.sql<(ModelUser & { name: string })[]>`
        select u.external_user_id as name, u.email, a.balance as available, a.rewarded as earned, a.reversed, a.redeemed
        from partner_users u join ledger_accounts a on a.partner_id = u.partner_id and a.id = u.id
        where u.partner_id = ${partnerId}`,
      this.sql`
        select idempotency_key as key, status, attempts, tokens, reversed_tokens as taken from actions where partner_id = ${partnerId}`,
    ]);
    return {
      pool: pools[0]?.balance,
      users: Object.fromEntries(users.map(({ name, ...figures }) => [name, figures])),
      actions: Object.fromEntries(actions.map(({ key, ...figures }) => [key, figures])),
    };
  }

  /** Who has how much. */
  async balances(): Promise<{ pool: number | undefined; users: Record<string, number> }> {
    const { pool, users } = await this.figures();
    return { pool, users: Object.fromEntries(Object.entries(users).map(([name, { available }]) => [name, available])) };
  }

  /** What the verifier finds wrong in this partner's book. */
  async faults(): Promise<unknown[]> {
    const { partnerId } = this.tenant;
    const { findings } = await verifyLedger(this.sql, { partnerId, moreChecks: [verifyTraces] });
    return findings;
  }
}
