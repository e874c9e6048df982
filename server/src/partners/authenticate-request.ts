import type { Caller, KeyCaller, WidgetCaller } from '../platform/caller.ts';
import { ChangeWatch } from '../platform/change-watch.ts';
import { readChangeCounter } from '../platform/credential-changes.ts';
import { WatchedCache } from '../platform/watched-cache.ts';
import type { Access, AuthenticationDeps, RequestToAuthenticate } from './access.ts';
import { createBearerRequests } from './bearer-request.ts';
import type { Credential } from './credential.ts';
import { findCredentials } from './find-credentials.ts';
import { signedBy } from './scopes.ts';
import { createSignedRequests } from './signed-request.ts';
import { createWidgetRequests } from './widget-request.ts';

/**
 * Answers at once while the cache is warm, else later. Throws or rejects with a Problem. The member `hint` of a refusal is for its
 * sender only and must not be logged.
 */
export type Authenticate = (request: RequestToAuthenticate, access: Access) => Caller | Promise<Caller>;

/**
 * The one room in which requests prove who sends them (contract §2, §3). A request is judged by one credential: on routes that take
 * signed requests and people alike, by its signature as soon as it names a key.
 */
export function createAuthentication(deps: AuthenticationDeps): Authenticate {
  const { sql, environment, secretBox } = deps;
  const onKeyUse = deps.onKeyUse ?? (() => {});
  const changes = deps.changes ?? new ChangeWatch(() => readChangeCounter(sql));
  const keys = new WatchedCache<Credential>(changes, (presented) =>
    findCredentials(sql, secretBox, environment, presented),
  );
  const judgeSigned = createSignedRequests(deps, keys);
  const judgeWidget = createWidgetRequests(deps, keys);
  const judgeBearer = createBearerRequests(deps, changes);

  const used = <C extends KeyCaller | WidgetCaller>(caller: C | Promise<C>, ip: string): C | Promise<C> => {
    if (caller instanceof Promise) return caller.then((proven) => used(proven, ip));
    onKeyUse(caller, ip);
    return caller;
  };

  return (request, access) => {
    if (access.scope === 'widget') return used(judgeWidget(request, access), request.ip);
    const isSigned = signedBy(access.scope) !== undefined;
    const { headers } = request;
    if (isSigned && (headers.authorization === undefined || headers['x-partner-key'] !== undefined)) {
      return used(judgeSigned(request, access), request.ip);
    }
    return judgeBearer(request, access);
  };
}
