import type { WidgetCaller } from '../platform/caller.ts';
import { CallerRefused, refusalOf } from '../platform/caller-refused.ts';
import type { Clock } from '../platform/clock.ts';
import { problem } from '../platform/problem-json.ts';
import type { WatchedCache } from '../platform/watched-cache.ts';
import type { Access, AuthenticationDeps, RequestToAuthenticate } from './access.ts';
import { type Credential, isUsable } from './credential.ts';
import { judgePartner } from './judge-partner.ts';
import { invalidKey, readPresentedKey } from './presented-headers.ts';

/**
 * Judges requests that show the publishable key and nothing else. The key is public, so nothing is proven by it: its list of origins
 * only keeps other people's pages from using it, and does not judge apps, which send no `Origin` (contract §3).
 */
export function createWidgetRequests(deps: AuthenticationDeps, cache: WatchedCache<Credential>) {
  const { clock } = deps;
  return (request: RequestToAuthenticate, access: Access): WidgetCaller | Promise<WidgetCaller> => {
    const key = readPresentedKey(request, deps.environment, deps.baseUrls);
    const found = cache.find(key);
    return found instanceof Promise
      ? found.then((credential) => judge(request, access, credential, clock))
      : judge(request, access, found, clock);
  };
}

function judge(
  { headers }: RequestToAuthenticate,
  access: Access,
  credential: Credential | undefined,
  clock: Clock,
): WidgetCaller {
  if (!isUsable(credential, clock.now().getTime())) throw invalidKey();
  if (credential.kind !== 'publishable') {
    throw problem('INVALID_API_KEY', 'This takes the publishable key (pk_…). A secret key stays on your server.');
  }
  const { tenant, apiKeyId, requestsPerMinute, allowedOrigins } = credential;
  const caller: WidgetCaller = { kind: 'widget', tenant, apiKeyId, requestsPerMinute };
  const { origin } = headers;
  if (origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.has(origin)) {
    const detail = `This key’s list of allowed origins does not hold ${origin}.`;
    throw new CallerRefused(problem('ORIGIN_NOT_ALLOWED', detail), caller, 'address');
  }
  try {
    judgePartner(credential.partner, tenant.environment, access);
  } catch (error) {
    throw refusalOf(caller, error);
  }
  return caller;
}
