import { ProblemSchema } from '@sirgiving/contract';
import type {
  JsonSchema,
  MediaType,
  OpenApiDocument,
  Operation,
  Parameter,
  Reference,
  RequestBody,
  Response,
} from './openapi/document.ts';
import {
  codesOf,
  type ErrorResponses,
  errorResponses,
  headerReferences,
  RATE_LIMIT_HEADERS,
} from './openapi/error-responses.ts';
import {
  documentedServers,
  errorCatalogExtension,
  headers,
  info,
  parameters,
  securitySchemes,
  tagDescriptions,
  tagOrder,
} from './openapi/fixed-parts.ts';
import { operationId, tagOf } from './openapi/operation-id.ts';
import {
  answerExamples,
  callsOf,
  noExamples,
  parameterExamples,
  type RecordedCall,
  type RecordedExamples,
  requestExamples,
} from './openapi/recorded-examples.ts';
import { type SharedSchemas, sharedSchemas } from './openapi/shared-schemas.ts';
import { webhookOperations } from './openapi/webhook-operations.ts';
import { callersOf, lowestRole, type Scope, signedBy } from './partners/index.ts';
import type { Endpoint } from './platform/endpoint.ts';

export type { OpenApiDocument } from './openapi/document.ts';
export { readRecordedExamples } from './openapi/recorded-examples.ts';

/** A line of the server's table of routes. */
type DocumentedRoute = readonly [method: string, path: string, scope: Scope, endpoint: Endpoint];

interface OpenApiSource {
  routes: readonly DocumentedRoute[];
  /** Where the API is; the two documented hosts when left out. */
  servers?: OpenApiDocument['servers'];
  /** Calls that were made; no examples when left out. */
  examples?: RecordedExamples;
}

interface Building {
  schemas: SharedSchemas;
  errors: ErrorResponses;
  examples: RecordedExamples;
}

/**
 * The OpenAPI 3.1 document of the Partner API, made of the table of routes and of the very schemas that validate. It is the same
 * text for the same source, so that the committed `openapi.json` can be compared; `npm run openapi` writes that file.
 */
export function buildOpenApi(source: OpenApiSource): OpenApiDocument {
  const building: Building = {
    schemas: sharedSchemas(),
    errors: errorResponses(),
    examples: source.examples ?? noExamples,
  };
  building.schemas.publish(ProblemSchema);
  const routes = [...source.routes].sort(byTag);
  const paths: OpenApiDocument['paths'] = {};
  for (const route of routes) {
    const [method, path] = route;
    const published = path.replaceAll(/:(\w+)/g, '{$1}');
    paths[published] = { ...paths[published], [method.toLowerCase()]: operation(route, building) };
  }
  const webhooks = webhookOperations(building.examples);
  return {
    openapi: '3.1.1',
    info,
    servers: source.servers ?? documentedServers,
    tags: [...new Set(routes.map(([, path]) => tagOf(path)))].map(describeTag),
    paths,
    webhooks,
    components: {
      schemas: building.schemas.components(),
      responses: building.errors.components(),
      parameters,
      headers,
      securitySchemes,
    },
    'x-error-catalog': errorCatalogExtension(),
  };
}

function operation(route: DocumentedRoute, { schemas, errors, examples }: Building): Operation {
  const [method, path, scope, endpoint] = route;
  const id = operationId(method, path, answersAList(endpoint));
  const calls = callsOf(examples, id);
  const answers = answerExamples(calls);
  const body = requestBody(endpoint, schemas, calls);
  const inputs = parametersOf(scope, endpoint, schemas, parameterExamples(path, calls));
  return {
    operationId: id,
    summary: endpoint.summary,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    tags: [tagOf(path)],
    security: securityOf(path, scope),
    ...(inputs.length === 0 ? {} : { parameters: inputs }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: {
      [endpoint.status]: success(scope, endpoint, schemas, answers.get(endpoint.status)),
      ...errors.responsesOf(codesOf(method, path, scope, endpoint), answers),
    },
    'x-error-codes': [...endpoint.errors],
    'x-roles': [...callersOf[scope]],
  };
}

/** Each entry is one way in. */
function securityOf(path: string, scope: Scope): Operation['security'] {
  if (scope === 'anyone') return [];
  if (scope === 'widget') return [{ publishableKey: [] }];
  if (path.startsWith('/v1/admin/')) return [{ adminAccessToken: [] }];
  const signed = signedBy(scope);
  const key = signed === 'secret' ? 'secretKey' : 'partnerKey';
  return [...(signed === undefined ? [] : [{ [key]: [], timestamp: [], signature: [] }]), { accessToken: [] }];
}

/** What people say about whose data they mean. Where keys call too, the description of `accessToken` tells of it: keys need none. */
function headersOfPeople(scope: Scope): Reference[] {
  if (signedBy(scope) !== undefined || scope === 'anyone' || scope === 'widget') return [];
  const names = ['PartnerEnvironment', ...(lowestRole(scope) === undefined ? [] : ['PartnerId'])];
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function parametersOf(
  scope: Scope,
  endpoint: Endpoint,
  schemas: SharedSchemas,
  examples: ReadonlyMap<string, string>,
): (Parameter | Reference)[] {
  const inputs: (Parameter | Reference)[] = [];
  for (const place of ['path', 'query'] as const) {
    const declared = place === 'path' ? endpoint.params : endpoint.query;
    if (declared === undefined) continue;
    const { properties = {}, required = [] } = schemas.inline(declared);
    for (const [name, { description, ...schema }] of Object.entries(properties)) {
      const example = examples.get(name);
      inputs.push({
        name,
        in: place,
        required: place === 'path' || required.includes(name),
        ...(description === undefined ? {} : { description }),
        schema,
        ...(example === undefined ? {} : { example: typed(example, schema.type) }),
      });
    }
  }
  if (endpoint.kind === 'keyed') inputs.push({ $ref: '#/components/parameters/IdempotencyKey' });
  return [...inputs, ...headersOfPeople(scope)];
}

/** A parameter as its schema has it: `5`, not `"5"`, where that is an integer. */
function typed(text: string, type: JsonSchema['type']): string | number {
  return type === 'integer' || type === 'number' ? Number(text) : text;
}

function requestBody(
  endpoint: Endpoint,
  schemas: SharedSchemas,
  calls: readonly RecordedCall[],
): RequestBody | undefined {
  if (endpoint.body === undefined) return undefined;
  const examples = requestExamples(calls);
  const media: MediaType = { schema: schemas.publish(endpoint.body), ...(examples ? { examples } : {}) };
  return { required: true, content: { 'application/json': media } };
}

function success(scope: Scope, endpoint: Endpoint, schemas: SharedSchemas, examples: MediaType['examples']): Response {
  const names = [
    'X-Request-Id',
    ...(scope === 'anyone' ? [] : RATE_LIMIT_HEADERS),
    ...(endpoint.kind === 'keyed' || hasKeyInBody(endpoint) ? ['Idempotent-Replayed'] : []),
    ...(endpoint.ignoresUnknownFields === true ? ['X-SIR-Ignored-Fields'] : []),
  ];
  const media = endpoint.answer && {
    'application/json': { schema: schemas.publish(endpoint.answer), ...(examples ? { examples } : {}) },
  };
  const description = { 200: 'Done.', 201: 'Created.', 204: 'Done; there is no body.' }[endpoint.status];
  return { description, headers: headerReferences(names), ...(media ? { content: media } : {}) };
}

function answersAList(endpoint: Endpoint): boolean {
  return hasProperty(endpoint.answer, 'data');
}

function hasKeyInBody(endpoint: Endpoint): boolean {
  return hasProperty(endpoint.body, 'idempotencyKey');
}

function hasProperty(schema: Endpoint['body'], name: string): boolean {
  const properties: unknown = schema === undefined ? undefined : Reflect.get(schema, 'properties');
  return typeof properties === 'object' && properties !== null && name in properties;
}

function byTag([, a]: DocumentedRoute, [, b]: DocumentedRoute): number {
  // Array.sort is stable: within a group the table's own order stays.
  return tagRank(tagOf(a)) - tagRank(tagOf(b));
}

function tagRank(tag: string): number {
  const rank = tagOrder.indexOf(tag);
  return rank === -1 ? tagOrder.length : rank;
}

function describeTag(name: string): OpenApiDocument['tags'][number] {
  const description = tagDescriptions[name];
  return description === undefined ? { name } : { name, description };
}
