import type { Evaluation, EvaluationInputs, EvaluationStep } from './evaluation.ts';

interface Decimal {
  digits: bigint;
  scale: number;
}

function decimal(text: string): Decimal {
  const [whole = '', fraction = ''] = text.split('.');
  return { digits: BigInt(whole + fraction), scale: fraction.length };
}

/** amount × rate, rounded half up to whole tokens. Exact: integers all the way, since a float would round 0.5 either way. */
function worth(amount: string, rate: string): number {
  const a = decimal(amount);
  const r = decimal(rate);
  const unit = 10n ** BigInt(a.scale + r.scale);
  return Number((a.digits * r.digits * 2n + unit) / (2n * unit));
}

/** Equal shares that sum to the total; what is left over goes to the earlier stakeholders, one token each. */
function equalShares(total: number, count: number): number[] {
  const share = Math.floor(total / count);
  const leftOver = total - share * count;
  return Array.from({ length: count }, (_, index) => (index < leftOver ? share + 1 : share));
}

/**
 * Evaluator version 1: worth without campaigns (contract §6): amount × the default pool's rate for the currency, rounded half up,
 * shared equally by largest remainder. Order of judgement: no active pool, then what is rejected, then a pool too low.
 * Never changed once released: stored traces are read with the evaluator that made them.
 */
export function evaluateV1(inputs: EvaluationInputs): Evaluation {
  const { amount, currency, rate, pool, stakeholders } = inputs;
  const steps: EvaluationStep[] = [];
  if (pool === null) return { outcome: 'failed', code: 'NO_ACTIVE_POOL', tokens: 0, shares: [], steps };
  if (inputs.campaignId !== null) return { outcome: 'rejected', code: 'CAMPAIGN_NOT_APPLICABLE', steps };
  if (amount === null || currency === null) return { outcome: 'rejected', code: 'NO_VALUE_RULE', steps };
  if (rate === null) return { outcome: 'rejected', code: 'UNSUPPORTED_CURRENCY', steps };

  const tokens = worth(amount, rate);
  steps.push({ name: 'worth', formula: `${amount} ${currency} × ${rate} SIR, rounded half up`, result: `${tokens}` });
  const shares = equalShares(tokens, stakeholders.length);
  steps.push({
    name: 'shares',
    formula: `${tokens} ÷ ${stakeholders.length}, largest remainder`,
    result: shares.join(' + '),
  });
  if (tokens > pool.balance) {
    steps.push({ name: 'pool', formula: `${pool.balance} − ${tokens}`, result: 'too low' });
    return { outcome: 'failed', code: 'INSUFFICIENT_POOL', tokens, shares, steps };
  }
  steps.push({ name: 'pool', formula: `${pool.balance} − ${tokens}`, result: `${pool.balance - tokens}` });
  return { outcome: 'rewarded', tokens, shares, steps };
}
