import * as contract from '@sirgiving/contract';
import type { TSchema } from 'typebox';
import type { JsonSchema } from './document.ts';

/** Turns the schemas that validate into the ones that are published; shared objects become components with their name. */
export interface SharedSchemas {
  publish(schema: TSchema): JsonSchema;
  /** The schema itself, for its members; only what is inside it may become a component. */
  inline(schema: TSchema): JsonSchema;
  /** What was referred to so far, by name, in alphabetical order. */
  components(): Record<string, JsonSchema>;
}

/** Their schema takes anything, since the fault of one item must not refuse the whole: each is judged by this schema afterwards. */
const ITEMS_JUDGED_ONE_BY_ONE: Record<string, Record<string, TSchema>> = {
  BatchActions: { actions: contract.SubmitAction },
};

/**
 * Objects of the contract are recognised by their content: TypeBox copies a schema when it becomes optional, so that
 * identity would miss it. The name is the one that the contract exports it under.
 */
export function sharedSchemas(): SharedSchemas {
  const nameOf = namesByContent();
  const found = new Map<string, JsonSchema>();

  const visit = (schema: JsonSchema): JsonSchema => {
    const name = nameOf.get(JSON.stringify(schema));
    if (name === undefined) return tidy(mapSubschemas(schema, visit));
    if (!found.has(name)) {
      // Entered first, so that a schema which contained itself would end here.
      found.set(name, {});
      found.set(name, tidy(mapSubschemas(withItems(name, schema), visit)));
    }
    return { $ref: `#/components/schemas/${name}` };
  };

  return {
    publish: (schema) => visit(plain(schema)),
    inline: (schema) => tidy(mapSubschemas(plain(schema), visit)),
    components: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Scalars such as an e-mail address are clearer where they stand; only objects get a name. */
function namesByContent(): Map<string, string> {
  const names = new Map<string, string>();
  for (const [exported, value] of Object.entries<unknown>(contract)) {
    if (!isObjectSchema(value)) continue;
    const content = JSON.stringify(plain(value));
    if (!names.has(content)) names.set(content, exported.replace(/Schema$/, ''));
  }
  return names;
}

function isObjectSchema(value: unknown): value is TSchema {
  return (
    typeof value === 'object' && value !== null && 'properties' in value && Reflect.get(value, 'type') === 'object'
  );
}

function withItems(name: string, schema: JsonSchema): JsonSchema {
  const items = ITEMS_JUDGED_ONE_BY_ONE[name] ?? {};
  const properties = mapEntries(schema.properties ?? {}, (property, member) => {
    const item = items[property];
    return item === undefined ? member : { ...member, items: plain(item) };
  });
  return { ...schema, properties };
}

function plain(schema: TSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema)) as JsonSchema;
}

function mapSubschemas(schema: JsonSchema, visit: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const mapped: JsonSchema = { ...schema };
  if (schema.properties) mapped.properties = mapValues(schema.properties, visit);
  if (schema.patternProperties) mapped.patternProperties = mapValues(schema.patternProperties, visit);
  if (typeof schema.additionalProperties === 'object') mapped.additionalProperties = visit(schema.additionalProperties);
  if (schema.items) mapped.items = visit(schema.items);
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) {
    const members = schema[key];
    if (members) mapped[key] = members.map(visit);
  }
  return mapped;
}

/** Says the same in the words that readers and client generators expect. */
function tidy(schema: JsonSchema): JsonSchema {
  const { patternProperties, ...rest } = schema;
  const anyKey = patternProperties?.['^.*$'];
  const tidied: JsonSchema = anyKey === undefined ? schema : { ...rest, additionalProperties: anyKey };
  const isTextEnum = tidied.type === undefined && tidied.enum?.every((value) => typeof value === 'string');
  return isTextEnum ? { type: 'string', ...tidied } : tidied;
}

function mapValues<T>(record: Record<string, T>, change: (value: T) => T): Record<string, T> {
  return mapEntries(record, (_, value) => change(value));
}

function mapEntries<T>(record: Record<string, T>, change: (key: string, value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(key, value)]));
}
