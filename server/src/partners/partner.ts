import type { PartnerFeature } from '@sirgiving/contract';
import type { Tier } from '../platform/caller.ts';

export type { Tier } from '../platform/caller.ts';

export type PartnerStatus = 'PENDING_APPROVAL' | 'ACTIVE' | 'SUSPENDED';

/** What decides what a partner may do. */
export interface PartnerStanding {
  status: PartnerStatus;
  tier: Tier;
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

/** Requests a minute, per partner and environment (contract §4). */
export const REQUESTS_PER_MINUTE: Readonly<Record<Tier, number>> = {
  STANDARD: 1_000,
  PROFESSIONAL: 5_000,
  ENTERPRISE: 50_000,
};
