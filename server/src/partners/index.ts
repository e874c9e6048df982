export type { Access, AuthenticationDeps, RequestToAuthenticate } from './access.ts';
export { type Authenticate, createAuthentication } from './authenticate-request.ts';
export { createKey, type IssuedKey } from './create-key.ts';
export { createPartner } from './create-partner.ts';
export { type ApplicationRow, presentApplication } from './go-live/application.ts';
export type { IntegrationEvidence } from './go-live/checklist.ts';
export { approveGoLive, denyGoLive } from './go-live/decide-go-live.ts';
export { findApplication, listApplications } from './go-live/find-applications.ts';
export { KeyUsage } from './key-usage.ts';
export { roleTexts } from './mail-texts.ts';
export { membershipReader } from './membership-reader.ts';
export { type Partner, type PartnerStatus, type RateTerms, rateLimitsOf, rateTermColumns } from './partner.ts';
export { findKey, findPartner } from './queries.ts';
export { revokeKey } from './revoke-key.ts';
export { partnerEndpoints } from './routes.ts';
export {
  type CallerKind,
  callersOf,
  featureOf,
  lowestRole,
  type Scope,
  signedBy,
  takesFirstPassword,
} from './scopes.ts';
export { type DemoCredentials, seedDemo } from './seed-demo.ts';
export { setPartnerStatus } from './set-partner-status.ts';
export { setPartnerFeatures, setPartnerRateLimits, setPartnerTier } from './set-partner-terms.ts';
export { addMember } from './team/add-member.ts';
export { purgeInvitations } from './team/purge-invitations.ts';
export { warnOfExpiringKeys } from './warn-of-expiring-keys.ts';
