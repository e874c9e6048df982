export type PartnerStatus = 'PENDING_APPROVAL' | 'ACTIVE' | 'SUSPENDED';
export type Tier = 'STANDARD' | 'PROFESSIONAL' | 'ENTERPRISE';

export interface Partner {
  id: string;
  name: string;
  slug: string;
  status: PartnerStatus;
  tier: Tier;
  createdAt: Date;
}
