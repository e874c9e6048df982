import type { AccountOverview, RefreshedSession, RenewedAccess, SignedIn } from '@sirgiving/contract';
import type { Call } from '../platform/endpoint.ts';
import type { AccountDependencies } from './account-dependencies.ts';
import { type AccountRow, presentAccount } from './queries.ts';
import { setRefreshCookie } from './refresh-cookie.ts';
import type { Session } from './session.ts';
import { ACCESS_TOKEN_SECONDS, type SessionTokens } from './session-tokens.ts';

/** The token pair of a session. Where it is one by cookie, the refresh token is set as a cookie and is not in the answer. */
export async function presentTokens(
  tokens: SessionTokens,
  call: Pick<Call, 'setHeader' | 'now'>,
  session: Session,
): Promise<RefreshedSession> {
  const [access, refreshToken] = await Promise.all([
    presentAccess(tokens, session, call.now),
    tokens.issueRefresh(session),
  ]);
  const refreshExpiresAt = session.expiresAt.toISOString();
  if (!session.byCookie) return { ...access, refreshToken, refreshExpiresAt };
  setRefreshCookie(call, session.audience, refreshToken, session.expiresAt);
  return { ...access, refreshExpiresAt };
}

/** A new access token of a session. */
export async function presentAccess(tokens: SessionTokens, session: Session, now: Date): Promise<RenewedAccess> {
  const accessToken = await tokens.issueAccess(session, now);
  return { accessToken, tokenType: 'Bearer', expiresIn: ACCESS_TOKEN_SECONDS };
}

/** An account with what it works with; the first membership's partner and key stand in front, as documented. */
export async function presentOverview(deps: AccountDependencies, account: AccountRow): Promise<AccountOverview> {
  const memberships = await deps.readMemberships(account.id);
  const [first] = memberships;
  return {
    account: presentAccount(account),
    partner: first?.membership.partner ?? null,
    publishableKey: first?.publishableKey ?? null,
    memberships: memberships.map(({ membership }) => membership),
  };
}

/** What a log-in answers. */
export async function presentSignedIn(
  deps: AccountDependencies,
  tokens: SessionTokens,
  call: Pick<Call, 'setHeader' | 'now'>,
  { session, account }: { session: Session; account: AccountRow },
): Promise<SignedIn> {
  const overview = await presentOverview(deps, account);
  return { ...(await presentTokens(tokens, call, session)), ...overview };
}
