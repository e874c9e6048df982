import { type ErrorCode, errorCatalog } from '@sirgiving/contract';
import { CODES_OF_NO_OPERATION } from '../../src/openapi/error-responses.ts';
import type { Answer } from '../app.ts';
import { type Operation, operationOf } from './operations.ts';

/** What a path that is none, or that nobody can read, is answered with. */
const OF_NO_OPERATION: ReadonlySet<string> = new Set([...CODES_OF_NO_OPERATION, 'NOT_FOUND', 'INVALID_REQUEST']);

/**
 * What is wrong with an answer, in a sentence; undefined when nothing is. That a success is as its endpoint declares, and a problem as
 * RFC 9457 asks, is judged by the test server itself.
 */
export function faultOf(
  operations: readonly Operation[],
  request: { method: string; url: string },
  { status, body }: Answer,
): string | undefined {
  const operation = isReadable(request.url) ? operationOf(operations, request.method, request.url) : undefined;
  if (status >= 500) return `answered ${status} ${String(body?.code)}`;
  if (status < 400) {
    if (operation === undefined) return `answered ${status}, and no operation is documented there`;
    return operation.answers.has(status) ? undefined : `answered ${status}, which ${operation.id} does not document`;
  }
  // An answer to HEAD has no body; GET has shown which code there is.
  if (request.method === 'HEAD') return undefined;
  const code = body.code as ErrorCode;
  if (errorCatalog[code].status !== status || body.status !== status) return `answered ${status} with ${code}`;
  const documented = operation === undefined ? OF_NO_OPERATION : operation.answers.get(status);
  if (documented?.has(code) === true) return undefined;
  return `answered ${status} ${code}, which ${operation?.id ?? 'a path without operation'} does not document`;
}

/** A path whose percent-encoding is broken leads to no operation, whatever it looks like. */
function isReadable(url: string): boolean {
  try {
    decodeURIComponent(url.split('?', 1)[0] ?? '');
    return true;
  } catch {
    return false;
  }
}
