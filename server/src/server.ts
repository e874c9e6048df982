import type { Environment } from '@sirgiving/contract';
import type { FastifyInstance } from 'fastify';
import { actionEndpoints, type SubmissionQueue } from './actions/index.ts';
import type { Config } from './config.ts';
import { DOCS_PATH, registerDocsSite } from './docs-site/index.ts';
import { buildOpenApi, readRecordedExamples } from './openapi.ts';
import { type Access, type Authenticate, type Caller, createAuthentication, type Tier } from './partners/index.ts';
import { answerRoute, rateLimited } from './platform/answer-request.ts';
import type { Clock } from './platform/clock.ts';
import type { Sql } from './platform/db.ts';
import type { Endpoint } from './platform/endpoint.ts';
import { healthEndpoints } from './platform/health.ts';
import { buildHttpServer, type RegisteredRoute } from './platform/http-server.ts';
import type { Ids } from './platform/ids.ts';
import { createRateLimit, type RateLimit } from './platform/rate-limit.ts';
import type { ErrorLog } from './platform/render-problem.ts';
import type { SecretBox } from './platform/secret-box.ts';
import { addressToCount, type ClientIp, clientIpBehind } from './platform/trusted-proxy.ts';
import type { WakeUp } from './platform/wake-up.ts';
import { poolEndpoints } from './pools/index.ts';
import { transactionEndpoints } from './transactions/index.ts';
import { userEndpoints } from './users/index.ts';
import { webhookEndpoints } from './webhooks/index.ts';

/** Who may call a route. A route without one does not build. */
export type Scope = 'public' | Access['scope'];

/** One line of the table: method, path, scope, endpoint. */
export type Route = readonly [
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  scope: Scope,
  endpoint: Endpoint,
];

export interface ServerDependencies {
  config: Pick<Config, 'environment' | 'trustedProxies' | 'rateLimitPerMinute' | 'allowInsecureWebhooks'>;
  sql: Sql;
  clock: Clock;
  ids: Ids;
  log: ErrorLog;
  secretBox: SecretBox;
  submissions: SubmissionQueue;
  /** Told after each write, since there may be an event for the worker. */
  wakeUp: Pick<WakeUp, 'nudge'>;
  /** Where this server is reached from outside, such as `http://127.0.0.1:8080`. */
  baseUrl: string;
}

/** Every route of the Partner API, with who may call it. */
export function routeTable(deps: ServerDependencies): readonly Route[] {
  const health = healthEndpoints(deps.sql);
  const users = userEndpoints(deps);
  const pools = poolEndpoints(deps);
  const transactions = transactionEndpoints(deps);
  const actions = actionEndpoints({ ...deps, docsUrl: `${deps.baseUrl}${DOCS_PATH}` });
  const webhooks = webhookEndpoints({ ...deps, allowInsecureLoopback: deps.config.allowInsecureWebhooks });
  return [
    ['GET', '/livez', 'public', health.live],
    ['GET', '/readyz', 'public', health.ready],

    ['GET', '/v1/partner/users', 'signed', users.list],
    ['POST', '/v1/partner/users', 'secretKey', users.create],
    ['GET', '/v1/partner/users/:externalId', 'signed', users.get],
    ['PATCH', '/v1/partner/users/:externalId', 'secretKey', users.patch],
    ['GET', '/v1/partner/users/:externalId/balance', 'signed', users.balance],
    ['GET', '/v1/partner/users/:externalId/transactions', 'signed', transactions.ofUser],
    ['POST', '/v1/partner/users/:externalId/redemptions', 'secretKey', users.redeem],

    ['POST', '/v1/partner/actions/submit', 'secretKey', actions.submit],
    ['POST', '/v1/partner/actions/batch', 'secretKey', actions.batch],
    ['POST', '/v1/partner/actions/preview', 'secretKey', actions.preview],
    ['GET', '/v1/partner/actions', 'signed', actions.list],
    ['GET', '/v1/partner/actions/:id', 'signed', actions.get],
    ['GET', '/v1/partner/actions/:id/explain', 'signed', actions.explain],
    ['POST', '/v1/partner/actions/:id/reverse', 'secretKey', actions.reverse],

    ['GET', '/v1/partner/transactions', 'signed', transactions.list],
    ['GET', '/v1/partner/transactions/:id', 'signed', transactions.get],

    ['GET', '/v1/partner/token-pools', 'signed', pools.list],
    ['GET', '/v1/partner/token-pools/:id', 'signed', pools.get],
    ['GET', '/v1/partner/token-pools/:id/transactions', 'signed', transactions.ofPool],

    ['GET', '/v1/partner/webhooks', 'signed', webhooks.list],
    ['POST', '/v1/partner/webhooks', 'secretKey', webhooks.create],
    ['GET', '/v1/partner/webhooks/:id', 'signed', webhooks.get],
    ['DELETE', '/v1/partner/webhooks/:id', 'secretKey', webhooks.delete],
    ['POST', '/v1/partner/webhooks/:id/test', 'secretKey', webhooks.test],
    ['GET', '/v1/partner/webhooks/:id/deliveries', 'signed', webhooks.deliveries],
    ['GET', '/v1/partner/webhooks/deliveries/:id', 'signed', webhooks.delivery],
  ];
}

/** They answer a partner that waits for its approval by themselves: 402 `NO_ACTIVE_POOL` (contract §2). */
const UNAPPROVED_MAY_CALL: ReadonlySet<string> = new Set(['/v1/partner/actions/submit', '/v1/partner/actions/batch']);

/** Requests a minute, per partner and environment (contract §4). */
const REQUESTS_PER_MINUTE: Record<Tier, number> = { STANDARD: 1_000, PROFESSIONAL: 5_000, ENTERPRISE: 50_000 };

/**
 * Requests a minute and address that are public, unsigned or wrongly signed. Ours, since the contract gives no figure: enough for an
 * office full of people who read the documentation, far too few to try keys or signatures.
 */
const ANONYMOUS_REQUESTS_PER_MINUTE = 600;

/** Whoever watches over a process asks them: an answer of 429 there would get a healthy process restarted. */
const NEVER_COUNTED: ReadonlySet<string> = new Set(['/livez', '/readyz']);

const HOSTS: Record<Environment, string> = {
  sandbox: 'https://devapi.sirgiving.org',
  production: 'https://api.sirgiving.org',
};

export interface BuiltServer {
  app: FastifyInstance;
  /** The table and everything else that is answered: HEAD routes, the documentation's files. */
  routes: readonly RegisteredRoute[];
}

/**
 * Builds the HTTP server; the caller listens and closes. Throws when a route declares no scope. Tests give a table of their own to
 * see how the server treats an endpoint.
 */
export async function buildServer(deps: ServerDependencies, table = routeTable(deps)): Promise<BuiltServer> {
  const { config, clock, baseUrl } = deps;
  const limits = createLimits(clock, config.rateLimitPerMinute);
  const clientIp = clientIpBehind(config.trustedProxies);
  const server = buildHttpServer({
    ids: deps.ids,
    log: deps.log,
    docsUrl: `${baseUrl}${DOCS_PATH}`,
    countPublic: async ({ raw, headers, routeOptions }) => {
      if (NEVER_COUNTED.has(routeOptions.url ?? '')) return;
      await limits.countAddress(clientIp(raw.socket.remoteAddress, headers['x-forwarded-for']));
    },
  });
  registerTable(server, table, { deps, limits, clientIp });
  registerDocs(server.app, table, deps);
  return { app: server.app, routes: await server.ready() };
}

interface Wiring {
  deps: ServerDependencies;
  limits: Limits;
  clientIp: ClientIp;
}

function registerTable(
  server: ReturnType<typeof buildHttpServer>,
  table: readonly Route[],
  { deps, limits, clientIp }: Wiring,
): void {
  const baseUrls = { ...HOSTS, [deps.config.environment]: deps.baseUrl };
  const authenticate = createAuthentication({ ...deps, environment: deps.config.environment, baseUrls });
  const answering = {
    clock: deps.clock,
    clientIp,
    rateLimitOf: limits.of,
    countAddress: limits.countAddress,
    idempotency: deps,
    afterWrite: () => deps.wakeUp.nudge(),
    isStopping: server.isStopping,
  };
  for (const [method, path, scope, endpoint] of table) {
    server.app.route({
      method,
      url: path,
      config: { scope },
      ...(endpoint.bodyLimitBytes === undefined ? {} : { bodyLimit: endpoint.bodyLimitBytes }),
      handler: answerRoute(answering, { method, path, endpoint, authenticate: provingFor(authenticate, path, scope) }),
    });
  }
}

function provingFor(authenticate: Authenticate, path: string, scope: Scope) {
  if (scope === 'public') return undefined;
  const access: Access = { scope, unapprovedMayCall: UNAPPROVED_MAY_CALL.has(path) };
  return (request: Parameters<Authenticate>[0]) => authenticate(request, access);
}

interface Limits {
  of(caller: Caller): { limit: RateLimit; key: string } | undefined;
  countAddress(ip: string): Promise<void>;
}

/** `override` takes the place of every limit; 0: nothing is limited (contract §4, `SIR_RATE_LIMIT_PER_MINUTE`). */
function createLimits(clock: Clock, override: number | undefined): Limits {
  if (override === 0) return { of: () => undefined, countAddress: async () => {} };
  const limit = (perMinute: number) => createRateLimit(clock, override ?? perMinute);
  const anonymous = limit(ANONYMOUS_REQUESTS_PER_MINUTE);
  const byTier: Record<Tier, RateLimit> = {
    STANDARD: limit(REQUESTS_PER_MINUTE.STANDARD),
    PROFESSIONAL: limit(REQUESTS_PER_MINUTE.PROFESSIONAL),
    ENTERPRISE: limit(REQUESTS_PER_MINUTE.ENTERPRISE),
  };
  return {
    of: ({ tenant, tier }) => ({ limit: byTier[tier], key: `${tenant.partnerId}/${tenant.environment}` }),
    countAddress: async (ip) => {
      const standing = await anonymous.count(addressToCount(ip), 1);
      if (!standing.allowed) throw rateLimited(standing);
    },
  };
}

function registerDocs(app: FastifyInstance, table: readonly Route[], { config, baseUrl }: ServerDependencies): void {
  const servers = [{ url: baseUrl, description: `This ${config.environment} server` }];
  const document = buildOpenApi({ routes: table, servers, examples: readRecordedExamples() });
  registerDocsSite(app, { environment: config.environment, document });
  const text = JSON.stringify(document);
  app.get('/openapi.json', { config: { scope: 'public' } }, (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(text),
  );
}
