import type { Tenant } from '../platform/endpoint.ts';
import type { AllowList } from './allow-list.ts';
import type { PartnerStatus, Tier } from './partner.ts';

export type CredentialKind = 'publishable' | 'secret';

/** What is known about a presented key. Everything but the expiry is as of one snapshot of the database. */
export interface Credential {
  kind: CredentialKind;
  /** One object for all requests of the key. */
  tenant: Tenant;
  /** The row's id. */
  apiKeyId: string;
  tier: Tier;
  partnerStatus: PartnerStatus;
  /** Neither revoked nor switched off. */
  isActive: boolean;
  /** Unix milliseconds; judged by the clock at each request. */
  expiresAt: number | undefined;
  allowList: AllowList | undefined;
  hmacSecret: string;
}
