import type { Call } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';
import type { Audience } from './session.ts';

/**
 * `__Host-`: only a secure page of this very host can set it, for no other host and every path. HttpOnly: no script reads it. SameSite:
 * no page of another site sends it.
 */
const NAMES: Record<Audience, string> = { partner: '__Host-sir-refresh', admin: '__Host-sir-admin-refresh' };
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

type Headers = Pick<Call, 'headers'>;

/** The refresh token of the cookie that came with a request. */
export function readRefreshCookie({ headers }: Headers, audience: Audience): string | undefined {
  const prefix = `${NAMES[audience]}=`;
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const value = pairs.find((pair) => pair.startsWith(prefix))?.slice(prefix.length);
  return value === '' ? undefined : value;
}

/** Sets the cookie until its session ends. */
export function setRefreshCookie(
  call: Pick<Call, 'setHeader' | 'now'>,
  audience: Audience,
  token: string,
  expiresAt: Date,
): void {
  const seconds = Math.floor((expiresAt.getTime() - call.now.getTime()) / 1_000);
  call.setHeader('set-cookie', `${NAMES[audience]}=${token}; ${ATTRIBUTES}; Max-Age=${seconds}`);
}

/** Takes the cookie away. */
export function clearRefreshCookie(call: Pick<Call, 'setHeader'>, audience: Audience): void {
  call.setHeader('set-cookie', `${NAMES[audience]}=; ${ATTRIBUTES}; Max-Age=0`);
}

/**
 * Refuses what a page of another origin sends, before a cookie counts or is set: SameSite keeps other sites out, but not other hosts
 * of the same site. Clients that are no browsers send neither header. Throws 403 ORIGIN_NOT_ALLOWED.
 */
export function refuseOtherOrigins({ headers }: Headers): void {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
  if (isOwnSite && (origin === undefined || hostOf(origin) === host?.toLowerCase())) return;
  throw problem('ORIGIN_NOT_ALLOWED', 'A session by cookie is for pages of this host only.');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
