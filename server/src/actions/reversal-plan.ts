import type { ReverseAction } from '@sirgiving/contract';
import { type Problem, problem } from '../platform/problem-json.ts';
import { splitByLargestRemainder } from '../rewards/index.ts';

/** One distribution of the action and what can still be taken back of it. */
export interface ReversiblePart {
  stakeholderTypeCode: string;
  externalUserId: string;
  userId: string;
  transactionId: string | null;
  remaining: number;
}

export interface ReversalPlan {
  /** Tokens to take back of each part, in the order of the action's distributions. */
  takes: number[];
  /** By how much users fall below zero through this reversal. */
  debt: number;
}

const exceeds = (detail: string, path: string): Problem =>
  problem('REVERSAL_EXCEEDS_REMAINING', detail, { errors: [{ path, message: 'more than what remains' }] });

function wantedOf(request: ReverseAction, parts: readonly ReversiblePart[]): number[] {
  const remaining = parts.map((part) => part.remaining);
  if (request.distributions !== undefined) return namedTakes(request.distributions, parts);
  if (request.tokens === undefined) return remaining;
  const all = remaining.reduce((sum, tokens) => sum + tokens, 0);
  if (request.tokens > all)
    throw exceeds(`${all} tokens remain of this action; ${request.tokens} were to be taken back.`, '/tokens');
  return splitByLargestRemainder(request.tokens, remaining);
}

function namedTakes(named: NonNullable<ReverseAction['distributions']>, parts: readonly ReversiblePart[]): number[] {
  const takes = parts.map(() => 0);
  named.forEach((wanted, index) => {
    const at = parts.findIndex(
      (part) => part.stakeholderTypeCode === wanted.stakeholderTypeCode && part.externalUserId === wanted.partnerUserId,
    );
    const path = `/distributions/${index}`;
    const take = (takes[at] ?? 0) + wanted.tokens;
    const remaining = parts[at]?.remaining ?? 0;
    if (at === -1 || take > remaining) {
      throw exceeds(`${remaining} tokens remain of ${wanted.stakeholderTypeCode} ${wanted.partnerUserId}.`, path);
    }
    takes[at] = take;
  });
  return takes;
}

/**
 * Decides what a reversal takes from whom. `balances` are the users' available balances by row id, changed as tokens are taken, since
 * one user may stand in several parts. Throws 422 `REVERSAL_EXCEEDS_REMAINING`, and 402 `INSUFFICIENT_BALANCE` where the mode does
 * not allow a debt and nothing can be taken.
 */
export function planReversal(
  request: ReverseAction,
  parts: readonly ReversiblePart[],
  balances: Map<string, number>,
): ReversalPlan {
  const mode = request.onInsufficientBalance ?? 'negative';
  let debt = 0;
  let short = 0;
  const takes = wantedOf(request, parts).map((wanted, index) => {
    const userId = parts[index]?.userId ?? '';
    const balance = balances.get(userId) ?? 0;
    const covered = Math.min(wanted, Math.max(0, balance));
    short += wanted - covered;
    const take = mode === 'partial' ? covered : wanted;
    if (mode === 'negative') debt += wanted - covered;
    balances.set(userId, balance - take);
    return take;
  });
  const nothingTaken = mode === 'partial' && takes.every((take) => take === 0);
  if (short > 0 && (mode === 'refuse' || nothingTaken)) {
    throw problem('INSUFFICIENT_BALANCE', `${short} of the tokens have been spent; nothing was taken back.`);
  }
  return { takes, debt };
}
