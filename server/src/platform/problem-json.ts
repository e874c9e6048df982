import { type ErrorCode, errorCatalog } from '@sirgiving/contract';

export interface FieldError {
  /** JSON Pointer into the request body, or the name of a query parameter or header. */
  path: string;
  message: string;
}

export interface ProblemOptions {
  errors?: FieldError[];
  headers?: Record<string, string>;
  /** Extension members of RFC 9457, such as `serverTime`. */
  extensions?: Record<string, unknown>;
}

/** An answer of RFC 9457 on its way to the client: thrown anywhere, rendered in one place. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly options: ProblemOptions = {},
  ) {
    super(`${code}: ${detail}`);
  }

  get status(): number {
    return errorCatalog[this.code].status;
  }
}

/** Makes the problem of a code of the catalogue; `detail` says in a sentence what is wrong here and what to do. */
export function problem(code: ErrorCode, detail: string, options?: ProblemOptions): Problem {
  return new Problem(code, detail, options);
}

/** The `application/problem+json` body of a problem (RFC 9457); `docsUrl` is where this host shows its error catalogue. */
export function problemBody(p: Problem, requestId: string, docsUrl: string): Record<string, unknown> {
  const entry = errorCatalog[p.code];
  return {
    type: `${docsUrl}#${p.code}`,
    title: entry.title,
    status: entry.status,
    detail: p.detail,
    code: p.code,
    requestId,
    retryable: entry.retryable,
    ...(p.options.errors === undefined ? {} : { errors: p.options.errors }),
    ...p.options.extensions,
  };
}
