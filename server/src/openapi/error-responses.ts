import { type ErrorCode, errorCatalog } from '@sirgiving/contract';
import { featureOf, lowestRole, type Scope, signedBy, takesFirstPassword } from '../partners/index.ts';
import type { Endpoint } from '../platform/endpoint.ts';
import type { NamedExample, Reference, Response } from './document.ts';

/** The codes that belong to no operation: a path that does not exist, a method that a path does not have. */
export const CODES_OF_NO_OPERATION: readonly ErrorCode[] = ['METHOD_NOT_ALLOWED'];

/**
 * Every code that an operation can answer with, in the order of the catalogue: those of its scope (contract §2–4), of the
 * shape of its request, and its own.
 */
export function codesOf(method: string, path: string, scope: Scope, endpoint: Endpoint): ErrorCode[] {
  const codes = new Set<ErrorCode>([...endpoint.errors, ...codesOfScope(method, scope)]);
  const add = (...more: ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  add('RATE_LIMITED', 'INTERNAL_ERROR', 'UNAVAILABLE');
  if (featureOf(path) !== undefined) add('FEATURE_NOT_ENABLED');
  if (scope !== 'anyone' && scope !== 'widget' && !takesFirstPassword(path)) add('PASSWORD_CHANGE_REQUIRED');
  if (endpoint.params !== undefined) add('NOT_FOUND');
  // Unknown parameters of a query are refused everywhere, and a body that nobody asked for is judged all the same.
  add('INVALID_REQUEST');
  if (method !== 'GET') add('INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE');
  if (takesCursor(endpoint)) add('INVALID_CURSOR');
  if (endpoint.kind === 'keyed') add('REQUEST_IN_PROGRESS', 'IDEMPOTENCY_KEY_REUSED');
  if (endpoint.kind === 'keyed' && signedBy(scope) !== undefined) add('SIGNATURE_REUSED');
  return (Object.keys(errorCatalog) as ErrorCode[]).filter((code) => codes.has(code));
}

function codesOfScope(method: string, scope: Scope): ErrorCode[] {
  if (scope === 'anyone') return [];
  const codes: ErrorCode[] = ['AUTHENTICATION_REQUIRED'];
  const signed = signedBy(scope);
  if (signed !== undefined || scope === 'widget') {
    codes.push('INVALID_API_KEY', 'WRONG_ENVIRONMENT', 'SECRET_KEY_IN_BROWSER');
  }
  if (signed !== undefined) codes.push('INVALID_SIGNATURE', 'TIMESTAMP_OUT_OF_RANGE', 'IP_NOT_ALLOWED');
  if (signed === 'secret') codes.push('SECRET_KEY_REQUIRED');
  if (scope === 'widget') codes.push('ORIGIN_NOT_ALLOWED');
  if (scope !== 'widget') codes.push('INVALID_ACCESS_TOKEN', 'INVALID_REQUEST', 'WRONG_HOST', 'SANDBOX_ONLY');
  if (scope === 'admins') codes.push('OTP_REQUIRED');
  const role = lowestRole(scope);
  if (role !== undefined) codes.push('PARTNER_REQUIRED', 'NOT_FOUND');
  if (role !== undefined && role !== 'viewer') codes.push('ROLE_REQUIRED');
  const isOfPartner = role !== undefined || scope === 'widget';
  if (isOfPartner && method !== 'GET') codes.push('PARTNER_SUSPENDED');
  if ((signed !== undefined || scope === 'widget') && method !== 'GET') codes.push('PARTNER_NOT_APPROVED');
  return codes;
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
