import {
  type Book,
  emptyBook,
  lockUserAccounts,
  openUserAccounts,
  postTransactions,
  readDefaultPools,
} from '../ledger/index.ts';
import type { BatchMode, ItemOutcome } from '../platform/coalescer.ts';
import type { Tx } from '../platform/db.ts';
import type { Failpoints } from '../platform/failpoints.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { poolBalances, settlePoolAlerts } from '../pools/index.ts';
import { createStakeholderUsers, fillEmptyFields, type KnownUser, readStakeholderUsers } from '../users/index.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { actionEvents, rewardDrafts, submittedAnswer } from './action-effects.ts';
import { decideSubmissions, UserDirectory } from './decide-submissions.ts';
import { type ExistingAction, presentSubmitted, readByKeys, readExternalIds } from './stored-action.ts';
import type { Submission } from './submission.ts';
import {
  actionKey,
  type BoardItem,
  judgeExisting,
  type SubmissionResult,
  tenantKey,
  type UserRef,
} from './submission-board.ts';
import {
  ClaimLost,
  decidedOf,
  insertActions,
  lockFailedActions,
  updateFailedActions,
  type Written,
} from './write-actions.ts';

export interface SubmitDependencies {
  ids: Ids;
  failpoints: Failpoints;
}

const FAILURES = {
  NO_ACTIVE_POOL: 'There is no active token pool in this environment. Once there is one, the same key succeeds.',
  INSUFFICIENT_POOL: 'The token pool does not cover this action. Once it is funded, the same key succeeds.',
} as const;

/**
 * Turns submissions into rewards, many in one transaction: the recipe of docs/ledger.md. Keys are distinct within a call. Answers in
 * the order of `submissions`; an item that fails its own rules never hurts its neighbours. Locks are taken in the one order that all
 * writers keep: pools, failed actions, users, accounts, new keys, event counter.
 */
export async function submitActions(
  tx: Tx,
  deps: SubmitDependencies,
  submissions: readonly Submission[],
  mode: BatchMode,
  now: Date,
): Promise<ItemOutcome<SubmissionResult>[]> {
  const { ids, failpoints } = deps;
  const book = emptyBook();
  const tenants = [...new Map(submissions.map((s) => [tenantKey(s), s])).values()];

  // Sent together, run in this order: once a pool is locked, the read by key sees every action that was rewarded from it.
  const [lockedPools, existing, knownUsers] = await Promise.all([
    readDefaultPools(tx, book, tenants, mode === 'shared' ? 'skip' : 'wait'),
    readByKeys(tx, submissions),
    readStakeholderUsers(tx, distinctUsers(submissions)),
  ]);
  await failpoints.reached('lock');
  const locked = new Map(lockedPools.map((pool) => [tenantKey(pool), pool]));
  const others = tenants.filter((tenant) => !locked.has(tenantKey(tenant)));
  const pools = { locked, held: await tenantsWithPool(tx, others) };

  const items = boardOf(submissions, existing);
  await answerReplays(tx, judgeExisting(items, pools, mode));
  const open = items.filter((item) => item.outcome === undefined);
  const directory = new UserDirectory(knownUsers);
  decideSubmissions(open, pools, book, directory, ids, now);
  await failpoints.reached('evaluate');

  const written = decidedOf(open);
  if (written.length > 0) {
    const lockingUsers = lockUsers(tx, book, directory, written, now);
    // Sent behind the locks without waiting for them: PostgreSQL writes the actions while we read what it locked.
    const claimed = claim(tx, written, now);
    // Looked at again where it is waited for; when the locks fail first, theirs is the error that counts.
    claimed.catch(() => {});
    const created = await lockingUsers;
    await write(tx, deps, book, written, { created, claimed }, now);
  }
  await failpoints.reached('before_commit');
  return items.map((item) => item.outcome ?? { result: resultOf(item) });
}

function boardOf(submissions: readonly Submission[], existing: readonly ExistingAction[]): BoardItem[] {
  const byKey = new Map(existing.map((action) => [actionKey(action), action]));
  return submissions.map((submission) => ({
    submission,
    existing: byKey.get(actionKey(submission)),
    outcome: undefined,
    decision: undefined,
  }));
}

/** Of tenants whose pool is not locked here: those that have one all the same. */
async function tenantsWithPool(tx: Tx, tenants: readonly Submission[]): Promise<Set<string>> {
  if (tenants.length === 0) return new Set();
  const rows = await tx<{ partnerId: string; environment: 'sandbox' | 'production' }[]>`
    select p.partner_id as "partnerId", p.environment
    from unnest(${tenants.map((t) => t.partnerId)}::uuid[], ${tenants.map((t) => t.environment)}::text[]) as t (partner_id, environment)
    join token_pools p on p.partner_id = t.partner_id and p.environment = t.environment and p.is_default and p.status = 'ACTIVE'`;
  return new Set(rows.map(tenantKey));
}

function distinctUsers(submissions: readonly Submission[]) {
  const users = new Map<string, Pick<KnownUser, 'partnerId' | 'environment' | 'externalUserId'>>();
  for (const { partnerId, environment, stakeholders } of submissions) {
    for (const { externalUserId } of stakeholders) {
      users.set(`${partnerId} ${environment} ${externalUserId}`, { partnerId, environment, externalUserId });
    }
  }
  return [...users.values()];
}

/** Completed and reversed actions answer as they did the first time; no second reward, for ever. */
async function answerReplays(tx: Tx, replays: readonly BoardItem[]): Promise<void> {
  if (replays.length === 0) return;
  const users = replays.flatMap(({ existing }) =>
    (existing?.distributions ?? []).map(({ userId }) => ({ partnerId: existing?.partnerId ?? '', userId })),
  );
  const externalIds = users.length === 0 ? new Map<string, string>() : await readExternalIds(tx, users);
  for (const item of replays) {
    if (item.existing === undefined) continue;
    item.outcome = {
      result: { kind: 'completed', answer: presentSubmitted(item.existing, externalIds), replayed: true },
    };
  }
}

function fillsSomething(ref: UserRef): boolean {
  const { known } = ref;
  if (known === undefined) return false;
  return (
    (known.email === null && ref.email !== null) ||
    (known.firstName === null && ref.firstName !== null) ||
    (known.lastName === null && ref.lastName !== null)
  );
}

/** Claims the keys and writes the actions. */
async function claim(tx: Tx, written: readonly Written[], now: Date): Promise<void> {
  for (const row of written) {
    if (row.decision.evaluation.outcome === 'rewarded') row.decision.answer = submittedAnswer(row);
  }
  const fresh = written.filter(({ decision }) => decision.retryOf === undefined);
  const retries = written.filter(({ decision }) => decision.retryOf !== undefined);
  await Promise.all([insertActions(tx, fresh, now), updateFailedActions(tx, retries, now)]);
}

/**
 * Creates and fills users and locks the accounts that will move; answers which users it made. Throws ClaimLost when a user is not the one
 * that was decided for: made by another transaction meanwhile, or erased.
 */
async function lockUsers(
  tx: Tx,
  book: Book,
  directory: UserDirectory,
  written: readonly Written[],
  now: Date,
): Promise<Set<string>> {
  const refs = [...directory.refs.values()];
  const missing = refs.filter((ref) => ref.known === undefined);
  const filled = refs.filter(fillsSomething);
  const retries = written.filter(({ decision }) => decision.retryOf !== undefined);
  // Sent in this order, which is the order of locks; the last one finds the users that the ones before it made.
  const [, created, , , locked] = await Promise.all([
    retries.length > 0 ? lockFailedActions(tx, retries) : undefined,
    missing.length > 0 ? createStakeholderUsers(tx, missing, now) : new Set<string>(),
    missing.length > 0
      ? openUserAccounts(
          tx,
          missing.map((ref) => ({ ...ref, userId: ref.id })),
          now,
        )
      : undefined,
    filled.length > 0 ? fillEmptyFields(tx, filled, now) : undefined,
    lockUserAccounts(tx, book, refs),
  ]);
  const idOf = new Map(locked.map((user) => [`${tenantKey(user)} ${user.externalUserId}`, user.userId]));
  for (const [key, ref] of directory.refs) {
    if (idOf.get(key) !== ref.id) throw new ClaimLost('a user is another by now');
  }
  return created;
}

/** Posts to the ledger and records the events, without waiting in between; every count is asserted before COMMIT. */
async function write(
  tx: Tx,
  { ids, failpoints }: SubmitDependencies,
  book: Book,
  written: readonly Written[],
  { created, claimed }: { created: ReadonlySet<string>; claimed: Promise<void> },
  now: Date,
): Promise<void> {
  await failpoints.reached('claim', claimed);
  const balances = poolBalances(book);
  // Moves the book's balances before it first waits, so that what follows sees them as they will be.
  const posted = postTransactions(tx, book, written.flatMap(rewardDrafts), now);
  const alerts = settlePoolAlerts(tx, book, balances, { refused: refusingPools(written) }, ids, now);
  await failpoints.reached('post', posted);
  const recorded = recordEvents(tx, [...actionEvents(written, created, ids, now), ...alerts.events]);
  await failpoints.reached('events', recorded);
  await Promise.all([claimed, posted, alerts.saved, recorded]);
}

/** The pools that did not cover an action. */
function refusingPools(written: readonly Written[]): Set<string> {
  const pools = new Set<string>();
  for (const { decision } of written) {
    const { evaluation, poolId } = decision;
    if (poolId !== null && evaluation.outcome === 'failed' && evaluation.code === 'INSUFFICIENT_POOL')
      pools.add(poolId);
  }
  return pools;
}

function resultOf({ submission, decision }: BoardItem): SubmissionResult {
  if (decision === undefined) throw new Error(`${submission.idempotencyKey} was not decided`);
  const { evaluation, actionId } = decision;
  if (evaluation.outcome === 'failed') {
    const extensions = { actionId: publicId('act', actionId) };
    return { kind: 'problem', problem: problem(evaluation.code, FAILURES[evaluation.code], { extensions }) };
  }
  if (decision.answer === undefined) throw new Error(`${submission.idempotencyKey} was not written`);
  return { kind: 'completed', answer: decision.answer, replayed: false };
}
