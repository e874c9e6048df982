import fc from 'fast-check';
import type { JsonSchema } from '../../src/openapi/document.ts';
import { arbitraryOf } from './arbitrary-of-schema.ts';
import { USERS } from './generated-body.ts';
import { dereference, type Operation, type Parameter } from './operations.ts';

/** Something that the server has told of before: the `index`-th one seen, whatever that is by then. */
export interface Seen {
  seen: string;
  index: number;
}

const LIST_LENGTHS = ['1', '2', '20', '100'];
const PAGES = ['1', '2', '10000'];

const ODD_PARTS = [
  '',
  '.',
  '..',
  '%2e%2e',
  '%2F',
  '%00',
  '%',
  '%zz',
  '%ff',
  '%ED%A0%80',
  '__proto__',
  'constructor',
  'null',
  '%F0%9F%99%82'.repeat(255),
  'x'.repeat(300),
  'x'.repeat(4_000),
  "'%20or%201=1--",
  '*',
  ':id',
  'deliveries',
  'submit',
  'act_8zzzzzzzzzzzzzzzzzzzzzzzzz',
  'ACT_01h455vb4pex5vsknk084sn02q',
  'act_01h455vb4pex5vsknk084sn02q%20',
  'usr_00000000000000000000000000',
];

function seenIds(kind: string): fc.Arbitrary<Seen> {
  return fc.nat({ max: 10_000 }).map((index) => ({ seen: kind, index }));
}

/** The kind of an id, by the pattern of its schema. */
function idKind(schema: JsonSchema): string | undefined {
  return /^\^([a-z]+)_\[/.exec(schema.pattern ?? '')?.[1];
}

function pathPart(parameter: Parameter): fc.Arbitrary<string | Seen> {
  const kind = idKind(parameter.schema);
  const usual: fc.Arbitrary<string | Seen> = kind === undefined ? fc.constantFrom(...USERS) : seenIds(kind);
  const otherKind = seenIds(kind === 'act' ? 'pool' : 'act');
  const fitting = arbitraryOf(dereference(parameter.schema)).map((value) => encodeURIComponent(String(value)));
  return fc.oneof(
    { weight: 16, arbitrary: usual },
    { weight: 1, arbitrary: otherKind },
    { weight: 1, arbitrary: fitting },
    { weight: 2, arbitrary: fc.constantFrom(...ODD_PARTS) },
  );
}

/** Paths of an operation: mostly to what is there. */
export function pathOf(operation: Operation): fc.Arbitrary<(string | Seen)[]> {
  const parts = operation.path.split('/').map((part) => {
    const parameter = operation.pathParameters.find(({ name }) => part === `{${name}}`);
    return parameter === undefined ? fc.constant(part) : pathPart(parameter);
  });
  const twist = fc.oneof(
    { weight: 60, arbitrary: fc.constant('none') },
    { weight: 1, arbitrary: fc.constantFrom('trailing', 'doubled', 'upperCase', 'longer', 'shorter') },
  );
  return fc.tuple(fc.tuple(...parts), twist).map(([path, how]) => {
    if (how === 'trailing') return [...path, ''];
    if (how === 'doubled') return ['', ...path];
    if (how === 'upperCase') return path.map((part) => (typeof part === 'string' ? part.toUpperCase() : part));
    if (how === 'longer') return [...path, 'more'];
    return how === 'shorter' ? path.slice(0, -1) : path;
  });
}

const AWKWARD_QUERY_VALUES = [
  '',
  '0',
  '-1',
  '1.5',
  '1e3',
  '0x10',
  '1e400',
  '9007199254740993',
  '9223372036854775808',
  '%20',
  '%00',
  '%',
  '%ff',
  '+',
  'null',
  'true',
  'a&b=c',
  "'",
  '🙂',
  'x'.repeat(600),
  '2026-02-30T00:00:00Z',
  '0001-01-01T00:00:00%2B23:59',
  '9999-12-31T23:59:59-23:59',
  'MDFoNDU1dmI0cGV4NXZza25rMDg0c24wMnE',
].map((value) => value.replaceAll('🙂', '%F0%9F%99%82'));

function usualQueryValue(name: string, schema: JsonSchema): fc.Arbitrary<string | Seen> | undefined {
  const kind = name === 'cursor' ? 'cursor' : idKind(schema);
  if (kind !== undefined) return seenIds(kind);
  if (name === 'externalUserId' || name === 'search') return fc.constantFrom(...USERS, 'user');
  if (name === 'limit') return fc.constantFrom(...LIST_LENGTHS);
  return name === 'page' ? fc.constantFrom(...PAGES) : undefined;
}

function queryValue({ name, schema }: Parameter): fc.Arbitrary<string | Seen> {
  const fitting = arbitraryOf(schema).map((value) => encodeURIComponent(String(value)));
  const usual = usualQueryValue(name, schema) ?? fitting;
  return fc.oneof(
    { weight: 8, arbitrary: usual },
    { weight: 3, arbitrary: fitting },
    { weight: 2, arbitrary: fc.constantFrom(...AWKWARD_QUERY_VALUES) },
  );
}

/** Up to three of the parameters that the operation takes. */
export function queryOf(operation: Operation): fc.Arbitrary<(readonly [string, string | Seen])[]> {
  if (operation.queryParameters.length === 0) return fc.constant([]);
  const one = fc
    .constantFrom(...operation.queryParameters)
    .chain((parameter) => queryValue(parameter).map((value) => [parameter.name, value] as const));
  return fc.array(one, { maxLength: 3 });
}

/** What is put behind the whole. */
export const targetSuffix = fc.oneof(
  { weight: 60, arbitrary: fc.constant('') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '?',
      '?x=1',
      '?__proto__=1',
      '?limit=1&limit=2',
      '?limit[]=1',
      '?%zz',
      '?=',
      '?&&',
      '?a=%00',
      '#x',
      ';v=1',
    ),
  },
);
