import type { Environment, SubmittedAction } from '@sirgiving/contract';
import type { LockedPool } from '../ledger/index.ts';
import type { ItemOutcome } from '../platform/coalescer.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import type { Evaluation } from '../rewards/index.ts';
import type { KnownUser, StakeholderUser } from '../users/index.ts';
import { differingPaths } from './fingerprint.ts';
import type { ExistingAction, StoredDistribution, StoredTrace } from './stored-action.ts';
import type { Submission } from './submission.ts';

/** How a submission was decided: with an action, or with the problem that its sender is answered. */
export type SubmissionResult =
  | { kind: 'completed'; answer: SubmittedAction; replayed: boolean }
  | { kind: 'problem'; problem: Problem };

/** A user of this batch, found or to be created with this id. */
export interface UserRef extends StakeholderUser {
  id: string;
  known: KnownUser | undefined;
}

/** What will be written for a submission: a reward, or a failure that is kept. */
export interface Decision {
  actionId: string;
  /** The FAILED row that is processed anew, where there is one. */
  retryOf: ExistingAction | undefined;
  evaluation: Extract<Evaluation, { outcome: 'rewarded' | 'failed' }>;
  trace: StoredTrace;
  poolId: string | null;
  createdAt: Date;
  users: UserRef[];
  distributions: StoredDistribution[];
  /** Of a reward, once its users are known. */
  answer: SubmittedAction | undefined;
}

/** One submission and what is known of it so far. */
export interface BoardItem {
  submission: Submission;
  existing: ExistingAction | undefined;
  outcome: ItemOutcome<SubmissionResult> | undefined;
  decision: Decision | undefined;
}

export const tenantKey = (tenant: { partnerId: string; environment: Environment }) =>
  `${tenant.partnerId} ${tenant.environment}`;

/** The identity of an action for ever: partner, environment, source, idempotency key. */
export const actionKey = (a: Pick<Submission, 'partnerId' | 'environment' | 'source' | 'idempotencyKey'>) =>
  `${tenantKey(a)} ${a.source} ${a.idempotencyKey}`;

export function refuse(item: BoardItem, refusal: Problem): void {
  item.outcome = { result: { kind: 'problem', problem: refusal } };
}

/** 422 for a key that came with another body; names the places that differ. */
export function keyReused(submission: Submission, existing: ExistingAction): Problem {
  const paths = differingPaths(submission.leaves(), existing.fingerprintLeaves, existing.id);
  return problem('IDEMPOTENCY_KEY_REUSED', `The key ${existing.idempotencyKey} was used with another body.`, {
    errors: paths.map((path) => ({ path, message: 'differs from the first request with this key' })),
  });
}

/** Pools of the tenants of a batch: which are locked here, and which tenants have one that somebody else holds. */
export interface DefaultPools {
  locked: ReadonlyMap<string, LockedPool>;
  held: ReadonlySet<string>;
}

/** Settles what needs no lock: replays are marked, other bodies are refused, items whose pool someone else holds go back. */
export function judgeExisting(items: readonly BoardItem[], pools: DefaultPools, mode: 'shared' | 'alone'): BoardItem[] {
  const replays: BoardItem[] = [];
  for (const item of items) {
    const { existing, submission } = item;
    if (existing !== undefined && existing.fingerprint !== submission.fingerprint) {
      refuse(item, keyReused(submission, existing));
    } else if (existing !== undefined && existing.status !== 'FAILED') {
      replays.push(item);
    } else {
      if (pools.held.has(tenantKey(submission))) {
        item.outcome = { again: mode === 'shared' ? 'held' : 'replan' };
      }
    }
  }
  return replays;
}
