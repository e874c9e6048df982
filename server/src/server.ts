import type { FastifyInstance } from 'fastify';
import { type AccountAccess, accountEndpoints, adminAccountEndpoints } from './accounts/index.ts';
import { actionEndpoints, findFirstCompletedAction, findFirstReversal, type SubmissionQueue } from './actions/index.ts';
import { adminEndpoints } from './admin/index.ts';
import type { Config } from './config.ts';
import { dashboardEndpoints } from './dashboard/index.ts';
import { DOCS_PATH, registerDocsSite } from './docs-site/index.ts';
import { buildOpenApi, readRecordedExamples } from './openapi.ts';
import { registerPages } from './pages/index.ts';
import { type IntegrationEvidence, membershipReader, partnerEndpoints } from './partners/index.ts';
import type { ChangeWatch } from './platform/change-watch.ts';
import type { Clock } from './platform/clock.ts';
import type { Sql } from './platform/db.ts';
import { healthEndpoints } from './platform/health.ts';
import { buildHttpServer, type RegisteredRoute } from './platform/http-server.ts';
import type { Ids } from './platform/ids.ts';
import type { MailBox } from './platform/mail.ts';
import type { MailOutbox } from './platform/mail-outbox.ts';
import type { ErrorLog } from './platform/render-problem.ts';
import type { SecretBox } from './platform/secret-box.ts';
import { clientIpBehind } from './platform/trusted-proxy.ts';
import type { WakeUp } from './platform/wake-up.ts';
import { poolEndpoints } from './pools/index.ts';
import { createLimits } from './rate-limits.ts';
import { registerRoutes } from './register-routes.ts';
import { type RequestLog, requestLogEndpoints } from './request-log/index.ts';
import type { Route } from './route.ts';
import { transactionEndpoints } from './transactions/index.ts';
import { userEndpoints } from './users/index.ts';
import { findFirstAnsweredDelivery, webhookEndpoints } from './webhooks/index.ts';

export interface ServerDependencies {
  config: Pick<Config, 'environment' | 'laptop' | 'trustedProxies' | 'rateLimitPerMinute' | 'allowInsecureWebhooks'>;
  sql: Sql;
  /** The process's look at the counter of credential changes: one for all its caches. */
  changes: ChangeWatch;
  accountAccess: AccountAccess;
  mailOutbox: MailOutbox;
  /** Laptop mode: the mails that nobody sends, to be shown. */
  mailBox?: MailBox | undefined;
  clock: Clock;
  ids: Ids;
  log: ErrorLog;
  secretBox: SecretBox;
  submissions: SubmissionQueue;
  /** Told after each write, since there may be an event for the worker. */
  wakeUp: Pick<WakeUp, 'nudge'>;
  /** Where answers are logged; nowhere when left out. */
  requestLog?: Pick<RequestLog, 'onAnswered'> | undefined;
  /** Where this server is reached from outside, such as `http://127.0.0.1:8080`. */
  baseUrl: string;
}

/** Every route of the Partner API, with who may call it. */
export function routeTable(deps: ServerDependencies): readonly Route[] {
  const { config, sql, clock } = deps;
  const { environment } = config;
  const health = healthEndpoints(sql);
  const accounts = {
    ...deps,
    environment,
    access: deps.accountAccess,
    publicUrl: deps.baseUrl,
    ...membershipReader(sql, environment, clock),
  };
  const people = accountEndpoints(accounts);
  const partners = partnerEndpoints({
    ...deps,
    laptop: config.laptop,
    publicUrl: deps.baseUrl,
    evidence: integrationEvidence(sql),
  });
  const users = userEndpoints(deps);
  const pools = poolEndpoints(deps);
  const transactions = transactionEndpoints(deps);
  const requests = requestLogEndpoints(deps);
  const dashboard = dashboardEndpoints(deps);
  const actions = actionEndpoints({ ...deps, docsUrl: `${deps.baseUrl}${DOCS_PATH}` });
  const webhooks = webhookEndpoints({ ...deps, allowInsecureLoopback: config.allowInsecureWebhooks });
  return [
    ['GET', '/livez', 'anyone', health.live],
    ['GET', '/readyz', 'anyone', health.ready],

    ['POST', '/v1/partner/auth/register', 'anyone', people.byAnyone.register],
    ['POST', '/v1/partner/auth/verify-email', 'anyone', people.byAnyone.verifyEmail],
    ['POST', '/v1/partner/auth/login', 'anyone', people.byAnyone.logIn],
    ['POST', '/v1/partner/auth/refresh', 'anyone', people.byAnyone.refresh],
    ['POST', '/v1/partner/auth/logout', 'anyone', people.byAnyone.logOut],
    ['POST', '/v1/partner/auth/forgot-password', 'anyone', people.byAnyone.forgotPassword],
    ['POST', '/v1/partner/auth/reset-password', 'anyone', people.byAnyone.resetPassword],
    ['GET', '/v1/partner/auth/me', 'account', people.bySignedIn.me],
    ['POST', '/v1/partner/auth/change-password', 'account', people.bySignedIn.changePassword],
    ['POST', '/v1/partner/auth/totp', 'account', people.bySignedIn.enrolTotp],
    ['POST', '/v1/partner/auth/totp/confirm', 'account', people.bySignedIn.confirmTotp],
    ['POST', '/v1/partner/auth/totp/disable', 'account', people.bySignedIn.disableTotp],
    ['POST', '/v1/partner/auth/totp/prove', 'account', people.bySignedIn.proveOtp],

    ['POST', '/v1/partner/keys', 'keyMakers', partners.keys.create],
    ['GET', '/v1/partner/keys', 'memberReads', partners.keys.list],
    ['GET', '/v1/partner/keys/partner-info', 'memberReads', partners.profile.info],
    ['GET', '/v1/partner/keys/:id', 'memberReads', partners.keys.get],
    ['PATCH', '/v1/partner/keys/:id', 'developers', partners.keys.patch],
    ['DELETE', '/v1/partner/keys/:id', 'developers', partners.keys.delete],
    ['POST', '/v1/partner/keys/:id/rotate', 'developers', partners.keys.rotate],

    ['GET', '/v1/partner/settings', 'memberReads', partners.profile.settings],
    ['PATCH', '/v1/partner/settings', 'owners', partners.profile.updateSettings],
    ['GET', '/v1/partner/config', 'widget', partners.profile.config],

    ['GET', '/v1/partner/members', 'memberReads', partners.team.members.list],
    ['PATCH', '/v1/partner/members/:id', 'owners', partners.team.members.patch],
    ['DELETE', '/v1/partner/members/:id', 'owners', partners.team.members.delete],
    ['POST', '/v1/partner/members/leave', 'memberReads', partners.team.members.leave],
    ['GET', '/v1/partner/invitations', 'owners', partners.team.invitations.list],
    ['POST', '/v1/partner/invitations', 'owners', partners.team.invitations.create],
    ['DELETE', '/v1/partner/invitations/:id', 'owners', partners.team.invitations.delete],
    ['POST', '/v1/partner/invitations/show', 'anyone', partners.team.invitations.show],
    ['POST', '/v1/partner/invitations/accept', 'account', partners.team.invitations.accept],
    ['POST', '/v1/partner/invitations/decline', 'anyone', partners.team.invitations.decline],

    ['GET', '/v1/partner/go-live', 'memberReads', partners.goLive.get],
    ['POST', '/v1/partner/go-live', 'owners', partners.goLive.apply],
    ['GET', '/v1/partner/go-live/checklist', 'memberReads', partners.goLive.checklist],

    ['GET', '/v1/partner/users', 'reads', users.list],
    ['POST', '/v1/partner/users', 'writes', users.create],
    ['GET', '/v1/partner/users/:externalId', 'reads', users.get],
    ['PATCH', '/v1/partner/users/:externalId', 'writes', users.patch],
    ['DELETE', '/v1/partner/users/:externalId', 'writes', users.erase],
    ['GET', '/v1/partner/users/:externalId/balance', 'reads', users.balance],
    ['GET', '/v1/partner/users/:externalId/transactions', 'reads', transactions.ofUser],
    ['POST', '/v1/partner/users/:externalId/redemptions', 'writes', users.redeem],

    ['POST', '/v1/partner/actions/submit', 'submits', actions.submit],
    ['POST', '/v1/partner/actions/batch', 'submits', actions.batch],
    ['POST', '/v1/partner/actions/preview', 'writes', actions.preview],
    ['GET', '/v1/partner/actions', 'reads', actions.list],
    ['GET', '/v1/partner/actions/:id', 'reads', actions.get],
    ['GET', '/v1/partner/actions/:id/explain', 'reads', actions.explain],
    ['POST', '/v1/partner/actions/:id/reverse', 'writes', actions.reverse],

    ['GET', '/v1/partner/transactions', 'reads', transactions.list],
    ['GET', '/v1/partner/transactions/:id', 'reads', transactions.get],

    ['GET', '/v1/partner/token-pools', 'reads', pools.list],
    ['POST', '/v1/partner/token-pools/request', 'writes', pools.request],
    ['GET', '/v1/partner/token-pools/requests', 'reads', pools.requests],
    ['GET', '/v1/partner/token-pools/:id', 'reads', pools.get],
    ['PATCH', '/v1/partner/token-pools/:id', 'writes', pools.patch],
    ['GET', '/v1/partner/token-pools/:id/transactions', 'reads', transactions.ofPool],

    ['GET', '/v1/partner/dashboard/summary', 'reads', dashboard.summary],
    ['GET', '/v1/partner/dashboard/timeseries', 'reads', dashboard.timeseries],
    ['GET', '/v1/partner/requests', 'reads', requests.list],
    ['GET', '/v1/partner/requests/:id', 'reads', requests.get],

    ['GET', '/v1/partner/webhooks', 'reads', webhooks.list],
    ['POST', '/v1/partner/webhooks', 'writes', webhooks.create],
    ['GET', '/v1/partner/webhooks/:id', 'reads', webhooks.get],
    ['DELETE', '/v1/partner/webhooks/:id', 'writes', webhooks.delete],
    ['POST', '/v1/partner/webhooks/:id/test', 'writes', webhooks.test],
    ['GET', '/v1/partner/webhooks/:id/deliveries', 'reads', webhooks.deliveries],
    ['GET', '/v1/partner/webhooks/deliveries/:id', 'reads', webhooks.delivery],
    ...adminRoutes(deps, adminAccountEndpoints(accounts)),
  ];
}

/** What SIR Giving's own people call (contract §9). */
function adminRoutes(deps: ServerDependencies, people: ReturnType<typeof adminAccountEndpoints>): readonly Route[] {
  const admin = adminEndpoints({ ...deps, laptop: deps.config.laptop });
  const { partners, goLive, poolRequests, pools, admins, overview } = admin;
  return [
    ['POST', '/v1/admin/auth/login', 'anyone', people.byAnyone.logIn],
    ['POST', '/v1/admin/auth/refresh', 'anyone', people.byAnyone.refresh],
    ['POST', '/v1/admin/auth/logout', 'anyone', people.byAnyone.logOut],
    ['GET', '/v1/admin/auth/me', 'adminAccount', people.bySignedIn.me],
    ['POST', '/v1/admin/auth/change-password', 'adminAccount', people.bySignedIn.changePassword],
    ['POST', '/v1/admin/auth/totp', 'adminAccount', people.bySignedIn.enrolTotp],
    ['POST', '/v1/admin/auth/totp/confirm', 'adminAccount', people.bySignedIn.confirmTotp],
    ['POST', '/v1/admin/auth/totp/disable', 'adminAccount', people.bySignedIn.disableTotp],
    ['POST', '/v1/admin/auth/totp/prove', 'adminAccount', people.bySignedIn.proveOtp],

    ['GET', '/v1/admin/partners', 'admins', partners.list],
    ['GET', '/v1/admin/partners/:partnerId', 'admins', partners.get],
    ['PATCH', '/v1/admin/partners/:partnerId', 'admins', partners.terms],
    ['POST', '/v1/admin/partners/:partnerId/approve', 'admins', partners.approve],
    ['POST', '/v1/admin/partners/:partnerId/suspend', 'admins', partners.suspend],
    ['GET', '/v1/admin/partners/:partnerId/keys', 'admins', partners.keys.list],
    ['POST', '/v1/admin/partners/:partnerId/keys/:id/revoke', 'admins', partners.keys.revoke],

    ['POST', '/v1/admin/partners/:partnerId/token-pools', 'admins', pools.create],
    ['POST', '/v1/admin/partners/:partnerId/token-pools/:id/fund', 'admins', pools.fund],
    ['POST', '/v1/admin/partners/:partnerId/token-pools/:id/withdraw', 'admins', pools.withdraw],
    ['POST', '/v1/admin/partners/:partnerId/token-pools/:id/close', 'admins', pools.close],

    ['GET', '/v1/admin/go-live', 'admins', goLive.list],
    ['GET', '/v1/admin/go-live/:id', 'admins', goLive.get],
    ['POST', '/v1/admin/go-live/:id/approve', 'admins', goLive.approve],
    ['POST', '/v1/admin/go-live/:id/deny', 'admins', goLive.deny],

    ['GET', '/v1/admin/pool-requests', 'admins', poolRequests.list],
    ['GET', '/v1/admin/pool-requests/:id', 'admins', poolRequests.get],
    ['POST', '/v1/admin/pool-requests/:id/approve', 'admins', poolRequests.approve],
    ['POST', '/v1/admin/pool-requests/:id/deny', 'admins', poolRequests.deny],

    ['POST', '/v1/admin/admins/:id/revoke', 'admins', admins.revoke],
    ['GET', '/v1/admin/issuance', 'admins', overview.issuance],
    ['GET', '/v1/admin/ledger/verification', 'admins', overview.verify],
    ['GET', '/v1/admin/audit-log', 'admins', overview.auditLog],
  ];
}

/** Partners may not ask actions for them: what an integration has shown is brought together here. */
function integrationEvidence(sql: Sql): IntegrationEvidence {
  return {
    firstCompletedAction: (tenant) => findFirstCompletedAction(sql, tenant),
    firstReversal: (tenant) => findFirstReversal(sql, tenant),
    firstAnsweredDelivery: (tenant) => findFirstAnsweredDelivery(sql, tenant),
  };
}

/** Whoever watches over a process asks them: an answer of 429 there would get a healthy process restarted. */
const NEVER_COUNTED: ReadonlySet<string> = new Set(['/livez', '/readyz']);

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
  const { verifyAccessToken } = deps.accountAccess;
  registerRoutes(server, table, { deps: { ...deps, verifyAccessToken }, limits, clientIp });
  registerDocs(server.app, table, deps);
  registerPages(server.app, deps.mailBox);
  return { app: server.app, routes: await server.ready() };
}

function registerDocs(app: FastifyInstance, table: readonly Route[], { config, baseUrl }: ServerDependencies): void {
  const servers = [{ url: baseUrl, description: `This ${config.environment} server` }];
  const document = buildOpenApi({ routes: table, servers, examples: readRecordedExamples() });
  registerDocsSite(app, { environment: config.environment, document });
  const text = JSON.stringify(document);
  app.get('/openapi.json', { config: { scope: 'anyone' } }, (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(text),
  );
}
