import { REQUESTS_PER_MINUTE, type Tier } from '../partner.ts';

/** What an application proposes; the admin who approves it may choose otherwise. */
export interface ProposedTerms {
  tier: Tier;
  /** Whole tokens that are requested for the new pool. */
  poolTokens: number;
}

const MINUTES_PER_MONTH = 30 * 24 * 60;
/** Shops have evenings and sales: the busiest minute has some ten times the traffic of the mean one. */
const PEAK = 10;
/** An action is a call or two, and is read now and then. */
const REQUESTS_PER_ACTION = 3;
const POOL_MONTHS = 3;
const ROUNDING_TOKENS = 1_000;

/** The tier that the busiest minute fits in, and a pool for three months in whole thousands. */
export function proposeTerms(expected: { monthlyActions: number; monthlyTokens: number }): ProposedTerms {
  const perMinute = (expected.monthlyActions * REQUESTS_PER_ACTION * PEAK) / MINUTES_PER_MONTH;
  const tiers = Object.keys(REQUESTS_PER_MINUTE) as Tier[];
  const tier = tiers.find((one) => perMinute <= REQUESTS_PER_MINUTE[one]) ?? 'ENTERPRISE';
  const thousands = Math.ceil((expected.monthlyTokens * POOL_MONTHS) / ROUNDING_TOKENS);
  return { tier, poolTokens: Math.max(1, thousands) * ROUNDING_TOKENS };
}
