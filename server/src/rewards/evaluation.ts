import type { ErrorCode } from '@sirgiving/contract';

/**
 * Everything that decides what an action is worth, and nothing else: stored with the action, so that the same code gives the same
 * ledger rows again at any time (contract §6, Decision trace; I15). No personal data: users stand by their row ids.
 */
export interface EvaluationInputs {
  /** Decimal text, at most 4 places. */
  amount: string | null;
  currency: string | null;
  /** SIR tokens for 1.00 of the currency, decimal text; null where the pool has no rate for it. */
  rate: string | null;
  /** A campaign that was asked for by id. */
  campaignId: string | null;
  stakeholders: readonly { stakeholderTypeCode: string; userId: string }[];
  /** The default pool and its balance before this action; null where there is no active pool. */
  pool: { id: string; balance: number } | null;
}

/** One number on the way, with the formula that made it: what `explain` shows. */
export interface EvaluationStep {
  name: string;
  formula: string;
  result: string;
}

/** `rejected` leaves no trace; `failed` is kept and can be processed anew; `rewarded` becomes ledger rows. */
export type Evaluation = { steps: EvaluationStep[] } & (
  | { outcome: 'rejected'; code: RejectionCode }
  | { outcome: 'failed'; code: FailureCode; tokens: number; shares: number[] }
  | { outcome: 'rewarded'; tokens: number; shares: number[] }
);

export type RejectionCode = Extract<ErrorCode, 'NO_VALUE_RULE' | 'UNSUPPORTED_CURRENCY' | 'CAMPAIGN_NOT_APPLICABLE'>;
export type FailureCode = Extract<ErrorCode, 'NO_ACTIVE_POOL' | 'INSUFFICIENT_POOL'>;
