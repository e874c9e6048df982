import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PoolAlerts } from '../ledger/index.ts';
import { alertStateOf, type BalanceChange, judgeBalance, type PoolAlert, withThresholds } from './low-balance.ts';

const fresh = (change: Partial<PoolAlerts> = {}): PoolAlerts => ({
  thresholds: [{ percent: 20 }],
  lastAllocationBalance: 1_000,
  alertedThresholds: 0,
  depletedAtBalance: null,
  ...change,
});

/** Follows a pool through balances; answers what was told at each, in short words. */
function follow(start: PoolAlerts, balances: readonly (number | BalanceChange)[], from = 1_000): string[][] {
  let state = start;
  let before = from;
  return balances.map((step) => {
    const change = typeof step === 'number' ? { before, after: step } : step;
    const judged = judgeBalance(state, change);
    state = judged.state;
    before = change.after;
    return judged.alerts.map(inShort);
  });
}

function inShort(alert: PoolAlert): string {
  const list = (thresholds: readonly { percent?: number; tokens?: number }[]) =>
    thresholds.map(({ percent, tokens }) => (percent === undefined ? `${tokens}` : `${percent}%`)).join();
  if (alert.type === 'token_pool.low_balance') return `low ${list(alert.thresholds)}`;
  if (alert.type === 'token_pool.depleted') return `depleted ${alert.cause}`;
  return ['recovered', list(alert.thresholds), alert.wasDepleted ? 'depletion' : ''].filter(Boolean).join(' ');
}

describe('a threshold', () => {
  test('is told once when it is reached, and again only after the balance was 5 points above it', () => {
    const told = follow(fresh(), [201, 200, 150, 249, 200, 250, 201, 200]);
    expect(told).toEqual([[], ['low 20%'], [], [], [], ['recovered 20%'], [], ['low 20%']]);
  });

  test('in tokens recovers 5 points of the last allocation above it', () => {
    const told = follow(fresh({ thresholds: [{ tokens: 300 }] }), [301, 300, 349, 350]);
    expect(told).toEqual([[], ['low 300'], [], ['recovered 300']]);
  });

  test('is of the balance after the last allocation, not of what was ever put in', () => {
    const refill = { before: 10, after: 410, allocated: true };
    const told = follow(fresh(), [10, refill, 83, 82]);
    expect(told).toEqual([['low 20%'], ['recovered 20%'], [], ['low 20%']]);
  });

  test('several crossed at once are told together, and each recovers by itself', () => {
    const thresholds = [{ percent: 50 }, { percent: 10 }, { tokens: 50 }];
    const told = follow(fresh({ thresholds }), [90, 40, 149, 150, 550]);
    expect(told).toEqual([['low 50%,10%'], ['low 50'], ['recovered 50'], ['recovered 10%'], ['recovered 50%']]);
  });

  test('is not told of a pool that never had tokens', () => {
    expect(follow(fresh({ lastAllocationBalance: 0, thresholds: [{ tokens: 500 }] }), [0, 0], 0)).toEqual([[], []]);
  });

  test('is exact for balances beyond what a percentage of them can be', () => {
    const base = Number.MAX_SAFE_INTEGER;
    const limit = Number((BigInt(base) * 20n) / 100n);
    expect(follow(fresh({ lastAllocationBalance: base }), [limit + 1, limit], base)).toEqual([[], ['low 20%']]);
  });
});

describe('depletion', () => {
  test('is told once at 0, and again only after the balance rose by 5 points', () => {
    const told = follow(fresh({ thresholds: [] }), [0, 49, 0, 50, 0]);
    expect(told).toEqual([['depleted EMPTY'], [], [], ['recovered depletion'], ['depleted EMPTY']]);
  });

  test('is told at the first refusal, and recovers from the lowest balance since', () => {
    const refused = (balance: number) => ({ before: balance, after: balance, refused: true });
    const told = follow(fresh({ thresholds: [] }), [refused(600), refused(600), 100, refused(149), 150, refused(150)]);
    expect(told).toEqual([
      ['depleted ACTION_REFUSED'],
      [],
      [],
      [],
      ['recovered depletion'],
      ['depleted ACTION_REFUSED'],
    ]);
  });

  test('of a pool that never had tokens does not recover by standing still', () => {
    const refused = { before: 0, after: 0, refused: true };
    const empty = fresh({ lastAllocationBalance: 0, thresholds: [] });
    expect(follow(empty, [refused, refused, 0], 0)).toEqual([['depleted ACTION_REFUSED'], [], []]);
  });

  test('and low balance recover together in one event', () => {
    const refill = { before: 0, after: 1_000, allocated: true };
    expect(follow(fresh(), [0, refill])).toEqual([['low 20%', 'depleted EMPTY'], ['recovered 20% depletion']]);
  });
});

test('whatever a balance does, every alert is told once until it has recovered, and only what was told recovers', () => {
  const steps = fc.array(
    fc.record({
      after: fc.nat(2_000),
      allocated: fc.boolean(),
      refused: fc.boolean(),
    }),
    { maxLength: 40 },
  );
  const thresholds = [{ percent: 20 }, { percent: 60 }, { tokens: 100 }];
  fc.assert(
    fc.property(steps, (changes) => {
      let state = fresh({ thresholds });
      let before = 1_000;
      const open = new Set<unknown>();
      for (const { after, allocated, refused } of changes) {
        const { state: next, alerts } = judgeBalance(state, {
          before,
          after,
          allocated: allocated && after > before,
          refused,
        });
        for (const alert of alerts) {
          const about: unknown[] = alert.type === 'token_pool.depleted' ? ['depleted'] : [...alert.thresholds];
          if (alert.type === 'token_pool.recovered' && alert.wasDepleted) about.push('depleted');
          for (const one of about) {
            expect(open.has(one)).toBe(alert.type === 'token_pool.recovered');
            if (alert.type === 'token_pool.recovered') open.delete(one);
            else open.add(one);
          }
          if (alert.type === 'token_pool.recovered') expect(about.length).toBeGreaterThan(0);
        }
        const isDepleted = open.has('depleted');
        expect(alertStateOf(next)).toBe(isDepleted ? 'DEPLETED' : open.size > 0 ? 'LOW' : 'OK');
        state = next;
        before = after;
      }
    }),
    { verbose: true },
  );
});

test('a batch that changes nothing about the alerts leaves the state object as it is, so that nothing is written', () => {
  const state = fresh();
  expect(judgeBalance(state, { before: 1_000, after: 900 }).state).toBe(state);
  const low = judgeBalance(state, { before: 900, after: 100 }).state;
  expect(judgeBalance(low, { before: 100, after: 90 }).state).toBe(low);
});

test('thresholds that stay keep what was told of them, in whatever order', () => {
  const low = judgeBalance(fresh({ thresholds: [{ percent: 50 }, { percent: 20 }] }), {
    before: 1_000,
    after: 300,
  }).state;
  const changed = withThresholds(low, [{ percent: 10 }, { tokens: 400 }, { percent: 50 }]);
  expect(judgeBalance(changed, { before: 300, after: 300 }).alerts.map(inShort)).toEqual(['low 400']);
});
