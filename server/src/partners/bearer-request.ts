import type { IncomingHttpHeaders } from 'node:http';
import { type Environment, environments } from '@sirgiving/contract';
import type { AccountCaller, AdminCaller, MemberCaller, Role } from '../platform/caller.ts';
import { refusalOf } from '../platform/caller-refused.ts';
import type { ChangeWatch } from '../platform/change-watch.ts';
import { rowId } from '../platform/ids.ts';
import { Problem, problem } from '../platform/problem-json.ts';
import { WatchedCache } from '../platform/watched-cache.ts';
import type { Access, AuthenticationDeps, RequestToAuthenticate } from './access.ts';
import { judgePartner } from './judge-partner.ts';
import { findMemberships, type Membership } from './memberships.ts';
import type { PartnerStanding } from './partner.ts';
import { includesRole, lowestRole, signedBy } from './scopes.ts';

type BearerCaller = MemberCaller | AccountCaller | AdminCaller;

const BEARER = /^Bearer +([\w.~+/=-]+)$/i;
const CHALLENGE = { headers: { 'WWW-Authenticate': 'Bearer' } };

/**
 * Judges requests of people. Whose data they are about is chosen by `X-Partner-Environment` and, for who belongs to several partners,
 * `X-Partner-Id` (contract §3). Roles and memberships are kept like keys: a change of them holds within a second.
 */
export function createBearerRequests(deps: AuthenticationDeps, changes: ChangeWatch) {
  const cache = new WatchedCache<readonly Membership[]>(changes, (accountIds) => findMemberships(deps.sql, accountIds));
  const judge = async (token: AccountCaller, request: RequestToAuthenticate, access: Access): Promise<BearerCaller> => {
    judgeFirstPassword(token, access);
    const environment = readEnvironment(request.headers) ?? deps.environment;
    judgeEnvironment(environment, token, deps.laptop);
    if (access.scope === 'admins') return adminCaller(token, environment);
    if (access.scope === 'adminAccount') judgeAdminAudience(token);
    else judgePartnerAudience(token);
    if (access.scope === 'account' || access.scope === 'adminAccount') return token;
    const memberships = (await cache.find(token.accountId)) ?? [];
    if (access.scope === 'keyMakers' && isNewcomer(memberships, request.headers)) return token;
    const membership = chooseMembership(memberships, request.headers);
    const caller = memberCaller(token, membership, environment);
    try {
      judgeRights(caller, membership.partner, access);
    } catch (error) {
      throw refusalOf(caller, error);
    }
    return access.scope === 'keyMakers' ? token : caller;
  };
  return async (request: RequestToAuthenticate, access: Access): Promise<BearerCaller> => {
    const token = await deps.verifyAccessToken(readToken(request, access));
    try {
      return await judge(token, request, access);
    } catch (error) {
      // A token for others proves nobody here.
      throw error instanceof Problem && error.code === 'INVALID_ACCESS_TOKEN' ? error : refusalOf(token, error);
    }
  };
}

function readToken({ headers }: RequestToAuthenticate, { scope }: Access): string {
  const { authorization } = headers;
  if (authorization === undefined) {
    const signed = signedBy(scope) === undefined ? '' : ' or sign the request';
    throw problem('AUTHENTICATION_REQUIRED', `Send Authorization: Bearer with an access token${signed}.`, {
      errors: [{ path: 'Authorization', message: 'missing' }],
      ...CHALLENGE,
    });
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) {
    throw problem('INVALID_ACCESS_TOKEN', 'Authorization must be Bearer and an access token.', CHALLENGE);
  }
  return token;
}

/** Throws 403 PASSWORD_CHANGE_REQUIRED. */
function judgeFirstPassword({ mustChangePassword }: AccountCaller, { takesFirstPassword = false }: Access): void {
  if (!mustChangePassword || takesFirstPassword) return;
  const detail =
    'Somebody else has made your password: choose your own with POST auth/change-password, then log in with it.';
  throw problem('PASSWORD_CHANGE_REQUIRED', detail);
}

/** The environment that a request of a person chooses. Throws 400 INVALID_REQUEST for a name of none. */
export function readEnvironment(headers: IncomingHttpHeaders): Environment | undefined {
  const named = headers['x-partner-environment'];
  if (named === undefined) return undefined;
  const environment = environments.find((one) => one === named);
  if (environment !== undefined) return environment;
  const message = 'must be sandbox or production';
  throw problem('INVALID_REQUEST', `X-Partner-Environment ${message}.`, {
    errors: [{ path: 'X-Partner-Environment', message }],
  });
}

/**
 * Production data is for processes that serve it, and never for accounts that a seed has made (contract §1). Throws 409 WRONG_HOST and
 * 403 SANDBOX_ONLY.
 */
export function judgeEnvironment(
  environment: Environment,
  { sandboxOnly }: Pick<AccountCaller, 'sandboxOnly'>,
  laptop: boolean,
): void {
  if (environment === 'sandbox') return;
  if (laptop) throw problem('WRONG_HOST', 'This server runs on an embedded database and has sandbox data only.');
  if (sandboxOnly)
    throw problem('SANDBOX_ONLY', 'This account was made for trying things out: it has sandbox data only.');
}

/** Throws 401 INVALID_ACCESS_TOKEN for a token of the administration. */
export function judgePartnerAudience({ audience }: Pick<AccountCaller, 'audience'>): void {
  if (audience !== 'partner') throw wrongAudience('Log in for partners: this token is for the administration.');
}

function wrongAudience(detail: string): Problem {
  return problem('INVALID_ACCESS_TOKEN', detail, CHALLENGE);
}

function judgeAdminAudience({ audience }: Pick<AccountCaller, 'audience'>): void {
  if (audience !== 'admin') throw wrongAudience('Log in for the administration: this token is for partners.');
}

function adminCaller(token: AccountCaller, environment: Environment): AdminCaller {
  const { accountId, sessionId, amr, otpAt } = token;
  judgeAdminAudience(token);
  if (environment === 'production' && !amr.includes('otp')) {
    throw problem('OTP_REQUIRED', 'On production data administrators prove themselves by a one-time password too.');
  }
  return { kind: 'admin', accountId, sessionId, environment, otpAt };
}

/** Whether a person belongs to no partner and names none. */
export function isNewcomer(memberships: readonly Membership[], headers: IncomingHttpHeaders): boolean {
  return memberships.length === 0 && headers['x-partner-id'] === undefined;
}

/**
 * The membership that a request is about. Throws 404 NOT_FOUND for a partner that the person does not belong to, and 400
 * PARTNER_REQUIRED where it takes a name to tell.
 */
export function chooseMembership(memberships: readonly Membership[], headers: IncomingHttpHeaders): Membership {
  const named = headers['x-partner-id'];
  if (named !== undefined) {
    const partnerId = typeof named === 'string' ? rowId('ptn', named) : undefined;
    const membership = memberships.find((one) => one.partnerId === partnerId);
    // Whether there is such a partner shows in nothing.
    if (membership === undefined) throw problem('NOT_FOUND', 'You belong to no partner with the id in X-Partner-Id.');
    return membership;
  }
  const [first, second] = memberships;
  if (first === undefined) {
    throw problem(
      'PARTNER_REQUIRED',
      'You belong to no partner yet: your first key makes one (POST /v1/partner/keys).',
    );
  }
  if (second !== undefined) {
    throw problem('PARTNER_REQUIRED', 'You belong to several partners: name one in X-Partner-Id.', {
      errors: [{ path: 'X-Partner-Id', message: 'missing' }],
    });
  }
  return first;
}

/** Throws 403 ROLE_REQUIRED. */
export function judgeRole(role: Role, needed: Role): void {
  if (!includesRole(role, needed)) {
    throw problem('ROLE_REQUIRED', `This needs the role ${needed}, and yours is ${role}.`);
  }
}

function memberCaller(
  { accountId, sessionId }: AccountCaller,
  { partnerId, role, requestsPerMinute }: Membership,
  environment: Environment,
): MemberCaller {
  const tenant = { partnerId, environment };
  return { kind: 'member', tenant, accountId, sessionId, role, requestsPerMinute: requestsPerMinute[environment] };
}

/** What a member may still lack. */
function judgeRights({ role, tenant }: MemberCaller, partner: PartnerStanding, access: Access): void {
  judgeRole(role, lowestRole(access.scope) ?? 'owner');
  if (access.scope === 'submits' && tenant.environment === 'production') {
    throw problem('SECRET_KEY_REQUIRED', 'In production rewards are issued by your server: sign with the secret key.');
  }
  judgePartner(partner, tenant.environment, access);
}
