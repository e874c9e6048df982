import type {
  JsonSchema,
  MediaType,
  OpenApiDocument,
  Operation,
  Parameter,
  Reference,
  Response,
} from '../openapi/document.ts';

/** One operation of the document with where it stands. */
export interface DocumentedOperation {
  method: string;
  path: string;
  operation: Operation;
  needs: Needs;
}

/** What a caller shows. Where a person may call too, it is the key that is named: that is what this documentation is about. */
type Needs = 'nothing' | 'any key' | 'secret key' | 'publishable key' | 'access token' | 'admin access token';

/** The operations in the document's order. */
export function operationsOf(document: OpenApiDocument): DocumentedOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
      needs: needsOf(operation),
    })),
  );
}

function needsOf({ security }: Operation): DocumentedOperation['needs'] {
  if (security.length === 0) return 'nothing';
  const shows = (scheme: string) => security.some((way) => scheme in way);
  if (shows('publishableKey')) return 'publishable key';
  if (shows('adminAccessToken')) return 'admin access token';
  if (shows('secretKey')) return 'secret key';
  return shows('partnerKey') ? 'any key' : 'access token';
}

/**
 * The component that a reference names, or what is given when it is none.
 * @throws Error for a reference to nothing: the document is made by us, so that would be a defect of it.
 */
export function resolve<T extends object>(document: OpenApiDocument, value: T | Reference): T {
  if (!isReference(value)) return value;
  const [, place = '', name = ''] = /^#\/components\/(\w+)\/(\w+)$/.exec(value.$ref) ?? [];
  const found: unknown = Reflect.get(Reflect.get(document.components, place) ?? {}, name);
  if (found === undefined) throw new Error(`openapi: ${value.$ref} refers to nothing`);
  return found as T;
}

function isReference(value: object): value is Reference {
  return '$ref' in value && typeof value.$ref === 'string';
}

export function parametersOf(document: OpenApiDocument, operation: Operation): Parameter[] {
  return (operation.parameters ?? []).map((parameter) => resolve<Parameter>(document, parameter));
}

export function bodySchemaOf(operation: Operation): JsonSchema | undefined {
  return operation.requestBody?.content['application/json'].schema;
}

/** The response of success: its status and what it is. */
export function successOf(document: OpenApiDocument, operation: Operation): { status: string; response: Response } {
  const [status, response] = Object.entries(operation.responses)[0] ?? [];
  if (status === undefined || response === undefined)
    throw new Error(`openapi: ${operation.operationId} never succeeds`);
  return { status, response: resolve<Response>(document, response) };
}

/** The codes of the problem answers, by status. */
export function errorCodesOf(document: OpenApiDocument, operation: Operation): Map<string, string[]> {
  const codes = new Map<string, string[]>();
  for (const [status, response] of Object.entries(operation.responses)) {
    const schema = resolve<Response>(document, response).content?.['application/problem+json']?.schema;
    const found = schema?.allOf?.flatMap((part) => part.properties?.code?.enum ?? []) ?? [];
    if (found.length > 0) codes.set(status, found.map(String));
  }
  return codes;
}

/** The first call that was recorded, as the document shows it. */
export function firstExample(media: MediaType | undefined): unknown {
  return Object.values(media?.examples ?? {})[0]?.value;
}
