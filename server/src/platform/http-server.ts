import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import { type Ids, publicId } from './ids.ts';
import { type Problem, problem, problemBody } from './problem-json.ts';
import { type ErrorLog, problemHeaders, problemOf, unsupportedMediaType } from './render-problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. Every route declares it; see `buildHttpServer`. */
    scope?: string;
  }
}

/** One method of one path that the server answers, HEAD and the documentation's files included. */
export interface RegisteredRoute {
  method: string;
  path: string;
  scope: string;
}

export interface HttpServerDependencies {
  ids: Ids;
  log: ErrorLog;
  /** Where the error catalogue is shown: a problem's `type` is an anchor there. */
  docsUrl: string;
  /** Looks at every request of a route that anyone may call, and of none at all. Throws 429. */
  countPublic(request: FastifyRequest): Promise<void>;
}

export interface HttpServer {
  app: FastifyInstance;
  isStopping(): boolean;
  /** Ends registration. Throws when a route has no scope. */
  ready(): Promise<readonly RegisteredRoute[]>;
}

export const DEFAULT_BODY_LIMIT_BYTES = 64 * 1024;
/** An id of 255 characters, each of them 4 bytes that are written as `%XX`. */
const MAX_PARAMETER_LENGTH = 255 * 4 * 3;
const REQUEST_TIMEOUT_MILLISECONDS = 30_000;
const JSON_CONTENT_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const NO_QUERY = {};

/**
 * What every answer has in common, whichever route it comes from: the request's id, problems as RFC 9457, 404 and 405, raw bodies, a
 * calm end. A request that nobody could read gets a problem too.
 */
export function buildHttpServer(deps: HttpServerDependencies): HttpServer {
  const newRequestId = () => publicId('req', deps.ids.uuid());
  const app = Fastify({
    logger: false,
    genReqId: newRequestId,
    bodyLimit: DEFAULT_BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MILLISECONDS,
    return503OnClosing: false,
    // Node would answer by itself, without a body and without an id; see onRequest.
    http: { requireHostHeader: false },
    routerOptions: {
      maxParamLength: MAX_PARAMETER_LENGTH,
      // Query strings are read strictly by the endpoint's own check (request-validation.ts).
      querystringParser: () => NO_QUERY,
    },
    frameworkErrors: (error, request, reply) => send(error, request, reply),
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, newRequestId(), deps.docsUrl),
  });
  let stopping = false;
  const routes: RouteOptions[] = [];

  const send = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const shown = problemOf(error, request.id, deps.log);
    reply.header('x-request-id', request.id).code(shown.status).headers(problemHeaders(shown));
    if (stopping) reply.header('connection', 'close');
    reply.send(JSON.stringify(problemBody(shown, request.id, deps.docsUrl)));
  };

  app.setErrorHandler(send);
  app.addHook('onRoute', (route) => {
    routes.push(route);
  });
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (stopping) {
      done(
        problem('UNAVAILABLE', 'This server is stopping. Nothing was written.', { headers: { Connection: 'close' } }),
      );
    } else if (request.headers.host === undefined && request.raw.httpVersion !== '1.0') {
      done(problem('INVALID_REQUEST', 'The Host header is missing.'));
    } else if (request.is404 || request.routeOptions.config.scope === 'anyone') {
      deps.countPublic(request).then(() => done(request.is404 ? missing(request, routes) : undefined), done);
    } else done();
  });
  app.setNotFoundHandler((request, reply) => send(missing(request, routes), request, reply));
  // An expectation that nobody knows is ignored; Node would answer 417 by itself.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
  readRawBodies(app);
  return { app, isStopping: () => stopping, ready: () => endRegistration(app, routes) };
}

/** Bodies stay bytes until their signature has been judged. */
function readRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const type = request.headers['content-type'] ?? '';
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity' || (type !== 'application/json' && !JSON_CONTENT_TYPE.test(type))) {
      done(unsupportedMediaType());
    } else done(null, body);
  });
}

/** 405 where other methods of the path exist, else 404. */
function missing(request: FastifyRequest, routes: readonly RouteOptions[]): Problem {
  const path = request.raw.url?.split('?', 1)[0] ?? '/';
  const allowed = new Set(routes.filter(({ url }) => fits(url, path)).flatMap(({ method }) => method));
  if (allowed.size === 0) return problem('NOT_FOUND', 'There is nothing at this path.');
  const Allow = [...allowed].sort().join(', ');
  return problem('METHOD_NOT_ALLOWED', `This path answers ${Allow}.`, { headers: { Allow } });
}

function fits(pattern: string, path: string): boolean {
  const expected = pattern.split('/');
  const given = path.split('/');
  return (
    expected.length === given.length &&
    expected.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]))
  );
}

async function endRegistration(app: FastifyInstance, routes: readonly RouteOptions[]): Promise<RegisteredRoute[]> {
  await app.ready();
  return routes.flatMap(({ method, url, config }) => {
    const scope = config?.scope;
    if (scope === undefined) throw new Error(`the route ${String(method)} ${url} declares no scope`);
    return [method].flat().map((one) => ({ method: one, path: url, scope }));
  });
}

/** Answers on the bare socket, since there is no request: what came in is not HTTP, too long, or too slow. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket, requestId: string, docsUrl: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = problem('INVALID_REQUEST', UNREADABLE[error.code ?? ''] ?? 'This is not an HTTP request.');
  const body = JSON.stringify(problemBody(refusal, requestId, docsUrl));
  const headers = { ...problemHeaders(refusal), 'x-request-id': requestId, connection: 'close' };
  const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
}

const UNREADABLE: Record<string, string> = {
  HPE_HEADER_OVERFLOW: 'The headers are longer than 16 kB.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request took too long to arrive.',
};
