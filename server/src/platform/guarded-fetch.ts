import { Agent, type Dispatcher } from 'undici';
import { classifyFailure, type FailureReason } from './guarded-fetch/classify-failure.ts';
import {
  type Destination,
  DestinationRefused,
  internet,
  type Network,
  parseDestination,
  resolvePublicAddresses,
} from './guarded-fetch/destination.ts';
import { loopbackConnector, publicConnector } from './guarded-fetch/guarded-connector.ts';

export type { FailureReason } from './guarded-fetch/classify-failure.ts';
export { type DestinationRefusal, DestinationRefused, type Network } from './guarded-fetch/destination.ts';

export interface GuardedRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly allowInsecureLoopback: boolean;
  /** For everything together: names, connecting, sending, headers and body. */
  readonly timeoutMilliseconds?: number;
  readonly maxResponseBytes?: number;
  /** Ends the request early, at shutdown say. */
  readonly signal?: AbortSignal;
}

/** A server answered; whatever the status was. `truncated`: it sent more than was wanted, and was cut off. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: number;
  /** Lower-case names; a header that came several times is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The first 1,024 bytes as UTF-8, never decompressed, NUL replaced (PostgreSQL stores none). */
  readonly bodyText: string;
  readonly truncated: boolean;
  readonly durationMilliseconds: number;
}

/** No complete answer. `status` is there when headers had come, but the body did not. */
export interface Failed {
  readonly kind: 'failed';
  readonly reason: FailureReason;
  readonly detail: string;
  readonly status?: number;
  readonly durationMilliseconds: number;
}

export interface GuardedHttp {
  readonly fetch: (request: GuardedRequest) => Promise<Answered | Failed>;
  readonly assertAllowedDestination: (url: string, rules: DestinationRules) => Promise<URL>;
  /** Closes kept connections; requests under way fail. */
  readonly close: () => Promise<void>;
}

export interface DestinationRules {
  readonly allowInsecureLoopback: boolean;
}

const DEFAULT_TIMEOUT_MILLISECONDS = 15_000;
const DEFAULT_MAX_RESPONSE_BYTES = 65_536;
const KEPT_BODY_BYTES = 1_024;
const MAX_HEADER_BYTES = 16_384;
const KEEP_ALIVE_MILLISECONDS = 4_000;

/**
 * Headers that belong to the connection. `host` matters most: it would also choose the name that TLS asks for and
 * checks, so that one partner's custom header could speak to another host behind the same address.
 */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set(
  'host connection keep-alive content-length transfer-encoding te trailer upgrade expect proxy-connection'.split(' '),
);

/** Whether a custom header may be sent: its name is a token, it is none of the connection's own, its value is one line. */
export function isAllowedHeader(name: string, value: string): boolean {
  return (
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) &&
    !CONNECTION_HEADERS.has(name.toLowerCase()) &&
    /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
  );
}

/**
 * Builds the only door for requests to addresses that partners chose (contract §7, Destinations and Delivery).
 * Kept connections are shared between requests to the same origin: each was checked when it was connected.
 * `network` and `certificateAuthority` (PEM, in place of the system's) are for tests.
 */
export function createGuardedHttp(
  options: { readonly network?: Partial<Network>; readonly certificateAuthority?: string } = {},
): GuardedHttp {
  const network: Network = { ...internet, ...options.network };
  // The deadline is one timer over the whole request, so the per-phase ones of undici are off. Its agents do not follow
  // redirects, decompress, or read proxy variables unless told to.
  const settings: Agent.Options = {
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
    keepAliveMaxTimeout: KEEP_ALIVE_MILLISECONDS,
  };
  const publicAgent = new Agent({ ...settings, connect: publicConnector(network, options.certificateAuthority) });
  const loopbackAgent = new Agent({ ...settings, connect: loopbackConnector(options.certificateAuthority) });
  return {
    fetch: (request) =>
      fetchWithinDeadline(request, network, (isLoopback) => (isLoopback ? loopbackAgent : publicAgent)),
    assertAllowedDestination: async (text, rules) => {
      const { url, isLoopback } = parseDestination(text, rules.allowInsecureLoopback, network);
      if (!isLoopback) await resolvePublicAddresses(url.hostname, network);
      return url;
    },
    close: async () => {
      await Promise.all([publicAgent.destroy(), loopbackAgent.destroy()]);
    },
  };
}

const shared = createGuardedHttp();

/**
 * Judges an address that a partner wants to register: its spelling, and every address its name has now. A connection is
 * judged anew each time, so this is a courtesy to the partner, not the protection.
 * @throws DestinationRefused with a `reason`; `name_unresolved` means that DNS gave no answer, not that it was bad.
 */
export const assertAllowedDestination = shared.assertAllowedDestination;

/** Sends one request through the process's shared door. Failures of the network are results, not exceptions. */
export const guardedFetch = shared.fetch;

async function fetchWithinDeadline(
  request: GuardedRequest,
  network: Network,
  agentFor: (isLoopback: boolean) => Dispatcher,
): Promise<Answered | Failed> {
  const started = performance.now();
  const progress: Progress = {};
  const ending = new AbortController();
  const timer = setTimeout(
    () => ending.abort(new RequestEnded('timeout')),
    request.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS,
  );
  // By hand instead of AbortSignal.any, which would tie every request to a signal that lives as long as the process.
  const giveUp = () => ending.abort(new RequestEnded('aborted'));
  if (request.signal?.aborted === true) giveUp();
  request.signal?.addEventListener('abort', giveUp);
  const duration = () => Math.round(performance.now() - started);
  try {
    const destination = parseDestination(request.url, request.allowInsecureLoopback, network);
    assertHeaders(request.headers ?? {});
    ending.signal.throwIfAborted();
    const exchange = exchangeOnce(request, destination, agentFor(destination.isLoopback), ending.signal, progress);
    // undici hears an abort only once it is connected, so the deadline must not wait for it. A request given up like
    // this is never sent: undici looks at the signal before the first byte.
    const answer = await Promise.race([exchange, rejectOnAbort(ending.signal)]);
    return { kind: 'answered', ...answer, durationMilliseconds: duration() };
  } catch (error) {
    const status = progress.status === undefined ? {} : { status: progress.status };
    const { reason, detail } = failureOf(error, ending.signal);
    return { kind: 'failed', reason, detail, ...status, durationMilliseconds: duration() };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', giveUp);
  }
}

/** What is known of an answer that is still coming in. */
interface Progress {
  status?: number;
}

async function exchangeOnce(
  request: GuardedRequest,
  destination: Destination,
  agent: Dispatcher,
  signal: AbortSignal,
  progress: Progress,
): Promise<Omit<Answered, 'kind' | 'durationMilliseconds'>> {
  const { url } = destination;
  const { statusCode, headers, body } = await agent.request({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: request.method,
    headers: { ...request.headers },
    body: request.body ?? null,
    signal,
  });
  progress.status = statusCode;
  const { bodyText, truncated } = await readBody(body, request.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES);
  return { status: statusCode, headers: joinHeaders(headers), bodyText, truncated };
}

/** Reads a body up to a limit and keeps its beginning. Leaving the loop early destroys the stream and its socket. */
async function readBody(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<{ readonly bodyText: string; readonly truncated: boolean }> {
  body.on('error', () => {
    // The loop below reports errors; one that is raised by its own early end must not reach the process.
  });
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  let size = 0;
  let truncated = false;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (keptBytes < KEPT_BODY_BYTES) {
      const part = chunk.subarray(0, KEPT_BODY_BYTES - keptBytes);
      kept.push(part);
      keptBytes += part.byteLength;
    }
    truncated = size > maxBytes;
    if (truncated) break;
  }
  // In stream mode a letter cut in half at the end is left out instead of being shown as damage.
  const text = new TextDecoder().decode(Buffer.concat(kept), { stream: true });
  return { bodyText: text.replaceAll('\0', '\ufffd'), truncated };
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function assertHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!isAllowedHeader(name, value)) throw new ForbiddenHeader(name);
  }
}

class ForbiddenHeader extends Error {
  readonly code = 'UND_ERR_INVALID_ARG';

  constructor(name: string) {
    super(`the header "${name}" cannot be sent`);
  }
}

class RequestEnded extends Error {
  readonly kind: 'timeout' | 'aborted';

  constructor(kind: 'timeout' | 'aborted') {
    super(kind === 'timeout' ? 'no complete answer in time' : 'the request was given up by this side');
    this.kind = kind;
  }
}

function failureOf(error: unknown, ending: AbortSignal): { readonly reason: FailureReason; readonly detail: string } {
  // A refusal stays a refusal, however late the clock is.
  if (error instanceof DestinationRefused || error instanceof ForbiddenHeader) return classifyFailure(error);
  if (ending.reason instanceof RequestEnded) return { reason: ending.reason.kind, detail: ending.reason.message };
  return classifyFailure(error);
}

function joinHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
