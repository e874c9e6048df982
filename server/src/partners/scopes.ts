import type { PartnerFeature } from '@sirgiving/contract';
import { type Role, roles } from '../platform/caller.ts';

/** Who may call a route: one value for each kind of caller, or for several where a route serves them alike (contract §3). */
export type Scope =
  /** No credentials. */
  | 'anyone'
  /** A signed request with either key, or any member: reads of partner data. */
  | 'reads'
  /** A request signed with the secret key, or a developer: changes of partner data. */
  | 'writes'
  /** Like `writes`, but people only in the sandbox: what issues rewards. */
  | 'submits'
  /** Any member: the portal. */
  | 'memberReads'
  /** Members who are developers or owners. */
  | 'developers'
  | 'owners'
  /** Like `developers`, and who belongs to no partner yet: a first key makes one. */
  | 'keyMakers'
  /** A person, of whatever partner or of none. */
  | 'account'
  /** Somebody of SIR Giving. */
  | 'admins'
  /** The same, about their own account: also who has to prove a one-time password yet. */
  | 'adminAccount'
  /** The publishable key alone, from a page or an app. */
  | 'widget';

/** Scopes that ask for credentials. */
export type ProvenScope = Exclude<Scope, 'anyone'>;

/** Kinds of callers, as the published table of routes and roles names them. */
export type CallerKind =
  | 'anyone'
  | 'publishableKey'
  | 'secretKey'
  | 'widget'
  | 'viewer'
  | 'developer'
  | 'owner'
  | 'developerInSandbox'
  | 'ownerInSandbox'
  | 'newcomer'
  | 'account'
  | 'admin'
  | 'adminWithoutOtp';

/** The table of scopes and callers; the documentation publishes it per route, and a test holds every route to it. */
export const callersOf: Readonly<Record<Scope, readonly CallerKind[]>> = {
  anyone: ['anyone'],
  reads: ['publishableKey', 'secretKey', 'viewer', 'developer', 'owner'],
  writes: ['secretKey', 'developer', 'owner'],
  submits: ['secretKey', 'developerInSandbox', 'ownerInSandbox'],
  memberReads: ['viewer', 'developer', 'owner'],
  developers: ['developer', 'owner'],
  owners: ['owner'],
  keyMakers: ['newcomer', 'developer', 'owner'],
  account: ['account'],
  admins: ['admin'],
  adminAccount: ['admin', 'adminWithoutOtp'],
  widget: ['widget'],
};

/** Whether a route of this scope takes signed requests; `secret`: with the secret key only. */
export function signedBy(scope: Scope): 'any' | 'secret' | undefined {
  const callers = callersOf[scope];
  if (callers.includes('publishableKey')) return 'any';
  return callers.includes('secretKey') ? 'secret' : undefined;
}

/** The lowest role that a route of this scope takes; undefined: it is not for members. */
export function lowestRole(scope: Scope): Role | undefined {
  const callers = callersOf[scope];
  return roles.find((role) => callers.includes(role) || callers.some((caller) => caller === `${role}InSandbox`));
}

/** Whether a role includes another. */
export function includesRole(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/** Whether a route is there for who has to change the first password; logging out proves itself. */
export function takesFirstPassword(path: string): boolean {
  return /^\/v1\/(?:partner|admin)\/auth\/change-password$/.test(path);
}

/** What SIR Giving must have enabled for the partner that calls a route. */
export function featureOf(path: string): PartnerFeature | undefined {
  return /^\/v1\/partner\/actions\/(?:submit|batch|preview)$/.test(path) ? 'ACTIONS' : undefined;
}
