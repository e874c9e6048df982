import type { Environment } from '@sirgiving/contract';
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import type { Caller } from './caller.ts';
import { CallerRefused } from './caller-refused.ts';
import type { Clock } from './clock.ts';
import { type Counting, countRequest, countRest } from './count-request.ts';
import type { Call, Endpoint, Tenant } from './endpoint.ts';
import {
  type IdempotencyDependencies,
  type KeyedRequest,
  readIdempotencyKey,
  requestHash,
  runOnce,
} from './idempotent-request.ts';
import { Problem, problem } from './problem-json.ts';
import { withinReadDeadline } from './read-deadline.ts';
import { compileRequestChecks, type RequestChecks } from './request-validation.ts';
import type { ClientIp } from './trusted-proxy.ts';
import { ignoredFieldsHeader } from './unknown-fields.ts';

/** What a credential is judged by: the request as it came in, before anything of it is parsed. */
export interface UnprovenRequest {
  method: string;
  /** The raw request target, query included. */
  target: string;
  headers: FastifyRequest['headers'];
  /** The exact bytes of the body. */
  rawBody: Buffer;
  /** The client's address. */
  ip: string;
  host: string | undefined;
}

export interface AnswerDependencies {
  clock: Clock;
  clientIp: ClientIp;
  /** The limits that a caller's requests count under, the one to be told first; none where nothing is limited. */
  rateLimitsOf(caller: Caller, clientIp: string): readonly Counting[];
  /** Counts a request of nobody in particular. Throws 429. */
  countAddress(clientIp: string): Promise<void>;
  idempotency: IdempotencyDependencies;
  /** The environment of this process: requests that are about no environment's data are told apart under it. */
  environment: Environment;
  /** Called after every write that succeeded, once it is committed. Must be cheap and must not throw. */
  afterWrite(): void;
  /** Called when a request was answered with an earlier answer. Must be cheap and must not throw. */
  afterReplay(caller: Caller): void;
  /** Whether the server is about to end, so that connections are not kept. */
  isStopping(): boolean;
  /** Told of every answer to a proven caller, also of a refusal. Must be cheap and must not throw. */
  onAnswered?: ((answered: Answered) => void) | undefined;
}

/** A request and what became of it. */
export interface Answered {
  caller: Caller;
  requestId: string;
  /** The path's pattern. */
  route: string;
  request: Pick<UnprovenRequest, 'method' | 'target' | 'rawBody' | 'ip'>;
  /** Parsed and checked; undefined where it was refused before, or where there was none. */
  body: unknown;
  /** Of success; what `error` says otherwise. */
  status: number;
  /** What was thrown. */
  error: unknown;
  /** Whether an earlier answer was given again. */
  replayed: boolean;
  /** JSON Pointers. */
  ignoredFields: readonly string[];
  durationMilliseconds: number;
  answeredAt: Date;
}

export interface RouteToAnswer {
  method: string;
  path: string;
  endpoint: Endpoint;
  /** Proves who calls, at once where nothing has to be looked up. Throws a Problem. Undefined: anyone may call. */
  authenticate: ((request: UnprovenRequest) => Caller | Promise<Caller>) | undefined;
  /** What this process has to see before a write is answered, so that the caller's next request meets it. Must not reject. */
  settle?: () => Promise<void>;
}

const NO_BYTES = Buffer.alloc(0);
const NO_LIMITS: readonly Counting[] = [];

/**
 * The handler of one route. Everything that does not depend on the request is made here, once; per request the order is: who calls
 * (over the raw bytes), rate limit, JSON, schema, the endpoint, one JSON.stringify.
 */
export function answerRoute(deps: AnswerDependencies, route: RouteToAnswer): RouteHandlerMethod {
  const { endpoint, authenticate, settle } = route;
  const checks = compileRequestChecks(endpoint);
  const writes = route.method !== 'GET';
  const answer = async (request: FastifyRequest, reply: FastifyReply, from: Proven, told: Told) => {
    const { unproven, caller, refusal } = from;
    const counts = caller === undefined ? NO_LIMITS : deps.rateLimitsOf(caller, unproven.ip);
    for (const count of counts) await countRequest(count, refusal?.countsOn === 'address' ? 0 : 1, reply);
    if (refusal !== undefined) throw refusal;
    const call = readCall(checks, request, reply, unproven, { caller, now: deps.clock.now() }, told);
    if (endpoint.cost !== undefined) {
      for (const count of counts) await countRest(count, endpoint.cost(call.body), reply);
    }
    const answered = await run(deps, route, request, reply, call);
    if (caller !== undefined && reply.hasHeader('idempotent-replayed')) deps.afterReplay(caller);
    if (writes) deps.afterWrite();
    if (settle !== undefined) await settle();
    if (deps.isStopping()) reply.header('connection', 'close');
    reply.header('cache-control', 'no-store');
    if (answered === undefined) return reply.send();
    reply.header('content-type', 'application/json; charset=utf-8');
    return reply.send(JSON.stringify(answered));
  };
  return async (request, reply) => {
    const unproven = readRequest(deps, request);
    const proven =
      authenticate === undefined ? { unproven, caller: undefined } : await prove(deps, unproven, authenticate);
    const { caller } = proven;
    const told: Told = { body: undefined, ignoredFields: NONE_IGNORED };
    if (caller === undefined || deps.onAnswered === undefined) return answer(request, reply, proven, told);
    let error: unknown;
    try {
      return await answer(request, reply, proven, told);
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      const { statusCode: status, elapsedTime: durationMilliseconds } = reply;
      const replayed = error === undefined && reply.hasHeader('idempotent-replayed');
      deps.onAnswered({
        caller,
        requestId: request.id,
        route: route.path,
        request: unproven,
        body: told.body,
        ignoredFields: told.ignoredFields,
        status,
        error,
        replayed,
        durationMilliseconds,
        answeredAt: deps.clock.now(),
      });
    }
  };
}

interface Proven {
  unproven: UnprovenRequest;
  caller: Caller | undefined;
  /** Why the caller may not do this; left out where nothing stands in the way. */
  refusal?: CallerRefused;
}

/** What is found out about a request on its way, and is known when it fails. */
type Told = Pick<Answered, 'body' | 'ignoredFields'>;

const NONE_IGNORED: readonly string[] = [];

function readRequest(deps: AnswerDependencies, request: FastifyRequest): UnprovenRequest {
  const { raw, headers } = request;
  const method = raw.method ?? 'GET';
  // The framework does not read the body of a GET: unread, it would be taken for the connection's next request.
  if ((method === 'GET' || method === 'HEAD') && announcesBody(headers)) {
    throw problem('INVALID_REQUEST', `A ${method} request has no body.`, { headers: { Connection: 'close' } });
  }
  return {
    method,
    target: raw.url ?? '/',
    headers,
    rawBody: (request.body as Buffer | undefined) ?? NO_BYTES,
    ip: deps.clientIp(raw.socket.remoteAddress, headers['x-forwarded-for']),
    host: headers.host,
  };
}

function announcesBody(headers: FastifyRequest['headers']): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Requests of nobody in particular, unsigned or wrongly signed, count on the address that sent them and on no partner. */
async function prove(
  deps: AnswerDependencies,
  request: UnprovenRequest,
  authenticate: (request: UnprovenRequest) => Caller | Promise<Caller>,
): Promise<Proven> {
  try {
    return { unproven: request, caller: await authenticate(request) };
  } catch (error) {
    if (error instanceof CallerRefused) {
      if (error.countsOn === 'address') await deps.countAddress(request.ip);
      return { unproven: request, caller: error.caller, refusal: error };
    }
    if (error instanceof Problem && error.status < 500) await deps.countAddress(request.ip);
    throw error;
  }
}

function readCall(
  checks: RequestChecks,
  request: FastifyRequest,
  reply: FastifyReply,
  { rawBody, target, headers, ip }: UnprovenRequest,
  { caller, now }: { caller: Caller | undefined; now: Date },
  told: Told,
): Call {
  const params = checks.readParams(request.params);
  const mark = target.indexOf('?');
  const query = checks.readQuery(mark === -1 ? '' : target.slice(mark + 1));
  const { body, ignored } = checks.readBody(rawBody);
  told.body = body;
  told.ignoredFields = ignored;
  if (ignored.length > 0) reply.header('x-sir-ignored-fields', ignoredFieldsHeader(ignored));
  return {
    tenant: caller !== undefined && 'tenant' in caller ? caller.tenant : NOBODY,
    caller,
    params,
    query,
    body,
    headers,
    ip,
    requestId: request.id,
    now,
    setHeader: (name, value) => {
      reply.header(name, value);
    },
  };
}

/** Public endpoints and those of a person are about no partner's data: one that asks whose fails at once. */
const NOBODY: Tenant = {
  get partnerId(): never {
    throw new Error('this endpoint has no tenant');
  },
  get environment(): never {
    throw new Error('this endpoint has no tenant');
  },
};

async function run(
  deps: AnswerDependencies,
  route: RouteToAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
  call: Call,
): Promise<unknown> {
  const { endpoint } = route;
  if (endpoint.kind === 'plain') {
    const handled = endpoint.handle(call);
    const isQuick = route.method === 'GET' && endpoint.takesItsTime !== true;
    const answer = await (isQuick ? withinReadDeadline(handled) : handled);
    reply.code(endpoint.status);
    return answer;
  }
  const { before } = endpoint;
  const { status, answer, replayed } = await runOnce(
    deps.idempotency,
    keyedRequest(deps, route, request, call),
    (tx) => endpoint.handle(tx, call),
    before === undefined ? undefined : () => before(call),
  );
  reply.code(status);
  if (replayed) reply.header('idempotent-replayed', 'true');
  return answer;
}

function keyedRequest(
  { environment }: AnswerDependencies,
  { method, path, endpoint }: RouteToAnswer,
  request: FastifyRequest,
  call: Call,
): KeyedRequest {
  const target = request.raw.url ?? '/';
  const { caller } = call;
  return {
    tenant: scopeOfKeys(caller, environment),
    route: `${method} ${path}`,
    key: readIdempotencyKey(request.headers['idempotency-key']),
    signature: caller?.kind === 'apiKey' ? caller.signature : undefined,
    hash: requestHash(target, call.body),
    status: endpoint.status,
    shownOnce: endpoint.kind === 'keyed' ? (endpoint.shownOnce ?? []) : [],
    now: call.now,
  };
}

/** Within what idempotency keys are told apart: a partner's data in an environment, or what a person does in nobody's name. */
function scopeOfKeys(caller: Caller | undefined, environment: Environment): Tenant {
  if (caller === undefined) throw new Error('a write that anyone may send has no idempotency key');
  if ('tenant' in caller) return caller.tenant;
  // An admin's key belongs to the environment that the request names, not to the host's own.
  return { partnerId: caller.accountId, environment: caller.kind === 'admin' ? caller.environment : environment };
}
