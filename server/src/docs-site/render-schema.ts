import type { JsonSchema, OpenApiDocument } from '../openapi/document.ts';
import { type Html, html } from './html.ts';
import { inlineMarkdown } from './markdown.ts';
import { resolve } from './read-document.ts';

/** How deep members are shown inside members; what lies deeper is in openapi.json. */
const MAX_DEPTH = 4;

/** The members of an object, or of the objects in a list, as a definition list; members of members are folded. */
export function renderFields(document: OpenApiDocument, schema: JsonSchema, depth = 0): Html | undefined {
  const object = objectIn(document, schema);
  if (object?.properties === undefined || depth >= MAX_DEPTH) return undefined;
  const required = object.required ?? [];
  const fields = Object.entries(object.properties).map(([name, member]) =>
    renderField({ name, schema: member, isRequired: required.includes(name), document, depth }),
  );
  return fields.length === 0 ? undefined : html`<ul class="fields">${fields}</ul>`;
}

interface Field {
  name: string;
  schema: JsonSchema;
  isRequired: boolean;
  document: OpenApiDocument;
  depth?: number;
  description?: string | undefined;
}

/** One member or parameter: its name, type, whether it must be there, what it means and what it may hold. */
export function renderField({ name, schema, isRequired, document, depth = 0, description }: Field): Html {
  const resolved = resolve(document, schema);
  const text = description ?? schema.description ?? resolved.description;
  const limits = limitsOf(document, schema);
  const members = renderFields(document, schema, depth + 1);
  return html`<li class="field">
    <p class="field-head"><code class="field-name">${name}</code> <span class="field-type">${typeName(document, schema)}</span>
      ${isRequired ? html`<span class="field-required">required</span>` : ''}</p>
    ${text === undefined ? '' : html`<p class="field-text">${inlineMarkdown(text)}</p>`}
    ${limits.length === 0 ? '' : html`<p class="field-limits">${limits}</p>`}
    ${members && html`<details class="field-members"><summary>Fields of <code>${name}</code></summary>${members}</details>`}
  </li>`;
}

/** `string`, `list of Distribution`, `integer or null`. */
export function typeName(document: OpenApiDocument, schema: JsonSchema): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'object';
  if (schema.anyOf !== undefined)
    return [...new Set(schema.anyOf.map((part) => typeName(document, part)))].join(' or ');
  if (schema.type === 'array')
    return schema.items === undefined ? 'list' : `list of ${typeName(document, schema.items)}`;
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object') {
    return `map of ${typeName(document, schema.additionalProperties)}`;
  }
  const [valueOfAnyName] = Object.values(schema.patternProperties ?? {});
  if (valueOfAnyName !== undefined) return `map of ${typeName(document, valueOfAnyName)}`;
  if (schema.format === 'date-time') return 'time';
  return Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'any value');
}

function objectIn(document: OpenApiDocument, schema: JsonSchema): JsonSchema | undefined {
  const resolved = resolve(document, schema);
  if (resolved.type === 'array' && resolved.items !== undefined) return objectIn(document, resolved.items);
  return resolved.type === 'object' ? resolved : undefined;
}

function limitsOf(document: OpenApiDocument, schema: JsonSchema): Html[] {
  const resolved = resolve(document, schema);
  const limits: Html[] = [];
  const values = resolved.enum ?? resolved.items?.enum;
  if (values !== undefined && values.length > 0) {
    limits.push(html`<span>One of ${values.map((value) => html`<code>${String(value)}</code> `)}</span>`);
  }
  const range = rangeOf(resolved);
  if (range !== undefined) limits.push(html`<span>${range}</span>`);
  if (isTelling(resolved.pattern)) limits.push(html`<span>Matches <code>${resolved.pattern}</code></span>`);
  if (resolved.default !== undefined) limits.push(html`<span>Default <code>${String(resolved.default)}</code></span>`);
  return limits;
}

function rangeOf(schema: JsonSchema): string | undefined {
  return (
    between(schema.minimum, schema.maximum, '') ??
    between(schema.minLength, schema.maxLength, 'characters') ??
    between(schema.minItems, schema.maxItems, 'items') ??
    between(schema.minProperties, schema.maxProperties, 'entries')
  );
}

function between(least: number | undefined, most: number | undefined, unit: string): string | undefined {
  if (least === undefined && most === undefined) return undefined;
  // The largest exact integer of JSON is no limit that anyone reaches.
  const end = most === undefined || most >= Number.MAX_SAFE_INTEGER ? undefined : number(most);
  const start = least === undefined ? undefined : number(least);
  const words = end === undefined ? `At least ${start}` : start === undefined ? `At most ${end}` : `${start} to ${end}`;
  return `${words} ${unit}`.trim();
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Patterns of ids and of text without control characters say nothing that the description does not say better. */
function isTelling(pattern: string | undefined): pattern is string {
  return pattern !== undefined && !pattern.includes('\\') && !pattern.includes('[0-7]');
}
