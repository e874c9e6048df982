import fc from 'fast-check';
import type { JsonSchema } from '../../src/openapi/document.ts';
import { dereference } from './operations.ts';

/** Values for members of this name: what makes a request mean something, such as a user that exists. */
export type Likely = Readonly<Record<string, fc.Arbitrary<unknown>>>;

const LIKELY_WEIGHT = 5;
const MAX_LIST_ITEMS = 3;
const MAX_RECORD_KEYS = 4;

/**
 * Values that fit a JSON Schema, the limits of its ranges included. A member that `likely` names comes from there five times out of
 * six. Knows the keywords that the committed document uses, and throws for a schema that it cannot read.
 */
export function arbitraryOf(referenced: JsonSchema, likely: Likely = {}): fc.Arbitrary<unknown> {
  const schema = dereference(referenced);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return fc.oneof(...alternatives.map((one) => arbitraryOf(one, likely)));
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'integer':
      return wholeNumber(schema);
    case 'number':
      return decimal(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return list(schema, likely);
    case 'object':
      return schema.properties === undefined ? record(schema, likely) : members(schema, schema.properties, likely);
    case undefined:
      return fc.jsonValue({ maxDepth: 3 });
    default:
      throw new Error(`values of type ${String(schema.type)} are not generated yet`);
  }
}

function text({ format, pattern, minLength = 0, maxLength = 80 }: JsonSchema): fc.Arbitrary<string> {
  if (format === 'date-time') return timestamp();
  if (format === 'email') return fc.constantFrom('a@example.org', 'jane.doe+shop@mail.example.com', 'ü@example.org');
  const fitting = (value: string) => [...value].length >= minLength && [...value].length <= maxLength;
  const free = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 60) });
  const matching = pattern === undefined ? free : fc.stringMatching(new RegExp(pattern));
  // The longest text is asked for by name: at random it would hardly come.
  const longest = fc.constantFrom('x', 'ß', '🙂').map((character) => character.repeat(Math.min(maxLength, 2_048)));
  return fc.oneof(
    { weight: 8, arbitrary: matching.filter(fitting) },
    { weight: 1, arbitrary: free },
    { weight: 1, arbitrary: longest },
  );
}

function timestamp(): fc.Arbitrary<string> {
  const whenever = fc.date({
    min: new Date(-62_135_596_800_000),
    max: new Date(253_402_300_799_999),
    noInvalidDate: true,
  });
  const forms: ((iso: string) => string)[] = [
    (iso) => iso,
    (iso) => iso.replace(/\.\d+Z$/, 'Z'),
    (iso) => iso.replace('Z', '+14:00'),
    (iso) => iso.replace('Z', '-23:59'),
    (iso) => iso.toLowerCase(),
    (iso) => iso.replace(/\.\d+Z$/, '.123456789Z'),
  ];
  return fc.tuple(whenever, fc.constantFrom(...forms)).map(([date, form]) => form(date.toISOString()));
}

function wholeNumber({ minimum = -Number.MAX_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: JsonSchema) {
  const small = fc.integer({ min: Math.max(minimum, -100), max: Math.min(maximum, Math.max(minimum, 0) + 100) });
  const any = fc.bigInt({ min: BigInt(minimum), max: BigInt(maximum) }).map(Number);
  return fc.oneof({ weight: 4, arbitrary: small }, { weight: 1, arbitrary: any }, fc.constantFrom(minimum, maximum));
}

function decimal({ minimum = -1e15, maximum = 1e15 }: JsonSchema): fc.Arbitrary<number> {
  const places = fc.integer({ min: 0, max: 4 });
  const cents = fc
    .tuple(fc.integer({ min: 0, max: 10_000_000 }), places)
    .map(([digits, count]) => digits / 10 ** count);
  return fc.oneof(
    { weight: 6, arbitrary: cents.map((value) => Math.min(Math.max(value, minimum), maximum)) },
    { weight: 1, arbitrary: fc.double({ min: minimum, max: maximum, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(minimum, maximum) },
  );
}

function list({ items = {}, minItems = 0, maxItems = MAX_LIST_ITEMS, uniqueItems }: JsonSchema, likely: Likely) {
  const item = arbitraryOf(items, likely);
  const maxLength = Math.max(minItems, Math.min(maxItems, MAX_LIST_ITEMS));
  const short =
    uniqueItems === true
      ? fc.uniqueArray(item, { minLength: minItems, maxLength, selector: (value) => JSON.stringify(value) })
      : fc.array(item, { minLength: minItems, maxLength });
  const full = item.map((one) => Array.from({ length: Math.min(maxItems, 1_000) }, () => one));
  return fc.oneof({ weight: 20, arbitrary: short }, { weight: 1, arbitrary: full });
}

function record(schema: JsonSchema, likely: Likely): fc.Arbitrary<unknown> {
  const [[pattern, values] = [undefined, schema.additionalProperties]] = Object.entries(schema.patternProperties ?? {});
  const value = typeof values === 'object' ? arbitraryOf(values, likely) : fc.jsonValue({ maxDepth: 2 });
  const names =
    pattern === undefined ? text({ type: 'string', ...schema.propertyNames }) : fc.stringMatching(new RegExp(pattern));
  // Names of every object's own members are ordinary names here.
  const name = fc.oneof({ weight: 9, arbitrary: names }, fc.constantFrom('__proto__', 'constructor', 'toString'));
  return fc.dictionary(name, value, { maxKeys: Math.min(schema.maxProperties ?? MAX_RECORD_KEYS, MAX_RECORD_KEYS) });
}

function members(schema: JsonSchema, properties: Record<string, JsonSchema>, likely: Likely): fc.Arbitrary<unknown> {
  const arbitraries = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      const fitting = arbitraryOf(property, likely);
      const preferred = likely[name];
      const either = fc.oneof({ weight: LIKELY_WEIGHT, arbitrary: preferred ?? fitting }, fitting);
      return [name, preferred === undefined ? fitting : either];
    }),
  );
  return fc.record(arbitraries, { requiredKeys: schema.required ?? [], noNullPrototype: true });
}
