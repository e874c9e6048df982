import type { ErrorObject } from 'ajv';
import type { FieldError } from './problem-json.ts';
import { pointerPart } from './unknown-fields.ts';

/** More than this many faults of one request are not listed: the first ones tell enough. */
const MAX_ERRORS = 20;

const TYPE_NAMES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

const FORMAT_NAMES: Record<string, string> = {
  'date-time': 'a time as in RFC 3339, such as 2026-01-31T09:30:00.000Z',
  email: 'an e-mail address',
  uri: 'an absolute URL',
};

/** What the patterns in use mean to a person; one that is not here is shown as it is. */
const PATTERN_MESSAGES: Record<string, string> = {
  '^[^\\u0000-\\u001f\\u007f]*$': 'must not hold control characters',
  '^[^\\u0000-\\u001f\\u007f\\u2028\\u2029]*$': 'must not hold control characters or line breaks',
  '^[\\x20-\\x7e]+$': 'must consist of printable ASCII characters',
  '^[\\x20-\\x7e]*$': 'must consist of printable ASCII characters',
  '^[A-Z]{3}$': 'must be three capital letters, such as USD',
  '^[A-Z][A-Z0-9_]{1,39}$': 'must be 2 to 40 capital letters, digits and underscores, with a letter in front',
};
const ID_PATTERN = /^\^([a-z]+)_\[0-7\]/;

interface SchemaPart {
  type?: string;
  enum?: unknown[];
  anyOf?: SchemaPart[];
  patternProperties?: unknown;
}

/**
 * Turns the validator's findings into sentences that a person understands; `path` is the JSON Pointer of what is wrong. Needs ajv's
 * `verbose`. Findings about unknown fields are left out with `withoutUnknownFields`, for callers that report them themselves.
 */
export function fieldErrors(
  found: readonly ErrorObject[],
  options: { withoutUnknownFields?: boolean } = {},
): FieldError[] {
  const errors: FieldError[] = [];
  const alternatives = found.filter((error) => error.keyword === 'anyOf');
  for (const error of found) {
    if (options.withoutUnknownFields === true && error.keyword === 'additionalProperties' && !ofRecord(error)) continue;
    if (error.keyword === 'anyOf') {
      if (!someBranchFits(found, error)) errors.push({ path: error.instancePath, message: expectedTypes(error) });
      continue;
    }
    const around = alternatives.find((outer) => isInside(error, outer));
    // Of alternatives only the branch is spoken about whose type the value has.
    if (around !== undefined && (isWrongBranch(error, around) || !someBranchFits(found, around))) continue;
    // Says only that a name of a record was refused; why is told by an error of its own.
    if (error.keyword === 'propertyNames') continue;
    errors.push({ path: pathOf(error), message: messageOf(error) });
  }
  const seen = new Set<string>();
  return errors
    .filter(({ path, message }) => {
      const key = `${path} ${message}`;
      return seen.has(key) ? false : seen.add(key) !== undefined;
    })
    .slice(0, MAX_ERRORS);
}

function isInside(error: ErrorObject, outer: ErrorObject): boolean {
  return error !== outer && error.schemaPath.startsWith(`${outer.schemaPath}/`);
}

function isWrongBranch(error: ErrorObject, outer: ErrorObject): boolean {
  return error.keyword === 'type' && error.instancePath === outer.instancePath;
}

function someBranchFits(found: readonly ErrorObject[], outer: ErrorObject): boolean {
  return found.some((error) => isInside(error, outer) && !isWrongBranch(error, outer));
}

function expectedTypes(error: ErrorObject): string {
  const branches = (error.parentSchema as SchemaPart | undefined)?.anyOf ?? [];
  const names = branches
    .map((branch) => TYPE_NAMES[branch.type ?? ''] ?? branch.type)
    .filter((name) => name !== undefined);
  return `must be ${listed([...new Set(names)])}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? 'something else') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function ofRecord(error: ErrorObject): boolean {
  return (error.parentSchema as SchemaPart | undefined)?.patternProperties !== undefined;
}

function pathOf(error: ErrorObject): string {
  if (error.keyword === 'required') return `${error.instancePath}/${pointerPart(String(error.params.missingProperty))}`;
  if (error.keyword === 'additionalProperties') {
    return `${error.instancePath}/${pointerPart(String(error.params.additionalProperty))}`;
  }
  if (error.propertyName !== undefined) return `${error.instancePath}/${pointerPart(error.propertyName)}`;
  return error.instancePath;
}

function messageOf(error: ErrorObject): string {
  return error.propertyName === undefined ? expectation(error) : `has a name that ${expectation(error)}`;
}

function expectation(error: ErrorObject): string {
  const limit = Number(error.params.limit);
  switch (error.keyword) {
    case 'required':
      return 'is required';
    case 'additionalProperties':
      return ofRecord(error) ? 'has a name that is not allowed here' : 'is not a known field';
    case 'type':
      return `must be ${listed([error.params.type].flat().map((type) => TYPE_NAMES[type] ?? String(type)))}`;
    case 'enum':
      return `must be ${listed([error.params.allowedValues].flat().map(String))}`;
    case 'const':
      return `must be ${JSON.stringify(error.params.allowedValue)}`;
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must be at least ${limit} characters`;
    case 'maxLength':
      return `must be at most ${counted(limit, 'character')}`;
    case 'minItems':
      return `must hold at least ${counted(limit, 'item')}`;
    case 'maxItems':
      return `must hold at most ${counted(limit, 'item')}`;
    case 'uniqueItems':
      return 'must not hold the same item twice';
    case 'maxProperties':
      return `must have at most ${counted(limit, 'field')}`;
    case 'minProperties':
      return `must have at least ${counted(limit, 'field')}`;
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'exclusiveMinimum':
      return `must be more than ${limit}`;
    case 'exclusiveMaximum':
      return `must be less than ${limit}`;
    case 'format':
      return `must be ${FORMAT_NAMES[error.params.format] ?? `of the format ${error.params.format}`}`;
    case 'pattern':
      return patternMessage(String(error.params.pattern));
    default:
      return error.message ?? 'is not valid';
  }
}

function patternMessage(pattern: string): string {
  const prefix = ID_PATTERN.exec(pattern)?.[1];
  if (prefix !== undefined) return `must be an id that begins with ${prefix}_`;
  return PATTERN_MESSAGES[pattern] ?? `must match ${pattern}`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
