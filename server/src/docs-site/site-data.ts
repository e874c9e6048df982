import type { Environment } from '@sirgiving/contract';
import type { JsonSchema, OpenApiDocument } from '../openapi/document.ts';
import type { DocsSite } from './docs-site.ts';
import {
  bodySchemaOf,
  type DocumentedOperation,
  firstExample,
  operationsOf,
  parametersOf,
  resolve,
} from './read-document.ts';
import { typeName } from './render-schema.ts';

/** What "Try it out" works with: `site.json`. */
export interface SiteData {
  environment: Environment;
  operations: Record<string, TryableOperation>;
}

interface TryableOperation {
  method: string;
  path: string;
  summary: string;
  needs: DocumentedOperation['needs'];
  inputs: {
    name: string;
    in: 'path' | 'query' | 'header';
    required: boolean;
    type: string;
    description?: string;
    /** What may be chosen, where it is a choice. */
    options?: string[];
    example?: string;
  }[];
  /** The text that the body is prefilled with; none where there is no body. */
  body?: string;
}

export function siteData({ environment, document }: DocsSite): SiteData {
  const operations: SiteData['operations'] = {};
  for (const documented of operationsOf(document)) {
    operations[documented.operation.operationId] = tryable(document, documented);
  }
  return { environment, operations };
}

function tryable(document: OpenApiDocument, { method, path, needs, operation }: DocumentedOperation): TryableOperation {
  const schema = bodySchemaOf(operation);
  const example = firstExample(operation.requestBody?.content['application/json']);
  return {
    method,
    path,
    needs,
    summary: operation.summary,
    inputs: parametersOf(document, operation).map((parameter) => ({
      name: parameter.name,
      in: parameter.in,
      required: parameter.required,
      type: typeName(document, parameter.schema),
      ...(parameter.description === undefined ? {} : { description: parameter.description }),
      ...(parameter.example === undefined ? {} : { example: String(parameter.example) }),
      ...(parameter.schema.enum === undefined ? {} : { options: parameter.schema.enum.map(String) }),
    })),
    ...(schema === undefined ? {} : { body: JSON.stringify(example ?? skeleton(document, schema), null, 2) }),
  };
}

/** The required members with empty values: where no example was recorded, it is at least something to fill in. */
function skeleton(document: OpenApiDocument, schema: JsonSchema): unknown {
  const resolved = resolve(document, schema);
  if (resolved.enum !== undefined) return resolved.enum[0];
  if (resolved.anyOf?.[0] !== undefined) return skeleton(document, resolved.anyOf[0]);
  if (resolved.type === 'object') {
    const required = Object.entries(resolved.properties ?? {}).filter(([name]) => resolved.required?.includes(name));
    return Object.fromEntries(required.map(([name, member]) => [name, skeleton(document, member)]));
  }
  if (resolved.type === 'array') return resolved.items === undefined ? [] : [skeleton(document, resolved.items)];
  if (resolved.type === 'integer' || resolved.type === 'number') return resolved.minimum ?? 0;
  return resolved.type === 'boolean' ? false : '';
}
