import type { Environment } from '@sirgiving/contract';
import { problem } from '../platform/problem-json.ts';
import type { Access } from './access.ts';
import type { PartnerStanding } from './partner.ts';

/** Whether a partner may do now what a route does. Throws PARTNER_SUSPENDED, PARTNER_NOT_APPROVED and FEATURE_NOT_ENABLED. */
export function judgePartner(partner: PartnerStanding, environment: Environment, access: Access): void {
  if (!access.mutates) return;
  if (partner.status === 'SUSPENDED') {
    throw problem('PARTNER_SUSPENDED', 'The partner is suspended: reads go on, changes do not.');
  }
  if (partner.status === 'PENDING_APPROVAL' && environment === 'production' && access.unapprovedMayCall !== true) {
    throw problem(
      'PARTNER_NOT_APPROVED',
      'The partner is not approved for production yet: live data can only be read.',
    );
  }
  if (access.feature !== undefined && !partner.features.includes(access.feature)) {
    throw problem('FEATURE_NOT_ENABLED', `SIR Giving has not enabled ${access.feature} for this partner.`);
  }
}
