import type { Environment } from '@sirgiving/contract';

/** Whose data a request is about. Every statement of a tenant carries both. */
export interface Tenant {
  partnerId: string;
  environment: Environment;
}

/** What a member of a partner's team may do: each role may do what those before it may. */
export const roles = ['viewer', 'developer', 'owner'] as const;
export type Role = (typeof roles)[number];

/** A partner's own software, proven by a signature. */
export interface KeyCaller {
  kind: 'apiKey';
  tenant: Tenant;
  apiKeyId: string;
  credentialKind: 'publishable' | 'secret';
  /** Of the partner in this environment. */
  requestsPerMinute: number;
  /** 64 hex digits; no second request has it by chance. */
  signature: string;
  /** Unix seconds. The signature is accepted while the whole seconds since then are at most 300. */
  timestamp: number;
}

/** A page or an app of a partner's users that shows the publishable key, which proves nothing: everybody may have it. */
export interface WidgetCaller {
  kind: 'widget';
  tenant: Tenant;
  apiKeyId: string;
  /** Of the partner in this environment. */
  requestsPerMinute: number;
}

/** What an access token proves about a person. */
interface Person {
  accountId: string;
  /** Undefined where the token is one of an outside issuer: its sessions are kept there. */
  sessionId: string | undefined;
}

/** A person on behalf of a partner. */
export interface MemberCaller extends Person {
  kind: 'member';
  tenant: Tenant;
  role: Role;
  /** Of the partner in this environment. */
  requestsPerMinute: number;
}

/** A person who speaks for nobody else. */
export interface AccountCaller extends Person {
  kind: 'account';
  audience: 'partner' | 'admin';
  /** How the person proved to be themselves (RFC 8176): `pwd`, `otp`. */
  amr: readonly string[];
  /** When a one-time password was given last; undefined: never in this session. */
  otpAt: Date | undefined;
  /** A seeded account: never for production data (contract §1). */
  sandboxOnly: boolean;
  /** Somebody else has made the password: nothing but its change is for this person yet. */
  mustChangePassword: boolean;
}

/** Somebody of SIR Giving. */
export interface AdminCaller extends Person {
  kind: 'admin';
  /** Chosen by `X-Partner-Environment`, else the process's own. */
  environment: Environment;
  /** When a one-time password was given last; undefined: never in this session, which is enough for sandbox data only. */
  otpAt: Date | undefined;
}

/** Who has called, once that is proven. */
export type Caller = KeyCaller | WidgetCaller | MemberCaller | AccountCaller | AdminCaller;

/** Whom an endpoint was called by, where its scope lets one kind of caller in. Any other kind is a mistake in the table of routes. */
export function callerOfKind<Kind extends Caller['kind']>(
  call: { caller: Caller | undefined },
  kind: Kind,
): Extract<Caller, { kind: Kind }> {
  if (call.caller?.kind !== kind) throw new Error(`the route lets ${call.caller?.kind ?? 'anyone'} in, not ${kind}`);
  return call.caller as Extract<Caller, { kind: Kind }>;
}
