import type { SubmittedAction } from '@sirgiving/contract';
import type { TransactionDraft } from '../ledger/index.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { presentUser } from '../users/index.ts';
import type { NewEvent } from '../webhooks/record-events.ts';
import { presentSubmitted } from './stored-action.ts';
import type { Written } from './write-actions.ts';

/** One REWARD per distribution with tokens: from the pool's account to the user's. */
export function rewardDrafts({ submission, decision }: Written): TransactionDraft[] {
  const { poolId } = decision;
  if (poolId === null) return [];
  return decision.distributions.flatMap(({ transactionId, tokens, userId }, distributionIndex) => {
    if (transactionId === null) return [];
    const { partnerId, environment } = submission;
    return {
      partnerId,
      environment,
      id: transactionId,
      kind: 'REWARD',
      poolId,
      tokens,
      userId,
      actionId: decision.actionId,
      distributionIndex,
      entries: [
        { accountId: poolId, amount: -tokens },
        { accountId: userId, amount: tokens },
      ],
    };
  });
}

/** The answer of submit to the request that was rewarded. */
export function submittedAnswer({ submission, decision }: Written): SubmittedAction {
  const externalIds = new Map(decision.users.map((user) => [user.id, user.externalUserId]));
  const { actionId, poolId, createdAt, distributions, evaluation } = decision;
  return presentSubmitted(
    {
      id: actionId,
      idempotencyKey: submission.idempotencyKey,
      poolId,
      tokens: evaluation.tokens,
      createdAt,
      distributions,
    },
    externalIds,
  );
}

/**
 * What a batch has to tell, in its order: new users, then each action and its ledger rows. A failure is told again only when its code
 * changes. `created` holds the ids of the users that this transaction made.
 */
export function actionEvents(
  written: readonly Written[],
  created: ReadonlySet<string>,
  ids: Ids,
  createdAt: Date,
): NewEvent[] {
  const events: NewEvent[] = [];
  const told = new Set<string>();
  for (const { submission, decision } of written) {
    const { partnerId, environment, actionType, metadata } = submission;
    const tell = (type: NewEvent['type'], data: Record<string, unknown>) => {
      events.push({ partnerId, environment, id: ids.uuid(), type, data, createdAt });
    };
    for (const user of decision.users) {
      if (!created.has(user.id) || told.has(user.id)) continue;
      told.add(user.id);
      tell('user.created', { ...presentUser({ ...user, metadata: {}, createdAt, updatedAt: createdAt }) });
    }
    const actionId = publicId('act', decision.actionId);
    if (decision.evaluation.outcome === 'failed') {
      const { code } = decision.evaluation;
      if (decision.retryOf?.failureCode === code) continue;
      tell('action.failed', {
        actionId,
        idempotencyKey: submission.idempotencyKey,
        actionType,
        status: 'FAILED',
        failureCode: code,
        metadata,
      });
      continue;
    }
    tell('action.completed', { ...decision.answer, actionType, metadata });
    decision.distributions.forEach(({ transactionId, tokens }, index) => {
      if (transactionId === null) return;
      tell('transaction.completed', {
        transactionId: publicId('txn', transactionId),
        kind: 'REWARD',
        tokens,
        externalUserId: decision.users[index]?.externalUserId,
        actionId,
        actionType,
        poolId: decision.answer?.poolId,
      });
    });
  }
  return events;
}
