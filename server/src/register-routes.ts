import type { Environment } from '@sirgiving/contract';
import {
  type Access,
  type Authenticate,
  type AuthenticationDeps,
  callersOf,
  createAuthentication,
  featureOf,
  KeyUsage,
  type Scope,
  signedBy,
  takesFirstPassword,
} from './partners/index.ts';
import { answerRoute } from './platform/answer-request.ts';
import type { ChangeWatch } from './platform/change-watch.ts';
import type { buildHttpServer } from './platform/http-server.ts';
import type { IdempotencyDependencies } from './platform/idempotent-request.ts';
import type { ErrorLog } from './platform/render-problem.ts';
import type { ClientIp } from './platform/trusted-proxy.ts';
import type { WakeUp } from './platform/wake-up.ts';
import type { Limits } from './rate-limits.ts';
import type { RequestLog } from './request-log/index.ts';
import type { Route } from './route.ts';
import { exposeToPages, registerPreflights } from './widget-cors.ts';

export interface RoutingDependencies
  extends Omit<AuthenticationDeps, 'environment' | 'laptop' | 'baseUrls' | 'onKeyUse' | 'changes'>,
    IdempotencyDependencies {
  changes: ChangeWatch;
  config: { environment: Environment; laptop: boolean };
  baseUrl: string;
  log: ErrorLog;
  wakeUp: Pick<WakeUp, 'nudge'>;
  /** Where answers are logged; nowhere when left out. */
  requestLog?: Pick<RequestLog, 'onAnswered'> | undefined;
}

/** They answer a partner that waits for its approval by themselves: 402 `NO_ACTIVE_POOL` (contract §2). */
const UNAPPROVED_MAY_CALL: ReadonlySet<string> = new Set(['/v1/partner/actions/submit', '/v1/partner/actions/batch']);

/** Keys, team and going live are there before the approval (contract §2). */
const BEFORE_APPROVAL: ReadonlySet<Scope> = new Set(['memberReads', 'developers', 'owners', 'keyMakers']);

const HOSTS: Record<Environment, string> = {
  sandbox: 'https://devapi.sirgiving.org',
  production: 'https://api.sirgiving.org',
};

/** Registers every route of the table, each behind the proof that its scope asks for. */
export function registerRoutes(
  server: ReturnType<typeof buildHttpServer>,
  table: readonly Route[],
  { deps, limits, clientIp }: { deps: RoutingDependencies; limits: Limits; clientIp: ClientIp },
): void {
  const { clock, sql, baseUrl } = deps;
  const { environment, laptop } = deps.config;
  const usage = new KeyUsage(sql, clock, deps.log);
  server.app.addHook('onClose', () => usage.stop());
  const baseUrls = { ...HOSTS, [environment]: baseUrl };
  const authenticate = createAuthentication({ ...deps, environment, laptop, baseUrls, onKeyUse: usage.onUse });
  const answering = {
    clock,
    clientIp,
    environment,
    rateLimitsOf: limits.of,
    countAddress: limits.countAddress,
    idempotency: deps,
    afterWrite: () => deps.wakeUp.nudge(),
    afterReplay: usage.onReplay,
    isStopping: server.isStopping,
    onAnswered: deps.requestLog?.onAnswered,
  };
  for (const [method, path, scope, endpoint] of table) {
    if (!(scope in callersOf)) throw new Error(`the route ${method} ${path} declares no scope`);
    const proving = provingFor(authenticate, method, path, scope);
    server.app.route({
      method,
      url: path,
      config: { scope },
      ...(scope === 'widget' ? { onRequest: exposeToPages } : {}),
      ...(endpoint.bodyLimitBytes === undefined ? {} : { bodyLimit: endpoint.bodyLimitBytes }),
      handler: answerRoute(answering, {
        method,
        path,
        endpoint,
        authenticate: proving,
        ...settling(deps, method, scope),
      }),
    });
  }
  registerPreflights(server.app, table);
}

/** Who changes keys, team or session finds it changed with the next request to this process; the others follow within a second. */
function settling({ changes }: RoutingDependencies, method: string, scope: Scope): { settle?: () => Promise<void> } {
  const isOfPeople = scope !== 'anyone' && scope !== 'widget' && signedBy(scope) === undefined;
  return method !== 'GET' && isOfPeople ? { settle: () => changes.lookAnew() } : {};
}

function provingFor(authenticate: Authenticate, method: string, path: string, scope: Scope) {
  if (scope === 'anyone') return undefined;
  const feature = featureOf(path);
  const access: Access = {
    scope,
    mutates: method !== 'GET',
    unapprovedMayCall: UNAPPROVED_MAY_CALL.has(path) || BEFORE_APPROVAL.has(scope),
    takesFirstPassword: takesFirstPassword(path),
    ...(feature === undefined ? {} : { feature }),
  };
  return (request: Parameters<Authenticate>[0]) => authenticate(request, access);
}
