import fc from 'fast-check';

/** A number as it is written in the body, for those that a double cannot hold. */
class WrittenNumber {
  constructor(private readonly digits: string) {}

  toJSON(): string {
    return `#number ${this.digits}#`;
  }
}

/** JSON text of a value, with `WrittenNumber`s as numbers. */
export function jsonText(value: unknown): string {
  return (JSON.stringify(value) ?? '').replaceAll(/"#number ([^"#]*)#"/g, '$1');
}

const WRITTEN_NUMBERS = [
  '1e400',
  '-1e400',
  '1e-400',
  '9007199254740993',
  '-9007199254740993',
  '123456789012345678901234567890',
  '0.00001',
  '1.00000000000000000001',
  '-0',
  '5E0',
  '1e15',
].map((digits) => new WrittenNumber(digits));

const AWKWARD_TEXTS = [
  '',
  ' ',
  'null',
  'undefined',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udc00\ud800',
  '\u2028',
  '\u202e\u200b\ufeff',
  'İıſK',
  "'; drop table actions; --",
  '{{1+1}}%s%n',
  '../../etc/passwd',
  '<script>',
  '{"a":1}',
  '1e3',
  '-1',
  'NaN',
  'act_01h455vb4pex5vsknk084sn02q',
  '2026-02-30T00:00:00Z',
  'x'.repeat(256),
  'x'.repeat(5_000),
  'é'.repeat(2_000),
  '\\'.repeat(500),
];

const AWKWARD_VALUES: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e21,
  Number.MAX_SAFE_INTEGER,
  2 ** 31,
  2 ** 63,
  5e-324,
  [],
  [null],
  {},
  JSON.parse('{"__proto__":{"polluted":true}}'),
  { constructor: { prototype: { polluted: true } } },
  { length: 1e9 },
  nested(20),
  nested(40),
  ...WRITTEN_NUMBERS,
];

function nested(levels: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const awkward = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...AWKWARD_VALUES) },
  { weight: 3, arbitrary: fc.constantFrom(...AWKWARD_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.double() },
);
const awkwardNames = fc.constantFrom(
  '__proto__',
  'constructor',
  'toString',
  '',
  'id',
  'partnerId',
  'environment',
  'a/b~c',
  '\ud83d\ude42',
  'x'.repeat(300),
);

type Change = (place: Place) => void;

/** A place within a value: the member of an object or the item of a list. */
interface Place {
  holder: Record<string, unknown> | unknown[];
  key: string;
}

const changes: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: awkward.map(
      (value): Change =>
        (place) =>
          put(place, value),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Change>(remove) },
  {
    weight: 2,
    arbitrary: fc.tuple(awkwardNames, awkward).map(
      ([name, value]): Change =>
        (place) =>
          add(place, name, value),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Change>((place) => put(place, [read(place), read(place)])) },
  { weight: 1, arbitrary: fc.constant<Change>((place) => put(place, { value: read(place) })) },
  { weight: 1, arbitrary: fc.constant<Change>((place) => put(place, jsonText(read(place)))) },
);

function read({ holder, key }: Place): unknown {
  return (holder as Record<string, unknown>)[key];
}

function put({ holder, key }: Place, given: unknown): void {
  // A copy, since a later step may change what is in there.
  const value = given instanceof WrittenNumber ? given : structuredClone(given);
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function remove({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}

function add({ holder }: Place, name: string, value: unknown): void {
  if (Array.isArray(holder)) holder.push(value);
  else put({ holder, key: name }, value);
}

function placesIn(holder: unknown): Place[] {
  if (typeof holder !== 'object' || holder === null || holder instanceof WrittenNumber) return [];
  return Object.keys(holder).flatMap((key) => {
    const place = { holder: holder as Place['holder'], key };
    return [place, ...placesIn(read(place))];
  });
}

/** Values of `valid` that are wrong, or strange, in one to three places. */
export function spoiled(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const where = fc.tuple(fc.nat(), changes);
  return fc.tuple(valid, fc.array(where, { minLength: 1, maxLength: 3 })).map(([value, steps]) => {
    const root = { value: structuredClone(value) };
    for (const [at, change] of steps) {
      const places = placesIn(root);
      const place = places[at % Math.max(places.length, 1)];
      if (place !== undefined) change(place);
    }
    return root.value;
  });
}

/** Ways to make bytes of a JSON text that no careful client would send. */
const TEXT_CHANGES: ((text: string, at: number) => string | Buffer)[] = [
  (text, at) => text.slice(0, at % Math.max(text.length, 1)),
  (text) => `${text} x`,
  (text) => `${text}${text}`,
  (text) => `\ufeff${text}`,
  (text) => ` \n\t${text}\r\n`,
  (text) => text.replace('{', '{"a":1,"a":1,'),
  (text) => text.replace(/^\{("[^"]*")/, '{$1:null,$1'),
  (text) => text.replaceAll('"', "'"),
  (text) => text.replace('}', ',}'),
  (text) => `/* */${text}`,
  (text, at) => changeByte(text, at, 0xff),
  (text, at) => changeByte(text, at, 0x00),
  (text, at) => changeByte(text, at, 0x22),
  (text, at) => changeByte(text, at, at % 256),
  () => Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  () => '',
  () => 'null',
  () => '[]',
  () => '"text"',
  () => '0',
  () => '['.repeat(60_000),
  () => '{"a":'.repeat(12_000),
  () => `{"a":"${'x'.repeat(70_000)}"}`,
  () => `{${'"\\u0061b":1,'.repeat(5_000)}"z":1}`,
];

function changeByte(text: string, at: number, value: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 0) bytes[at % bytes.length] = value;
  return bytes;
}

/** Bytes that are made of a JSON text and are mostly no JSON any more. */
export function spoiledText(text: fc.Arbitrary<string>): fc.Arbitrary<string | Buffer> {
  return fc
    .tuple(text, fc.constantFrom(...TEXT_CHANGES), fc.nat({ max: 1_000_000 }))
    .map(([valid, change, at]) => change(valid, at));
}
