import { isDatabaseUnavailable } from './database-faults.ts';
import { Problem, problem } from './problem-json.ts';

/** Where errors that are ours are written: with the request's id, so that the answer's `requestId` finds them. */
export interface ErrorLog {
  error(fields: { requestId: string; err: unknown }, message: string): void;
}

/** What fastify refuses by itself, before a route of ours sees the request. */
const FRAMEWORK_PROBLEMS: Record<string, () => Problem> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => problem('BODY_TOO_LARGE', 'The body is larger than this endpoint takes.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => unsupportedMediaType(),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    problem('INVALID_REQUEST', 'The body is not as long as its Content-Length says.'),
  FST_ERR_BAD_URL: () => problem('INVALID_REQUEST', 'The path is not percent-encoded UTF-8.'),
};

export function unsupportedMediaType(): Problem {
  return problem('UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json in UTF-8, not compressed.');
}

/**
 * The problem that is shown for whatever was thrown. A database that cannot answer is 503; what nobody foresaw is 500 and is logged,
 * and nothing of it is shown.
 */
export function problemOf(error: unknown, requestId: string, log: ErrorLog): Problem {
  if (error instanceof Problem) {
    // What made a part of ours answer 503 is for us to know, not for the client.
    if (error.status >= 500 && error.cause !== undefined) log.error({ requestId, err: error.cause }, error.message);
    return error;
  }
  const framework = error instanceof Error && 'code' in error ? FRAMEWORK_PROBLEMS[String(error.code)] : undefined;
  if (framework !== undefined) return framework();
  if (isDatabaseUnavailable(error)) {
    log.error({ requestId, err: error }, 'the database could not be asked');
    return problem('UNAVAILABLE', 'The database cannot be asked right now. Nothing was written.');
  }
  if (isRefusalOfFramework(error)) return problem('INVALID_REQUEST', 'The request is not well-formed.');
  log.error({ requestId, err: error }, 'a request failed in a way nobody foresaw');
  return problem('INTERNAL_ERROR', 'This was not your mistake. Nothing was kept of the request.');
}

function isRefusalOfFramework(error: unknown): boolean {
  if (!(error instanceof Error) || !('statusCode' in error)) return false;
  return typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500;
}

const RETRY_AFTER_SECONDS = '1';

/** The headers of a problem: its own, and what its status asks for (RFC 9110). */
export function problemHeaders(p: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (p.status === 401) headers['www-authenticate'] = 'SIR-HMAC-SHA256';
  if (p.status === 503) headers['retry-after'] = RETRY_AFTER_SECONDS;
  for (const [name, value] of Object.entries(p.options.headers ?? {})) headers[name.toLowerCase()] = value;
  return headers;
}
