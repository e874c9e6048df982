import { readFile, writeFile } from 'node:fs/promises';
import { errorCodes, eventTypeNames } from '@sirgiving/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenApiDocument } from '../../src/openapi/document.ts';
import { CODES_OF_NO_OPERATION } from '../../src/openapi/error-responses.ts';
import { documentedServers } from '../../src/openapi/fixed-parts.ts';
import { EXAMPLES_FILE, type RecordedExamples } from '../../src/openapi/recorded-examples.ts';
import { callersOf, type Scope } from '../../src/partners/index.ts';
import type { RegisteredRoute } from '../../src/platform/http-server.ts';
import { startTestApp, type TestApp } from '../app.ts';
import { recordExamples } from './record-examples.ts';
import { servedDocument } from './recording.ts';

const DOCUMENT_FILE = new URL('../../../openapi.json', import.meta.url);
const IS_WRITING = process.env.SIR_WRITE_OPENAPI === '1';
const REGENERATE = 'If that is what you meant, run `npm run openapi` and commit what it writes.';

let app: TestApp;
/** What is registered and belongs to the API: not the documentation's own files, not what fastify adds for HEAD. */
let routes: RegisteredRoute[];
let recorded: RecordedExamples;
let document: OpenApiDocument;

beforeAll(async () => {
  recorded = await recordExamples();
  if (IS_WRITING) await writeFile(EXAMPLES_FILE, inLines(recorded));
  app = await startTestApp();
  routes = app.routes.filter(
    ({ method, path }) => method !== 'HEAD' && method !== 'OPTIONS' && /^\/(v1|livez|readyz)/.test(path),
  );
  // A server tells where it is itself; the committed document tells where the two environments are.
  document = { ...(await servedDocument(app)), servers: documentedServers };
  if (IS_WRITING) await writeFile(DOCUMENT_FILE, inLines(document));
});
afterAll(() => app.close());

test('the server answers as the committed examples say', async () => {
  const committed: unknown = JSON.parse(await readFile(EXAMPLES_FILE, 'utf8'));
  const why = `server/src/docs-site/examples.json differs from what the server answers. ${REGENERATE}`;
  // By content: the formatter breaks its lines as it breaks those of every other file.
  expect(inLines(recorded), why).toBe(inLines(committed));
});

test('the committed openapi.json is what the routes and schemas say', async () => {
  const committed = await readFile(DOCUMENT_FILE, 'utf8').catch(() => '');
  expect(inLines(document), `openapi.json differs from the routes and schemas. ${REGENERATE}`).toBe(committed);
});

test('every route is documented, and nothing else is', () => {
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const registered = routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  expect(documented.sort()).toEqual(registered.sort());
});

test('operations have names of their own, a summary, and the keys that their scope asks for', () => {
  const operations = routes.map(({ method, path, scope }) => ({ operation: operationAt(method, path), path, scope }));
  const names = operations.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const { operation, path, scope } of operations) {
    expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/);
    expect(operation.summary).not.toBe('');
    const schemes = operation.security.map((way) => Object.keys(way).join());
    const callers = callersOf[scope as Scope];
    expect(operation['x-roles']).toEqual(callers);
    const signed = callers.includes('publishableKey') ? 'partnerKey' : 'secretKey';
    const isPublic = scope === 'anyone' || scope === 'widget';
    expect(schemes).toEqual([
      ...(callers.includes('secretKey') ? [`${signed},timestamp,signature`] : []),
      ...(scope === 'widget' ? ['publishableKey'] : []),
      ...(isPublic ? [] : [path.startsWith('/v1/admin/') ? 'adminAccessToken' : 'accessToken']),
    ]);
  }
});

test('every parameter of a path is described, and required', () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const operation of Object.values(methods)) {
      const described = (operation.parameters ?? []).filter((one) => 'in' in one && one.in === 'path');
      expect(described.map((one) => 'name' in one && one.name)).toEqual(named);
      expect(described.every((one) => 'required' in one && one.required)).toBe(true);
    }
  }
});

test('every reference leads somewhere, and every component is used', () => {
  const text = JSON.stringify(document);
  const references = new Set([...text.matchAll(/"\$ref":"#\/components\/([^"]+)"/g)].map(([, place]) => place ?? ''));
  const components = Object.entries(document.components)
    .filter(([kind]) => kind !== 'securitySchemes')
    .flatMap(([kind, members]) => Object.keys(members).map((name) => `${kind}/${name}`));
  expect([...references].filter((place) => !components.includes(place))).toEqual([]);
  expect(components.filter((place) => !references.has(place))).toEqual([]);
});

test('every error code is described, and belongs to an operation', () => {
  expect(Object.keys(document['x-error-catalog'])).toEqual(errorCodes);
  const used = new Set(Object.values(document.paths).flatMap((methods) => codesIn(methods)));
  for (const response of Object.values(document.components.responses))
    for (const code of codesIn(response)) used.add(code);
  expect(errorCodes.filter((code) => !used.has(code))).toEqual(CODES_OF_NO_OPERATION);
});

test('every event type is documented with a delivery that arrived', () => {
  expect(Object.keys(document.webhooks)).toEqual(eventTypeNames);
  expect(recorded.events.map(({ type }) => type)).toEqual([...eventTypeNames].sort());
});

test('every operation shows a call that succeeded', () => {
  const shown = new Set(
    recorded.calls.filter(({ response }) => response.status < 300).map(({ operationId }) => operationId),
  );
  const names = routes.map(({ method, path }) => operationAt(method, path).operationId);
  expect(names.filter((name) => !shown.has(name))).toEqual([]);
});

test('every answer that was recorded has a status and a code that its operation documents', () => {
  for (const { operationId, response } of recorded.calls) {
    const operation = Object.values(document.paths)
      .flatMap((methods) => Object.values(methods))
      .find((one) => one.operationId === operationId);
    const documented = operation?.responses[response.status];
    expect(documented, `${operationId} answered ${response.status}`).toBeDefined();
    const code = Reflect.get(Object(response.body), 'code');
    if (response.status >= 400) expect(codesIn(documented), `${operationId} answered ${code}`).toContain(code);
  }
});

test('no secret of the recording is in the document', () => {
  const text = inLines(document);
  for (const secret of [app.keys.secretKey, app.keys.hmacSecret]) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/sk_(test|live)_[0-9a-f]/);
});

function operationAt(method: string, path: string) {
  const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
  if (operation === undefined) throw new Error(`${method} ${path} is not documented`);
  return operation;
}

/** The codes that stand in lists of codes anywhere inside. */
function codesIn(part: unknown): string[] {
  const lists = JSON.stringify(part).matchAll(/"code":\{"type":"string","enum":\[([^\]]*)\]/g);
  return [...lists].flatMap(([, list = '']) => JSON.parse(`[${list}]`) as string[]);
}

function inLines(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
