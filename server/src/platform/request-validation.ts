import { Ajv, type FormatDefinition, type ValidateFunction } from 'ajv';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import type { TSchema } from 'typebox';
import type { Endpoint } from './endpoint.ts';
import { type FieldError, problem } from './problem-json.ts';
import { JsonFault, parseStrictJson } from './strict-json.ts';
import { type KnownFields, knownFields, removeUnknownFields } from './unknown-fields.ts';
import { fieldErrors } from './validation-messages.ts';

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))$/;

/**
 * A time as in RFC 3339 that `Date` and PostgreSQL both can hold: no leap seconds, no year 0, no day that its month does not have
 * (`Date` would move 30 February into March without a word).
 */
export function isTimestamp(text: string): boolean {
  const parts = RFC_3339.exec(text);
  if (parts === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offsetHour = 0, offsetMinute = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return false;
  if (offsetHour > 23 || offsetMinute > 59) return false;
  return day <= new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}

const formats = {
  'date-time': isTimestamp,
  email: fullFormats.email as RegExp,
  uri: fullFormats.uri as FormatDefinition<string>['validate'],
};

// Bodies are never coerced and nothing is taken out of them behind their sender's back; query strings hold only text, so that numbers
// and booleans must be read from it (contract §4). `verbose` gives the messages the schema that a value failed.
const common = {
  allErrors: true,
  verbose: true,
  strict: true,
  strictTypes: false,
  useDefaults: false,
  formats,
} as const;
const bodyAjv = new Ajv({ ...common, coerceTypes: false, removeAdditional: false });
const firstFaultAjv = new Ajv({ ...common, allErrors: false, coerceTypes: false, removeAdditional: false });
const textAjv = new Ajv({ ...common, coerceTypes: true, removeAdditional: false });

/** Judges a body that was parsed. Throws 400 `INVALID_REQUEST`. Answers the JSON Pointers of what it ignored. */
export type BodyCheck = (body: unknown) => readonly string[];

const NOTHING_IGNORED: readonly string[] = [];

/**
 * Compiles the check of a body. Unknown fields are taken out and named in the answer where `ignoresUnknownFields` is true, and refused
 * everywhere else, whether or not the schema is closed.
 */
export function compileBodyCheck(schema: TSchema, ignoresUnknownFields: boolean): BodyCheck {
  const check = compileValueCheck(schema, ignoresUnknownFields);
  return (body) => {
    const { errors, ignored } = check(body);
    if (errors.length > 0) throw problem('INVALID_REQUEST', 'The body does not fit the schema.', { errors });
    return ignored;
  };
}

/** As `compileBodyCheck`, but the faults are answered: for an item of a batch, whose faults are that item's result. */
export function compileValueCheck(
  schema: TSchema,
  ignoresUnknownFields: boolean,
): (value: unknown) => { errors: FieldError[]; ignored: readonly string[] } {
  const faultsOf = compileFaults(schema);
  const known = knownFields(schema);
  return (value) => {
    const found = faultsOf(value);
    if (ignoresUnknownFields) return { errors: found, ignored: removeIgnored(known, value) };
    const unknown = removeIgnored(known, value);
    return { errors: [...found, ...unknown.map((path) => ({ path, message: 'is not a known field' }))], ignored: [] };
  };
}

/** Far more than the largest action has, and judged in some milliseconds. */
const MAX_VALUES_JUDGED_WHOLE = 5_000;

/**
 * Every fault of a value. Of one that holds more values than any request needs only the first is named: each fault costs, and a
 * megabyte of them would keep everyone else waiting.
 */
function compileFaults(schema: TSchema): (value: unknown) => FieldError[] {
  const findFirst = firstFaultAjv.compile(schema);
  const findAll = bodyAjv.compile(schema);
  return (value) => {
    if (findFirst(value)) return [];
    const hasMany = countValues(value, MAX_VALUES_JUDGED_WHOLE) >= MAX_VALUES_JUDGED_WHOLE;
    const first = hasMany ? fieldErrors(findFirst.errors ?? [], { withoutUnknownFields: true }) : [];
    // Where the first is an unknown field, which is not spoken of here, the others count.
    if (first.length > 0) return first;
    findAll(value);
    return fieldErrors(findAll.errors ?? [], { withoutUnknownFields: true });
  };
}

/** How many values there are in a value, itself included; stops counting at `limit`. */
function countValues(value: unknown, limit: number): number {
  let count = 1;
  if (typeof value !== 'object' || value === null) return count;
  for (const inner of Object.values(value)) {
    if (count >= limit) break;
    count += countValues(inner, limit - count);
  }
  return count;
}

function removeIgnored(known: KnownFields | undefined, value: unknown): readonly string[] {
  return known === undefined ? NOTHING_IGNORED : removeUnknownFields(known, value);
}

/** The three checks of an endpoint, compiled once when the server is built. */
export interface RequestChecks {
  /** Parses and judges the raw bytes. Throws 400 `INVALID_JSON` or `INVALID_REQUEST`. */
  readBody(raw: Buffer): { body: unknown; ignored: readonly string[] };
  /** Parses and judges what stands behind the `?`. Throws 400 `INVALID_REQUEST`. */
  readQuery(text: string): unknown;
  /** Judges the decoded parts of the path. Throws 404 `NOT_FOUND`: no such thing can exist. */
  readParams(params: unknown): unknown;
}

/** Compiles the checks of one endpoint. */
export function compileRequestChecks(endpoint: Endpoint): RequestChecks {
  return {
    readBody: compileBodyReader(endpoint),
    readQuery: compileQueryReader(endpoint.query),
    readParams: compileParamsReader(endpoint.params),
  };
}

const NO_BODY = { body: undefined, ignored: NOTHING_IGNORED };

function compileBodyReader(endpoint: Endpoint): RequestChecks['readBody'] {
  const ignores = endpoint.ignoresUnknownFields === true;
  // Without a schema a body says nothing, but clients that send `{}` with every POST are not refused.
  const check = compileBodyCheck(endpoint.body ?? { type: 'object', properties: {} }, ignores);
  const needsBody = endpoint.body !== undefined;
  return (raw) => {
    if (raw.length === 0 && !needsBody) return NO_BODY;
    const body = readJson(raw);
    const ignored = check(body);
    return { body: needsBody ? body : undefined, ignored };
  };
}

function readJson(raw: Buffer): unknown {
  try {
    return parseStrictJson(raw);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw problem('INVALID_JSON', error.message, { errors: [{ path: error.path, message: error.message }] });
  }
}

const NO_QUERY: unknown = Object.freeze({});

function compileQueryReader(schema: TSchema | undefined): RequestChecks['readQuery'] {
  const validate = textAjv.compile(schema ?? { type: 'object', properties: {}, additionalProperties: false });
  // Where a parameter is required, an empty query is judged too.
  const emptyIsFine = validate({});
  return (text) => {
    if (text === '' && emptyIsFine) return NO_QUERY;
    const query: Record<string, unknown> = parseQuery(text);
    if (!validate(query)) throw queryProblem(validate);
    refuseInexactNumbers(query);
    return query;
  };
}

/** The validator lets infinity (`1e400`) pass every limit, and past 2^53 a number is no longer the one that was sent. */
function refuseInexactNumbers(query: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'number' || Math.abs(value) <= Number.MAX_SAFE_INTEGER) continue;
    throw badParameter(name, 'is too large a number');
  }
}

function queryProblem(validate: ValidateFunction): Error {
  const errors = fieldErrors(validate.errors ?? []).map(({ path, message }) => ({
    path: path.slice(1),
    message: message === 'is not a known field' ? 'is not a known parameter' : message,
  }));
  return problem('INVALID_REQUEST', 'The query string does not fit the schema.', { errors });
}

/**
 * Reads a query string strictly: a name that is given twice or text that is not percent-encoded UTF-8 is 400 `INVALID_REQUEST`, since
 * parsers differ in what they would make of it.
 */
export function parseQuery(text: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decodeQueryPart(at === -1 ? pair : pair.slice(0, at));
    if (Object.hasOwn(query, name)) throw badParameter(name, 'is given twice');
    query[name] = decodeQueryPart(at === -1 ? '' : pair.slice(at + 1));
  }
  return query;
}

function decodeQueryPart(text: string): string {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    if (!decoded.includes('\u0000')) return decoded;
  } catch {
    // Not percent-encoded UTF-8: told below.
  }
  throw badParameter(text, 'is not percent-encoded text');
}

function badParameter(path: string, message: string): Error {
  return problem('INVALID_REQUEST', 'The query string is not well-formed.', { errors: [{ path, message }] });
}

function compileParamsReader(schema: TSchema | undefined): RequestChecks['readParams'] {
  if (schema === undefined) return () => NO_QUERY;
  const validate = textAjv.compile(schema);
  return (params) => {
    if (validate(params)) return params;
    const [first] = fieldErrors(validate.errors ?? []);
    throw problem('NOT_FOUND', `There is nothing at this path: ${first?.path.slice(1)} ${first?.message}.`);
  };
}
