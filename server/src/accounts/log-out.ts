import type { Call } from '../platform/endpoint.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { problem } from '../platform/problem-json.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { endIdentitySessions, endSession } from './end-sessions.ts';
import { clearRefreshCookie, readRefreshCookie, refuseOtherOrigins } from './refresh-cookie.ts';
import type { Audience } from './session.ts';
import type { SessionTokens } from './session-tokens.ts';
import { invalidToken } from './verify-access-token.ts';

/**
 * Ends the session of the refresh token in the body or the cookie, else that of the access token. A session that is over already is as
 * good. Throws 401 where nothing says whose session it is.
 */
export async function logOut(
  deps: AccountDependencies,
  tokens: SessionTokens,
  audience: Audience,
  call: Pick<Call, 'headers' | 'setHeader' | 'now'>,
  refreshToken: string | undefined,
): Promise<void> {
  const cookie = readRefreshCookie(call, audience);
  if (cookie !== undefined) {
    refuseOtherOrigins(call);
    clearRefreshCookie(call, audience);
  }
  const presented = refreshToken ?? cookie;
  if (presented === undefined) {
    await endByAccessToken(deps, audience, call);
    return;
  }
  const claims = await tokens.readRefresh(presented, audience);
  if (claims === undefined) return;
  await inTransaction(deps.sql, (tx) => endSession(tx, claims.sessionId, 'LOG_OUT', call.now));
}

async function endByAccessToken(
  { sql, access }: AccountDependencies,
  audience: Audience,
  call: Pick<Call, 'headers' | 'now'>,
): Promise<void> {
  const [, token] = /^Bearer +([\w.~+/=-]+)$/i.exec(call.headers.authorization ?? '') ?? [];
  if (token === undefined) {
    throw problem('AUTHENTICATION_REQUIRED', 'Send refreshToken, its cookie, or Authorization: Bearer.', {
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  }
  const caller = await access.verifyAccessToken(token);
  if (caller.audience !== audience) throw invalidToken();
  const { sessionId } = caller;
  if (sessionId !== undefined) {
    await inTransaction(sql, (tx) => endSession(tx, sessionId, 'LOG_OUT', call.now));
    return;
  }
  // The issuer keeps that session; what it issued until now does not count here any more.
  const identity = await access.readOutsideToken(token);
  if (identity !== undefined) await inTransaction(sql, (tx) => endIdentitySessions(tx, identity, call.now));
}
