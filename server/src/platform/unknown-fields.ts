import type { TSchema } from 'typebox';

/**
 * The fields that a schema knows, made once from it: `undefined` where it allows anything. A value is then walked along it, without
 * asking the validator a second time.
 */
export interface KnownFields {
  /** Of an object with named fields; every other field is unknown. */
  readonly fields?: ReadonlyMap<string, KnownFields | undefined>;
  /** Of each item of a list. */
  readonly items?: KnownFields;
}

/** The part of JSON Schema that is read here. */
interface SchemaShape {
  properties?: Record<string, SchemaShape>;
  patternProperties?: Record<string, SchemaShape>;
  additionalProperties?: unknown;
  items?: SchemaShape;
  anyOf?: SchemaShape[];
}

const MAX_NAMED_FIELDS = 20;
const MAX_HEADER_BYTES = 1024;

/** Which fields the schema knows; `undefined` when it knows no limits. */
export function knownFields(schema: TSchema): KnownFields | undefined {
  return fromShape(schema as SchemaShape);
}

function fromShape(shape: SchemaShape): KnownFields | undefined {
  if (shape.anyOf !== undefined) {
    // What the alternatives know together: fields of one of them are not unknown in another.
    const parts = shape.anyOf.map(fromShape).filter((part) => part !== undefined);
    const fields = new Map(parts.flatMap((part) => [...(part.fields ?? [])]));
    const items = parts.find((part) => part.items !== undefined)?.items;
    return parts.length === 0
      ? undefined
      : { ...(fields.size === 0 ? {} : { fields }), ...(items === undefined ? {} : { items }) };
  }
  if (shape.properties !== undefined) {
    if (shape.patternProperties !== undefined) return undefined;
    if (shape.additionalProperties !== undefined && shape.additionalProperties !== false) return undefined;
    return {
      fields: new Map(Object.entries(shape.properties).map(([name, property]) => [name, fromShape(property)])),
    };
  }
  const items = shape.items === undefined ? undefined : fromShape(shape.items);
  return items === undefined ? undefined : { items };
}

/**
 * Takes every field out of `value` that is not known, and answers the JSON Pointers of what was taken out. Parts of another shape
 * than expected are left alone: the validator speaks about them.
 */
export function removeUnknownFields(known: KnownFields | undefined, value: unknown): string[] {
  const removed: string[] = [];
  if (known !== undefined) walk(known, value, '', removed);
  return removed;
}

function walk(known: KnownFields, value: unknown, path: string, removed: string[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (known.items === undefined) return;
    for (let index = 0; index < value.length; index++) walk(known.items, value[index], `${path}/${index}`, removed);
    return;
  }
  if (known.fields === undefined) return;
  const members = value as Record<string, unknown>;
  for (const name of Object.keys(members)) {
    const inside = known.fields.get(name);
    if (inside !== undefined) walk(inside, members[name], `${path}/${pointerPart(name)}`, removed);
    else if (!known.fields.has(name)) {
      removed.push(`${path}/${pointerPart(name)}`);
      delete members[name];
    }
  }
}

/** A name as one part of a JSON Pointer (RFC 6901). */
export function pointerPart(name: string): string {
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}

/**
 * The value of `X-SIR-Ignored-Fields`: percent-encoded JSON Pointers with commas between them, at most 20 and 1 kB of them (contract
 * §4), so that a body full of unknown fields does not make a header that clients refuse.
 */
export function ignoredFieldsHeader(pointers: readonly string[]): string {
  let header = '';
  for (const pointer of pointers.slice(0, MAX_NAMED_FIELDS)) {
    const encoded = encodeURIComponent(pointer).replaceAll('%2F', '/');
    const longer = header === '' ? encoded : `${header},${encoded}`;
    if (longer.length > MAX_HEADER_BYTES) break;
    header = longer;
  }
  return header;
}
