import type { Tenant } from '../platform/endpoint.ts';
import type { AllowList } from './allow-list.ts';
import type { PartnerStanding } from './partner.ts';

export type CredentialKind = 'publishable' | 'secret';

/** What is known about a presented key. Everything but the expiry is as of one snapshot of the database. */
export interface Credential {
  kind: CredentialKind;
  /** One object for all requests of the key. */
  tenant: Tenant;
  /** The row's id. */
  apiKeyId: string;
  /** Of the partner in the key's environment. */
  requestsPerMinute: number;
  partner: PartnerStanding;
  /** Neither revoked nor switched off. */
  isActive: boolean;
  /** Unix milliseconds; judged by the clock at each request. */
  expiresAt: number | undefined;
  allowList: AllowList | undefined;
  /** Origins of pages that may send the publishable key; undefined: any. */
  allowedOrigins: ReadonlySet<string> | undefined;
  hmacSecret: string;
}

/** Whether a key works at a moment, in Unix milliseconds. */
export function isUsable(credential: Credential | undefined, nowMilliseconds: number): credential is Credential {
  if (credential === undefined || !credential.isActive) return false;
  return credential.expiresAt === undefined || nowMilliseconds < credential.expiresAt;
}
