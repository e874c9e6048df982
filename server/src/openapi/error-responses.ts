import { type ErrorCode, errorCatalog } from '@sirgiving/contract';
import type { Endpoint } from '../platform/endpoint.ts';
import type { NamedExample, Reference, Response } from './document.ts';

/** Who may call: `public` anyone, `signed` either key, `secretKey` only `sk_…`. */
export type DocumentedScope = 'public' | 'signed' | 'secretKey';

/** The codes that belong to no operation: a path that does not exist, a method that a path does not have. */
export const CODES_OF_NO_OPERATION: readonly ErrorCode[] = ['METHOD_NOT_ALLOWED'];

/**
 * Every code that an operation can answer with, in the order of the catalogue: those of its scope (contract §2–4), of the
 * shape of its request, and its own.
 */
export function codesOf(method: string, scope: DocumentedScope, endpoint: Endpoint): ErrorCode[] {
  const codes = new Set<ErrorCode>(endpoint.errors);
  const add = (...more: ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  add('RATE_LIMITED', 'INTERNAL_ERROR', 'UNAVAILABLE');
  if (scope !== 'public') {
    add(
      'AUTHENTICATION_REQUIRED',
      'INVALID_API_KEY',
      'INVALID_SIGNATURE',
      'TIMESTAMP_OUT_OF_RANGE',
      'WRONG_ENVIRONMENT',
    );
    add('IP_NOT_ALLOWED', 'SECRET_KEY_IN_BROWSER');
  }
  if (scope === 'secretKey') add('SECRET_KEY_REQUIRED');
  if (scope !== 'public' && method !== 'GET') add('PARTNER_NOT_APPROVED', 'PARTNER_SUSPENDED');
  if (endpoint.params !== undefined) add('NOT_FOUND');
  // Unknown parameters of a query are refused everywhere, and a body that nobody asked for is judged all the same.
  add('INVALID_REQUEST');
  if (method !== 'GET') add('INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE');
  if (takesCursor(endpoint)) add('INVALID_CURSOR');
  if (endpoint.kind === 'keyed') add('SIGNATURE_REUSED', 'REQUEST_IN_PROGRESS', 'IDEMPOTENCY_KEY_REUSED');
  return (Object.keys(errorCatalog) as ErrorCode[]).filter((code) => codes.has(code));
}

/** Collects the responses that several operations share, so that the document says each of them once. */
export interface ErrorResponses {
  responsesOf(codes: readonly ErrorCode[], examples: ReadonlyMap<number, Record<string, NamedExample>>): ByStatus;
  components(): Record<string, Response>;
}

type ByStatus = Record<string, Response | Reference>;

/**
 * One response per status. Without an example of its own, a response is shared with every operation that has the same codes:
 * `Error401`, then `Error401_2` for another set of codes with this status.
 */
export function errorResponses(): ErrorResponses {
  const shared = new Map<string, { name: string; response: Response }>();
  const countOf = new Map<number, number>();

  const share = (status: number, codes: ErrorCode[]): Reference => {
    const content = codes.join();
    let entry = shared.get(content);
    if (entry === undefined) {
      const count = (countOf.get(status) ?? 0) + 1;
      countOf.set(status, count);
      const name = count === 1 ? `Error${status}` : `Error${status}_${count}`;
      entry = { name, response: errorResponse(status, codes) };
      shared.set(content, entry);
    }
    return { $ref: `#/components/responses/${entry.name}` };
  };

  return {
    responsesOf: (codes, examples) => {
      const responses: ByStatus = {};
      for (const [status, group] of byStatus(codes)) {
        const example = examples.get(status);
        responses[status] = example ? errorResponse(status, group, example) : share(status, group);
      }
      return responses;
    },
    components: () =>
      Object.fromEntries(
        [...shared.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, response }) => [name, response]),
      ),
  };
}

function byStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorCatalog[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}

function errorResponse(status: number, codes: ErrorCode[], examples?: Record<string, NamedExample>): Response {
  const lines = codes.map((code) => `- \`${code}\`: ${errorCatalog[code].title}. ${errorCatalog[code].description}`);
  const waits = status === 429 || status === 503 || codes.includes('REQUEST_IN_PROGRESS');
  const names = ['X-Request-Id', ...(waits ? ['Retry-After'] : []), ...(status === 429 ? RATE_LIMIT_HEADERS : [])];
  return {
    description: lines.join('\n'),
    headers: headerReferences(names),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { type: 'string', enum: codes } } }],
        },
        ...(examples === undefined ? {} : { examples }),
      },
    },
  };
}

export const RATE_LIMIT_HEADERS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'] as const;

/** `{"X-Request-Id": {"$ref": "#/components/headers/XRequestId"}}` and so on. */
export function headerReferences(names: readonly string[]): Record<string, Reference> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${headerComponent(name)}` }]));
}

export function headerComponent(name: string): string {
  return name.replaceAll('-', '');
}

function takesCursor(endpoint: Endpoint): boolean {
  const properties: unknown = endpoint.query === undefined ? undefined : Reflect.get(endpoint.query, 'properties');
  return typeof properties === 'object' && properties !== null && 'cursor' in properties;
}
