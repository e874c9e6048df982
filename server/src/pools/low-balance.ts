import type { BalanceThreshold } from '@sirgiving/contract';
import type { PoolAlerts } from '../ledger/index.ts';

/** What happened to a pool in one transaction. Balances are whole tokens. */
export interface BalanceChange {
  before: number;
  after: number;
  /** An action was refused for want of tokens. */
  refused?: boolean;
  /** Tokens were allocated: percentages are of the balance after it from now on. */
  allocated?: boolean;
}

/** Something to tell about a pool's balance. */
export type PoolAlert =
  | { type: 'token_pool.low_balance'; thresholds: BalanceThreshold[] }
  | { type: 'token_pool.depleted'; cause: 'EMPTY' | 'ACTION_REFUSED' }
  | {
      type: 'token_pool.recovered';
      /** The thresholds that it rose far enough above. */
      thresholds: BalanceThreshold[];
      /** Those that it is still below. */
      stillBelow: BalanceThreshold[];
      /** Whether it was depleted and is no longer. */
      wasDepleted: boolean;
    };

/** Percentage points of the last allocation's balance: a balance that swings around a threshold is told of once (contract §7). */
export const RECOVERY_POINTS = 5;

/** The share of a balance in whole tokens. Exact, since balances may be too large for `balance × percent` to stay an integer. */
function share(balance: number, percent: number, rounding: 'down' | 'up'): number {
  const product = BigInt(balance) * BigInt(percent);
  return Number(rounding === 'down' ? product / 100n : (product + 99n) / 100n);
}

/** The highest balance at which a threshold counts as reached. */
function limitOf({ percent, tokens }: BalanceThreshold, base: number): number {
  return percent === undefined ? (tokens ?? 0) : share(base, percent, 'down');
}

/** The lowest balance at which it counts as recovered. */
function recoveryOf({ percent, tokens }: BalanceThreshold, base: number): number {
  if (percent !== undefined) return share(base, percent + RECOVERY_POINTS, 'up');
  return (tokens ?? 0) + marginOf(base);
}

/** What a balance without a percentage has to rise by. At least one token, or a pool that never had any would recover by standing still. */
function marginOf(base: number): number {
  return Math.max(1, share(base, RECOVERY_POINTS, 'up'));
}

/**
 * Judges a pool's balance after a transaction, purely: which alerts are due, and the state that must be stored with them so that each is
 * told once. A threshold is reached at its limit or below, and can be reached again only after the balance has risen 5 points above
 * it. The pool is depleted at 0 or with the first action refused; from there it must rise 5 points too. The state is the given
 * object itself where nothing of it changes.
 */
export function judgeBalance(state: PoolAlerts, change: BalanceChange): { state: PoolAlerts; alerts: PoolAlert[] } {
  const base = change.allocated === true ? change.after : state.lastAllocationBalance;
  const { reached, recovered, stillBelow, alerted } = judgeThresholds(state, change.after, base);
  const depletion = judgeDepletion(state.depletedAtBalance, change, base);
  const alerts: PoolAlert[] = [];
  if (reached.length > 0) alerts.push({ type: 'token_pool.low_balance', thresholds: reached });
  if (depletion.cause !== undefined) alerts.push({ type: 'token_pool.depleted', cause: depletion.cause });
  if (recovered.length > 0 || depletion.recovered) {
    alerts.push({
      type: 'token_pool.recovered',
      thresholds: recovered,
      stillBelow,
      wasDepleted: depletion.recovered,
    });
  }
  const unchanged =
    base === state.lastAllocationBalance &&
    alerted === state.alertedThresholds &&
    depletion.atBalance === state.depletedAtBalance;
  if (unchanged) return { state, alerts };
  const { thresholds } = state;
  return {
    state: {
      thresholds,
      lastAllocationBalance: base,
      alertedThresholds: alerted,
      depletedAtBalance: depletion.atBalance,
    },
    alerts,
  };
}

function judgeThresholds({ thresholds, alertedThresholds }: PoolAlerts, balance: number, base: number) {
  const reached: BalanceThreshold[] = [];
  const recovered: BalanceThreshold[] = [];
  const stillBelow: BalanceThreshold[] = [];
  let alerted = alertedThresholds;
  thresholds.forEach((threshold, index) => {
    const bit = 1 << index;
    if ((alerted & bit) === 0) {
      // A pool that never had tokens is not low on them.
      if (base === 0 || balance > limitOf(threshold, base)) return;
      alerted |= bit;
      reached.push(threshold);
    } else if (balance >= recoveryOf(threshold, base)) {
      alerted &= ~bit;
      recovered.push(threshold);
    } else {
      stillBelow.push(threshold);
    }
  });
  return { reached, recovered, stillBelow, alerted };
}

function judgeDepletion(
  atBalance: number | null,
  { before, after, refused }: BalanceChange,
  base: number,
): { atBalance: number | null; recovered: boolean; cause?: 'EMPTY' | 'ACTION_REFUSED' } {
  if (atBalance === null) {
    if (after <= 0 && before > 0) return { atBalance: after, recovered: false, cause: 'EMPTY' };
    if (refused === true) return { atBalance: after, recovered: false, cause: 'ACTION_REFUSED' };
    return { atBalance, recovered: false };
  }
  if (after >= atBalance + marginOf(base)) return { atBalance: null, recovered: true };
  return { atBalance: Math.min(atBalance, after), recovered: false };
}

/**
 * The state for other thresholds: those that stay keep what was told of them, new ones begin untold.
 */
export function withThresholds(state: PoolAlerts, thresholds: readonly BalanceThreshold[]): PoolAlerts {
  const told = state.thresholds.filter((_, index) => (state.alertedThresholds & (1 << index)) !== 0);
  const isTold = ({ percent, tokens }: BalanceThreshold) =>
    told.some((one) => one.percent === percent && one.tokens === tokens);
  const alertedThresholds = thresholds.reduce((bits, one, index) => (isTold(one) ? bits | (1 << index) : bits), 0);
  return { ...state, thresholds, alertedThresholds };
}

/** What the API shows of the state. */
export function alertStateOf(
  state: Pick<PoolAlerts, 'alertedThresholds' | 'depletedAtBalance'>,
): 'OK' | 'LOW' | 'DEPLETED' {
  if (state.depletedAtBalance !== null) return 'DEPLETED';
  return state.alertedThresholds === 0 ? 'OK' : 'LOW';
}
