import { readFileSync } from 'node:fs';
import type {
  Operation as DocumentedOperation,
  JsonSchema,
  OpenApiDocument,
  Reference,
} from '../../src/openapi/document.ts';

/** One operation of the committed OpenAPI document: what may be sent to it and what it may answer. */
export interface Operation {
  id: string;
  /** Upper case. */
  method: string;
  /** With its parameters in braces, such as `/v1/partner/users/{externalId}`. */
  path: string;
  pathParameters: readonly Parameter[];
  queryParameters: readonly Parameter[];
  takesIdempotencyKey: boolean;
  /** Whether a request that is signed with a key can succeed. */
  takesKeys: boolean;
  body: JsonSchema | undefined;
  /** Status → the codes that a problem of that status may carry; a success has none. */
  answers: ReadonlyMap<number, ReadonlySet<string>>;
}

export interface Parameter {
  name: string;
  required: boolean;
  schema: JsonSchema;
}

/** The document that is committed: what clients are written and generated from. */
export const document = JSON.parse(
  readFileSync(new URL('../../../openapi.json', import.meta.url), 'utf8'),
) as OpenApiDocument;

/** Follows a reference into the document's components. */
export function dereference<T extends object>(value: T | Reference): T {
  if (!('$ref' in value) || typeof value.$ref !== 'string') return value as T;
  const found = value.$ref
    .slice('#/'.length)
    .split('/')
    .reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], document);
  if (found === undefined) throw new Error(`${value.$ref} leads nowhere`);
  return found as T;
}

/** Every operation of the document. */
export function readOperations(): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => readOperation(method.toUpperCase(), path, operation)),
  );
}

function readOperation(method: string, path: string, operation: DocumentedOperation): Operation {
  const parameters = (operation.parameters ?? []).map((one) => dereference(one));
  const inPlace = (place: string): Parameter[] =>
    parameters
      .filter((one) => one.in === place)
      .map(({ name, required, schema }) => ({ name, required: required === true, schema }));
  return {
    id: operation.operationId,
    method,
    path,
    pathParameters: inPlace('path'),
    queryParameters: inPlace('query'),
    takesIdempotencyKey: inPlace('header').some(({ name }) => name === 'Idempotency-Key'),
    takesKeys: operation.security.some((alternative) => 'signature' in alternative),
    body: operation.requestBody?.content['application/json']?.schema,
    answers: new Map(
      Object.entries(operation.responses).map(([status, response]) => [
        Number(status),
        new Set(documentedCodes(dereference(response).content?.['application/problem+json']?.schema)),
      ]),
    ),
  };
}

function documentedCodes(schema: JsonSchema | undefined): string[] {
  const codes = (schema?.allOf ?? []).flatMap((part) => part.properties?.code?.enum ?? []);
  return codes.map(String);
}

/** The operation that the server's router gives a request to: a written part of a path goes before a parameter. */
export function operationOf(operations: readonly Operation[], method: string, target: string): Operation | undefined {
  const parts = (target.split('?', 1)[0] ?? '').split('/');
  const own = method === 'HEAD' ? 'GET' : method;
  const fitting = operations.filter((one) => one.method === own && fits(one.path.split('/'), parts));
  // All of them fit the same path, so they first differ where one has a letter and the other a brace, which sorts behind letters.
  return fitting.sort((a, b) => (a.path < b.path ? -1 : 1))[0];
}

function fits(pattern: readonly string[], parts: readonly string[]): boolean {
  return (
    pattern.length === parts.length &&
    pattern.every((expected, index) => expected.startsWith('{') || expected === parts[index])
  );
}
