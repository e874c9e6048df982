import type { Environment, PartnerFeature } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';

export type Tier = 'STANDARD' | 'PROFESSIONAL' | 'ENTERPRISE';

export type PartnerStatus = 'PENDING_APPROVAL' | 'ACTIVE' | 'SUSPENDED';

/** What decides what a partner may do. */
export interface PartnerStanding {
  status: PartnerStatus;
  features: readonly PartnerFeature[];
}

export interface Partner {
  id: string;
  name: string;
  slug: string;
  status: PartnerStatus;
  tier: Tier;
  createdAt: Date;
}

/** Requests a minute of each tier, per partner and environment (contract §4). */
export const REQUESTS_PER_MINUTE: Readonly<Record<Tier, number>> = {
  STANDARD: 1_000,
  PROFESSIONAL: 5_000,
  ENTERPRISE: 50_000,
};

/** Requests a minute that were agreed with one partner; null: as its tier has it. */
export type RateLimitOverrides = Readonly<Record<Environment, number | null>>;

/** What decides how much a partner may ask. */
export interface RateTerms {
  tier: Tier;
  rateLimitOverrides: RateLimitOverrides;
}

/** The columns of `RateTerms`, of the table `partners` under the name `p`. */
export const rateTermColumns = (sql: Queryable) => sql`
  p.tier, json_build_object('sandbox', p.sandbox_requests_per_minute, 'production', p.production_requests_per_minute)
    as "rateLimitOverrides"`;

/** How many requests a minute a partner has in each environment. */
export function rateLimitsOf({ tier, rateLimitOverrides }: RateTerms): Readonly<Record<Environment, number>> {
  const ofTier = REQUESTS_PER_MINUTE[tier];
  const { sandbox, production } = rateLimitOverrides;
  return { sandbox: sandbox ?? ofTier, production: production ?? ofTier };
}
