import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type EvaluationInputs, evaluate, splitByLargestRemainder } from './index.ts';

const stakeholders = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ stakeholderTypeCode: 'CUSTOMER', userId: `user-${index}` }));
const inputs = (change: Partial<EvaluationInputs> = {}): EvaluationInputs => ({
  amount: '49.99',
  currency: 'USD',
  rate: '1',
  campaignId: null,
  stakeholders: stakeholders(1),
  pool: { id: 'pool', balance: 1_000_000 },
  ...change,
});

describe('worth without campaigns', () => {
  test.each([
    ['49.99', '1', 50],
    ['49.5', '1', 50],
    ['49.4999', '1', 49],
    ['0.5', '1', 1],
    ['0.4999', '1', 0],
    ['1.005', '100', 101],
    ['1000000000', '1', 1_000_000_000],
    ['3', '0.1', 0],
    ['5', '0.1', 1],
  ])('%s at a rate of %s is %i SIR, rounded half up', (amount, rate, tokens) => {
    const poolBalance = { id: 'pool', balance: 10_000_000_000 };
    expect(evaluate(inputs({ amount, rate, pool: poolBalance }))).toMatchObject({ outcome: 'rewarded', tokens });
  });

  test('is shared equally, what is left over to the earlier stakeholders', () => {
    expect(evaluate(inputs({ amount: '50', stakeholders: stakeholders(3) }))).toMatchObject({ shares: [17, 17, 16] });
  });

  test('shares always sum to the total and differ by at most one', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.integer({ min: 1, max: 20 }), (amount, count) => {
        const result = evaluate(
          inputs({ amount: String(amount), stakeholders: stakeholders(count), pool: { id: 'p', balance: 1e12 } }),
        );
        if (result.outcome !== 'rewarded') throw new Error(result.outcome);
        expect(result.shares.reduce((sum, share) => sum + share, 0)).toBe(amount);
        expect(Math.max(...result.shares) - Math.min(...result.shares)).toBeLessThanOrEqual(1);
      }),
      { verbose: true },
    );
  });

  test('judges no pool before 422, and 422 before a pool too low', () => {
    expect(evaluate(inputs({ pool: null, rate: null }))).toMatchObject({ outcome: 'failed', code: 'NO_ACTIVE_POOL' });
    expect(evaluate(inputs({ pool: { id: 'p', balance: 0 }, rate: null }))).toMatchObject({
      code: 'UNSUPPORTED_CURRENCY',
    });
    expect(evaluate(inputs({ pool: { id: 'p', balance: 0 }, amount: null, currency: null }))).toMatchObject({
      code: 'NO_VALUE_RULE',
    });
    expect(evaluate(inputs({ campaignId: 'x' }))).toMatchObject({ code: 'CAMPAIGN_NOT_APPLICABLE' });
    expect(evaluate(inputs({ pool: { id: 'p', balance: 49 } }))).toMatchObject({
      outcome: 'failed',
      code: 'INSUFFICIENT_POOL',
    });
    expect(evaluate(inputs({ pool: { id: 'p', balance: 50 } }))).toMatchObject({ outcome: 'rewarded' });
  });
});

describe('splitByLargestRemainder', () => {
  test('sums to the total and takes no more from a part than it has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1e12), { minLength: 1, maxLength: 20 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (weights, part) => {
          const all = weights.reduce((sum, weight) => sum + weight, 0);
          const total = Math.floor(all * part);
          const split = splitByLargestRemainder(total, weights);
          expect(split.reduce((sum, share) => sum + share, 0)).toBe(total);
          for (const [index, share] of split.entries()) expect(share).toBeLessThanOrEqual(weights[index] ?? 0);
        },
      ),
      { verbose: true },
    );
  });
});
