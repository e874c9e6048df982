import type { ErrorCode } from '@sirgiving/contract';
import { example, type GoodRequest, partsOf, type SchemaParts } from './good-requests.ts';

/** A body that must be refused. */
export interface BadBody {
  name: string;
  body: string | Buffer;
  code: ErrorCode;
  path?: string;
}

const notJson = (name: string, body: string | Buffer): BadBody => ({ name, body, code: 'INVALID_JSON' });

/** The good body as text; `{}` where the endpoint takes none, since that is taken everywhere. */
export function goodText({ body }: GoodRequest): string {
  return JSON.stringify(body ?? {});
}

/** The text with one more member in front. */
export function withMember(text: string, member: string): string {
  return text === '{}' ? `{${member}}` : `{${member},${text.slice(1)}`;
}

/** What is no JSON, or none that every parser reads alike. */
export function malformedBodies(good: string): BadBody[] {
  const more = (member: string) => withMember(good, member);
  return [
    ...['{', '{"a"}', '{"a":}', "{'a':1}", '{a:1}', '[1,]', '{"a":1,}', 'nul', 'TRUE', 'undefined'].map((text) =>
      notJson(`malformed ${text}`, text),
    ),
    ...['01', '+1', '.5', '1.', '1e', '0x10', 'NaN', 'Infinity', '-', '1_000'].map((number) =>
      notJson(`the number ${number}`, more(`"a":${number}`)),
    ),
    ...['"\\x"', '"\\u12"', '"a\nb"', '"a\tb"', '"open', "'a'"].map((text) =>
      notJson(`the text ${text}`, more(`"a":${text}`)),
    ),
    notJson('a comment', `/* */${good}`),
    notJson('cut off', good.slice(0, -1)),
    ...[' x', '{}', ',', ']', '\u0000', '//'].map((rest) =>
      notJson(`followed by ${JSON.stringify(rest)}`, good + rest),
    ),
  ];
}

/** Keys that stand twice in one object, also when they are written differently. */
export function bodiesWithDuplicateKeys(good: string): BadBody[] {
  const inside = (members: string) => withMember(good, members);
  const [first] = Object.keys(JSON.parse(good));
  const repeated =
    first === undefined ? [] : [notJson('a key of its own twice', inside(`${JSON.stringify(first)}:null`))];
  return [
    ...repeated,
    notJson('a key twice with another value', inside('"a":1,"a":2')),
    notJson('a key twice with the same value', inside('"a":1,"a":1')),
    notJson('a key twice, once escaped', inside('"ab":1,"\\u0061b":1')),
    notJson('a key twice inside', inside('"x":[{"a":1,"a":1}]')),
    notJson('__proto__ twice', inside('"__proto__":1,"__proto__":2')),
  ];
}

const nested = (levels: number) => `${'['.repeat(levels)}1${']'.repeat(levels)}`;

/** Nesting past 32 levels, where the body itself is the first; also so deep that a recursive parser would fall over. */
export function deepBodies(good: string): BadBody[] {
  const deep = 'nested deeper than 32 levels';
  return [
    notJson(deep, withMember(good, `"a":${nested(32)}`)),
    notJson(`${deep}, in objects`, withMember(good, `"a":${'{"a":'.repeat(32)}1${'}'.repeat(32)}`)),
    notJson('nested 20,000 times', nested(20_000)),
    notJson('nested 60,000 times and never closed', '['.repeat(60_000)),
    notJson('nested 10,000 times in objects', '{"a":'.repeat(10_000)),
  ];
}

/** Text that PostgreSQL or UTF-8 cannot hold. */
export function bodiesWithBadText(good: string): BadBody[] {
  const bytes = (...values: number[]) =>
    Buffer.concat([
      Buffer.from('{"a":"'),
      Buffer.from(values),
      Buffer.from(`"${good === '{}' ? '' : ','}${good.slice(1)}`),
    ]);
  const inside = (member: string) => withMember(good, member);
  const [name, value] = Object.entries(JSON.parse(good)).find(([, one]) => typeof one === 'string') ?? ['a', 'a'];
  const inOwnMember = good.replace(JSON.stringify(value), '"x\\u0000"');
  return [
    notJson('NUL', inside('"a":"\\u0000"')),
    ...(inOwnMember === good ? [] : [notJson(`NUL in ${name}`, inOwnMember)]),
    notJson('NUL in a key', inside('"a\\u0000":1')),
    notJson('NUL as a byte', inside('"a":"\u0000"')),
    notJson('half of a surrogate pair', inside('"a":"\\ud800"')),
    notJson('the second half of a surrogate pair', inside('"a":"x\\udc00"')),
    notJson('a surrogate pair the wrong way round', inside('"a":"\\udc00\\ud800"')),
    notJson('half of a surrogate pair in a key', inside('"\\ud83d":1')),
    notJson('bytes that are not UTF-8', bytes(0xff, 0xfe)),
    notJson('an overlong encoding', bytes(0xc0, 0xaf)),
    notJson('a surrogate encoded in UTF-8', bytes(0xed, 0xa0, 0x80)),
    notJson('a character cut in half', bytes(0xc3)),
    notJson('a byte order mark', `\ufeff${good}`),
    notJson('UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le')),
  ];
}

/** JSON that is no object. */
export function bodiesOfOtherTypes(): BadBody[] {
  return ['null', '[]', '[{}]', '"text"', '1', 'true'].map((body) => ({
    name: `the body ${body}`,
    body,
    code: 'INVALID_REQUEST',
    path: '',
  }));
}

/** Members that every object of JavaScript has by itself. */
export const MEMBERS_OF_EVERY_OBJECT = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
];

/** For each member of the body: missing where it is required, null, and of another type. */
export function bodiesWithWrongMembers(good: GoodRequest): BadBody[] {
  const { properties = {}, required = [] } = partsOf(good.route[3].body);
  const whole = good.body ?? {};
  return Object.entries(properties).flatMap(([name, schema]) => {
    const place = (what: string, body: object): BadBody => ({
      name: `${name} ${what}`,
      body: JSON.stringify(body),
      code: 'INVALID_REQUEST',
      path: `/${name}`,
    });
    const { [name]: _, ...rest } = whole;
    return [
      ...(required.includes(name) ? [place('missing', rest)] : []),
      ...wrongValues(schema).map((value) => place(`as ${JSON.stringify(value)}`, { ...whole, [name]: value })),
    ];
  });
}

function wrongValues(schema: SchemaParts): unknown[] {
  const allowsNull = schema.anyOf?.some(({ type }) => type === 'null') === true;
  const type = schema.anyOf?.[0]?.type ?? schema.type ?? 'string';
  const ofOtherTypes: Record<string, unknown[]> = {
    string: [1, true, {}, ['x']],
    boolean: ['true', 1, 0],
    number: ['1', true, {}],
    integer: ['1', true, [1]],
    array: ['x', {}, { length: 1 }],
    object: ['x', [], 1],
  };
  return [...(allowsNull ? [] : [null]), ...(ofOtherTypes[type] ?? [])];
}

/** A number in some place of the body, written as it is, and what must be said of it. */
export function bodiesWithWrongNumbers(good: GoodRequest): BadBody[] {
  const schema = partsOf(good.route[3].body);
  const isBatch = good.path.endsWith('/batch');
  if (isBatch) return [];
  return numericPlaces(schema, good.body ?? {}).flatMap(({ pointer, name, part, textWith }) => {
    const at = (written: string, code: ErrorCode): BadBody => ({
      name: `${pointer} = ${written}`,
      body: textWith(written),
      code,
      path: pointer,
    });
    return [
      ...wrongNumbers(name, part).map((written) => at(written, 'INVALID_REQUEST')),
      ...['1e400', '-1e400', '9007199254740993', '1.00000000000000000001', '123456789012345678901'].map((written) =>
        at(written, 'INVALID_JSON'),
      ),
    ];
  });
}

function wrongNumbers(name: string, { type, minimum, maximum }: SchemaParts): string[] {
  return [
    '"5"',
    '"5.00"',
    'null',
    'true',
    '[5]',
    '-1',
    '-0.01',
    ...(type === 'integer' ? ['1.5', '1e-1'] : []),
    ...(minimum === 1 ? ['0', '-0'] : []),
    ...(maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? [] : [String(maximum + 1), '1e15']),
    // The most exact of money is the ten-thousandth.
    ...(['amount', 'quantity'].includes(name) ? ['49.99001', '1e-5', '0.00001', '5e-324'] : []),
  ];
}

interface NumericPlace {
  pointer: string;
  name: string;
  part: SchemaParts;
  /** The body with a number written in this place. */
  textWith(written: string): string;
}

const MARK = '#number#';

/** Every place of a number in a body, also inside a list of objects. */
function numericPlaces(schema: SchemaParts, body: Record<string, unknown>): NumericPlace[] {
  const textWith = (member: object) => (written: string) =>
    JSON.stringify({ ...body, ...member }).replace(JSON.stringify(MARK), written);
  return Object.entries(schema.properties ?? {}).flatMap(([name, part]): NumericPlace[] => {
    if (part.type === 'number' || part.type === 'integer') {
      const together = name === 'quantity' ? { unit: 'hours' } : {};
      return [{ pointer: `/${name}`, name, part, textWith: textWith({ ...together, [name]: MARK }) }];
    }
    const inside = part.items?.properties ?? {};
    return Object.entries(inside)
      .filter(([, inner]) => inner.type === 'number' || inner.type === 'integer')
      .map(([inner, innerPart]) => {
        const item = { ...(example(part.items ?? {}) as object), [inner]: MARK };
        return { pointer: `/${name}/0/${inner}`, name: inner, part: innerPart, textWith: textWith({ [name]: [item] }) };
      });
  });
}
