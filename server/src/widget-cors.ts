import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { Route } from './route.ts';

/** How long a browser may keep what a preflight allowed. */
const PREFLIGHT_SECONDS = 600;
const EXPOSED = 'X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After';

/**
 * Lets pages read every answer of a Widget route, refusals included: whether a page may call is decided by its key's list of origins
 * (contract §3), and it has to be able to read that it may not.
 */
export const exposeToPages: onRequestHookHandler = (request, reply, done) => {
  reply.header('vary', 'Origin');
  const { origin } = request.headers;
  if (origin !== undefined) {
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', EXPOSED);
  }
  done();
};

/** Answers preflights, one for each path that has a Widget route. They carry no key, so they allow any origin, without credentials. */
export function registerPreflights(app: FastifyInstance, table: readonly Route[]): void {
  const methodsOf = new Map<string, string[]>();
  for (const [method, path, scope] of table) {
    if (scope === 'widget') methodsOf.set(path, [...(methodsOf.get(path) ?? []), method]);
  }
  for (const [path, methods] of methodsOf) {
    app.options(path, { config: { scope: 'anyone' }, onRequest: exposeToPages }, (_request, reply) =>
      reply
        .code(204)
        .headers({
          'access-control-allow-methods': methods.join(', '),
          'access-control-allow-headers': 'content-type, x-partner-key',
          'access-control-max-age': String(PREFLIGHT_SECONDS),
        })
        .send(),
    );
  }
}
