export {
  type Access,
  type Authenticate,
  type Caller,
  createAuthentication,
  type RequestToAuthenticate,
} from './authenticate-request.ts';
export { createKey, type IssuedKey } from './create-key.ts';
export { createPartner } from './create-partner.ts';
export type { Partner, PartnerStatus, Tier } from './partner.ts';
export { findKey, findPartner } from './queries.ts';
export { revokeKey } from './revoke-key.ts';
export { type DemoCredentials, seedDemo } from './seed-demo.ts';
