import type { Book, LockedPool } from '../ledger/index.ts';
import type { Ids } from '../platform/ids.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import { decimalText } from '../platform/strict-json.ts';
import { type Evaluation, evaluate } from '../rewards/index.ts';
import type { KnownUser } from '../users/index.ts';
import type { StoredDistribution } from './stored-action.ts';
import type { Submission } from './submission.ts';
import { type BoardItem, type DefaultPools, refuse, tenantKey, type UserRef } from './submission-board.ts';

const MAX_AGE_MILLISECONDS = 30 * 86_400_000;
const MAX_AHEAD_MILLISECONDS = 5 * 60_000;

const REJECTIONS = {
  CAMPAIGN_NOT_APPLICABLE: 'There is no active campaign with this id that matches the action.',
  NO_VALUE_RULE: 'Without `amount` and `currency` a campaign has to say what this action type is worth, and none does.',
} as const;

function userKey(tenant: string, externalUserId: string): string {
  return `${tenant} ${externalUserId}`;
}

/** The users that submissions of one batch name, each once; later stakeholders of the same user add what is still empty. */
export class UserDirectory {
  readonly refs = new Map<string, UserRef>();
  private readonly known = new Map<string, KnownUser>();

  constructor(known: readonly KnownUser[]) {
    for (const user of known) this.known.set(userKey(tenantKey(user), user.externalUserId), user);
  }

  /** Whether the user exists, or will by an earlier submission of this batch. */
  has(submission: Submission, externalUserId: string): boolean {
    const key = userKey(tenantKey(submission), externalUserId);
    return this.known.has(key) || this.refs.has(key);
  }

  refsOf(submission: Submission, ids: Ids): UserRef[] {
    return submission.stakeholders.map((stakeholder) => {
      const key = userKey(tenantKey(submission), stakeholder.externalUserId);
      const ref = this.refs.get(key);
      if (ref !== undefined) {
        ref.email ??= stakeholder.email;
        ref.firstName ??= stakeholder.firstName;
        ref.lastName ??= stakeholder.lastName;
        return ref;
      }
      const known = this.known.get(key);
      const { partnerId, environment } = submission;
      const { externalUserId, email, firstName, lastName } = stakeholder;
      const id = known?.id ?? ids.uuid();
      const created: UserRef = { partnerId, environment, externalUserId, email, firstName, lastName, id, known };
      this.refs.set(key, created);
      return created;
    });
  }
}

/** What forbids an action whatever it is worth: the 400 and the first of the 422 that submit knows beyond the schema. */
function prohibitionOf(item: BoardItem, pool: LockedPool | undefined, now: Date): Problem | undefined {
  const fault = occurredAtFault(item, now);
  if (fault !== undefined) {
    const errors = [{ path: '/occurredAt', message: fault }];
    return problem('INVALID_REQUEST', `occurredAt ${fault}.`, { errors });
  }
  const { actionType } = item.submission;
  if (pool?.restrictions.actionTypes?.includes(actionType) !== false) return undefined;
  return problem('ACTION_TYPE_NOT_ALLOWED', `The token pool does not reward actions of type ${actionType}.`, {
    errors: [{ path: '/actionType', message: 'is not among the types that the token pool rewards' }],
  });
}

/** Without a pool that is what stands in the way; no row is kept of it, since a FAILED one names its users and this one has none. */
function unknownUser(submission: Submission, index: number, evaluation: Evaluation): Problem {
  if (evaluation.outcome === 'failed' && evaluation.code === 'NO_ACTIVE_POOL') {
    return problem('NO_ACTIVE_POOL', 'There is no active token pool in this environment.');
  }
  const externalUserId = submission.stakeholders[index]?.externalUserId;
  return problem('USER_NOT_FOUND', `There is no user ${externalUserId}, and autoCreateUsers is false.`, {
    errors: [{ path: `/stakeholders/${index}/partnerUserId`, message: 'no such user' }],
  });
}

/** `occurredAt` is judged once, when the key is claimed; never on a replay or a new run of a failed action. */
function occurredAtFault(item: BoardItem, now: Date): string | undefined {
  const occurredAt = item.submission.occurredAt;
  if (occurredAt === null || item.existing !== undefined) return undefined;
  const age = now.getTime() - occurredAt.getTime();
  return age > MAX_AGE_MILLISECONDS || age < -MAX_AHEAD_MILLISECONDS
    ? 'must lie between 30 days ago and 5 minutes ahead'
    : undefined;
}

function distributionsOf(
  submission: Submission,
  users: readonly UserRef[],
  shares: readonly number[],
  ids: Ids,
  now: Date,
) {
  const availableAt = now.toISOString();
  return submission.stakeholders.map(({ stakeholderTypeCode }, index): StoredDistribution => {
    const tokens = shares[index] ?? 0;
    const userId = users[index]?.id ?? '';
    return { stakeholderTypeCode, userId, tokens, availableAt, transactionId: tokens > 0 ? ids.uuid() : null };
  });
}

/**
 * Judges what is still open, purely and in order, so that a pool is used up exactly: no clock, no I/O. Afterwards each item has an
 * outcome (refused) or a decision (to be written); users of refused items are in nobody's way.
 */
export function decideSubmissions(
  items: readonly BoardItem[],
  pools: DefaultPools,
  book: Book,
  directory: UserDirectory,
  ids: Ids,
  now: Date,
): void {
  const balances = new Map<string, number>();
  for (const item of items) {
    const { submission } = item;
    const pool = pools.locked.get(tenantKey(submission));
    const balance = pool === undefined ? 0 : (balances.get(pool.id) ?? book.accounts.get(pool.id)?.balance ?? 0);
    const prohibition = prohibitionOf(item, pool, now);
    if (prohibition !== undefined) {
      refuse(item, prohibition);
      continue;
    }
    const rate = submission.currency === null ? undefined : pool?.rates[submission.currency];
    const trace = {
      rate: rate === undefined ? null : decimalText(String(rate)),
      pool: pool === undefined ? null : { id: pool.id, balance },
    };
    const { amount, currency, campaignId } = submission;
    // The evaluator looks at how many stakeholders there are and in which roles; the users' ids are known only after this.
    const stakeholders = submission.stakeholders.map((s) => ({
      stakeholderTypeCode: s.stakeholderTypeCode,
      userId: '',
    }));
    const evaluation = evaluate({ amount, currency, campaignId, stakeholders, ...trace });
    if (evaluation.outcome === 'rejected') {
      const detail =
        evaluation.code === 'UNSUPPORTED_CURRENCY'
          ? `The token pool has no rate for ${currency}.`
          : REJECTIONS[evaluation.code];
      refuse(item, problem(evaluation.code, detail));
      continue;
    }
    const unknown = submission.autoCreateUsers
      ? undefined
      : submission.stakeholders.findIndex((s) => !directory.has(submission, s.externalUserId));
    if (unknown !== undefined && unknown >= 0) {
      refuse(item, unknownUser(submission, unknown, evaluation));
      continue;
    }
    const users = directory.refsOf(submission, ids);
    const rewarded = evaluation.outcome === 'rewarded';
    if (pool !== undefined && rewarded) balances.set(pool.id, balance - evaluation.tokens);
    item.decision = {
      actionId: item.existing?.id ?? submission.actionId,
      retryOf: item.existing,
      evaluation,
      trace,
      poolId: pool?.id ?? null,
      createdAt: item.existing?.createdAt ?? now,
      users,
      distributions: rewarded ? distributionsOf(submission, users, evaluation.shares, ids, now) : [],
      answer: undefined,
    };
  }
}
