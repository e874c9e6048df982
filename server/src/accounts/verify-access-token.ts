import type { AccountCaller } from '../platform/caller.ts';
import type { ChangeWatch } from '../platform/change-watch.ts';
import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { type Problem, problem } from '../platform/problem-json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { WatchedCache } from '../platform/watched-cache.ts';
import { adoptIdentity } from './adopt-identity.ts';
import { findIdentities, findSessions } from './find-sessions.ts';
import {
  claimedIssuer,
  createOutsideTokens,
  type OutsideClaims,
  type OutsideIssuer,
  type OutsideTokens,
} from './outside-tokens.ts';
import { type AccessClaims, createSessionTokens, OUR_ISSUER } from './session-tokens.ts';

export interface AccountAccessDependencies {
  sql: Sql;
  clock: Clock;
  ids: Ids;
  secretBox: SecretBox;
  /** The process's look at the change counter, shared with its other caches. */
  changes: ChangeWatch;
  outsideIssuer: OutsideIssuer | undefined;
}

export interface AccountAccess {
  /**
   * Judges an access token: signature, time, audience, and that its session goes on, as of at most a second ago. Throws 401
   * INVALID_ACCESS_TOKEN, and 503 UNAVAILABLE when the database cannot be asked.
   */
  verifyAccessToken(jwt: string): Promise<AccountCaller>;
  /** Reads a token of the outside issuer, to link it. Undefined when it is not valid, or no issuer is configured. */
  readOutsideToken(jwt: string): Promise<OutsideClaims | undefined>;
}

const CHALLENGE = { 'WWW-Authenticate': 'Bearer error="invalid_token"' };

/** The room in which people prove who they are by an access token, ours or one of the outside issuer. */
export function createAccountAccess(deps: AccountAccessDependencies): AccountAccess {
  const { sql, clock, changes, outsideIssuer } = deps;
  const tokens = createSessionTokens(deps.secretBox, clock);
  const sessions = new WatchedCache(changes, (ids) => findSessions(sql, ids));
  const outside = outsideIssuer === undefined ? undefined : createOutsideIdentities(deps, outsideIssuer);

  const verifyOwn = async (claims: AccessClaims | undefined): Promise<AccountCaller> => {
    if (claims === undefined) throw invalidToken();
    const state = await sessions.find(claims.sessionId);
    if (state === undefined || !state.isLive || clock.now().getTime() >= state.expiresAt) throw invalidToken();
    if (state.accountId !== claims.accountId || state.audience !== claims.audience) throw invalidToken();
    const { sandboxOnly, mustChangePassword } = state;
    return { kind: 'account', ...claims, sandboxOnly, mustChangePassword };
  };
  const verifyAccessToken = async (jwt: string): Promise<AccountCaller> => {
    const issuer = claimedIssuer(jwt);
    if (issuer === OUR_ISSUER) return verifyOwn(await tokens.readAccess(jwt));
    if (outside === undefined || issuer !== outside.tokens.issuer) throw invalidToken();
    return outside.verify(jwt);
  };
  return {
    verifyAccessToken,
    readOutsideToken: async (jwt) => outside?.tokens.read(jwt),
  };
}

interface OutsideIdentities {
  tokens: OutsideTokens;
  verify(jwt: string): Promise<AccountCaller>;
}

/** An account is issuer + subject: whoever comes for the first time gets one. Such tokens are for the partner audience only. */
function createOutsideIdentities(
  { sql, clock, ids, changes }: AccountAccessDependencies,
  outsideIssuer: OutsideIssuer,
): OutsideIdentities {
  const tokens = createOutsideTokens(outsideIssuer, clock);
  const identities = new WatchedCache(changes, (subjects) => findIdentities(sql, tokens.issuer, subjects));
  return {
    tokens,
    verify: async (jwt) => {
      const claims = await tokens.read(jwt);
      if (claims === undefined) throw invalidToken();
      let state = await identities.find(claims.subject);
      if (state === undefined) {
        await adoptIdentity(sql, ids, claims, clock.now());
        state = await identities.find(claims.subject);
      }
      if (state === undefined || !state.isLive || claims.issuedAt < state.notBefore) throw invalidToken();
      const { accountId, sandboxOnly, mustChangePassword } = state;
      return {
        kind: 'account',
        accountId,
        sessionId: undefined,
        audience: 'partner',
        amr: [],
        otpAt: undefined,
        sandboxOnly,
        mustChangePassword,
      };
    },
  };
}

/** The 401 of a token that does not count. */
export function invalidToken(): Problem {
  const detail = 'The access token is expired, not valid here, or its session has ended. Refresh it, or log in again.';
  return problem('INVALID_ACCESS_TOKEN', detail, { headers: CHALLENGE });
}
