/** What is wrong with a body, and where (byte offsets mean little to a person; a JSON Pointer does). */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
  constructor(
    message: string,
    readonly path: string,
  ) {
    super(message);
  }
}

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

const MAX_DEPTH = 32;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// A plain string: no escape, no control character.
const PLAIN_STRING = /"[^"\\\u0000-\u001f]*"/y;
const ANY_STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WHITE_SPACE = /[ \t\n\r]*/y;

/**
 * The decimal digits of a JSON number without sign of how it was written: no exponent, no trailing zeros. Equal text means equal
 * number; `1.50`, `15e-1` and `1.5` are all `1.5`.
 */
export function decimalText(written: string): string {
  const [mantissa = '', exponentText = '0'] = written.toLowerCase().split('e');
  const negative = mantissa.startsWith('-');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > 400) return /^[0.]*$/.test(mantissa.replace('-', '')) ? '0' : written;
  const digits = whole + fraction;
  const point = whole.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  const integer = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  const rest = withoutTrailingZeros(padded.slice(at));
  const text = rest === '' ? integer : `${integer}.${rest}`;
  return negative && text !== '0' ? `-${text}` : text;
}

/** By hand: the pattern `0+$` would look at a long row of zeros once from each of them. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

class Parser {
  private at = 0;
  // Keys and indexes from the root to where the parser is: joined to a JSON Pointer only when a fault is reported.
  private readonly trail: (string | number)[] = [];

  constructor(private readonly text: string) {}

  parse(): JsonValue {
    const value = this.value(0);
    this.skipSpace();
    if (this.at !== this.text.length) throw this.fault('The body has text after its JSON value.');
    return value;
  }

  private fault(message: string): JsonFault {
    const path = this.trail.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    return new JsonFault(message, path);
  }

  private skipSpace(): void {
    const code = this.text.charCodeAt(this.at);
    if (code > 0x20) return;
    WHITE_SPACE.lastIndex = this.at;
    WHITE_SPACE.exec(this.text);
    this.at = WHITE_SPACE.lastIndex;
  }

  private value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.fault(`The body is nested deeper than ${MAX_DEPTH} levels.`);
    this.skipSpace();
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.array(depth);
      case '"':
        return this.string();
      case 't':
        return this.literal('true', true);
      case 'f':
        return this.literal('false', false);
      case 'n':
        return this.literal('null', null);
      default:
        return this.number();
    }
  }

  private literal<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.fault('The body is not valid JSON.');
    this.at += word.length;
    return value;
  }

  private number(): number {
    NUMBER.lastIndex = this.at;
    const written = NUMBER.exec(this.text)?.[0];
    if (written === undefined) throw this.fault('The body is not valid JSON.');
    this.at = NUMBER.lastIndex;
    const value = Number(written);
    // A number whose decimal text a double cannot give back would change its value on the way in: it is refused, so that every
    // number that is let in stands for exactly the digits that were sent.
    if (!Number.isFinite(value)) throw this.fault('This number is too large.');
    const shortest = String(value);
    if (shortest !== written && decimalText(shortest) !== decimalText(written)) {
      throw this.fault('This number has more digits than can be kept exactly; send it as a string.');
    }
    return value === 0 ? 0 : value;
  }

  private string(): string {
    PLAIN_STRING.lastIndex = this.at;
    if (PLAIN_STRING.test(this.text)) {
      const start = this.at + 1;
      this.at = PLAIN_STRING.lastIndex;
      return this.text.slice(start, this.at - 1);
    }
    ANY_STRING.lastIndex = this.at;
    const written = ANY_STRING.exec(this.text)?.[0];
    if (written === undefined) throw this.fault('The body is not valid JSON: a string is not closed or not escaped.');
    this.at = ANY_STRING.lastIndex;
    const value = JSON.parse(written) as string;
    if (value.includes('\u0000')) throw this.fault('Text may not hold the character NUL.');
    if (!value.isWellFormed()) throw this.fault('Text may not hold half of a surrogate pair.');
    return value;
  }

  private object(depth: number): { [key: string]: JsonValue } {
    const result: { [key: string]: JsonValue } = {};
    this.at++;
    this.skipSpace();
    if (this.text[this.at] === '}') {
      this.at++;
      return result;
    }
    for (;;) {
      this.skipSpace();
      if (this.text[this.at] !== '"') throw this.fault('The body is not valid JSON.');
      const key = this.string();
      this.trail.push(key);
      if (Object.hasOwn(result, key)) throw this.fault('This key stands twice in one object.');
      this.skipSpace();
      if (this.text[this.at] !== ':') throw this.fault('The body is not valid JSON.');
      this.at++;
      const value = this.value(depth + 1);
      // Plain assignment to `__proto__` would change the object's prototype instead of adding a key.
      if (key === '__proto__')
        Object.defineProperty(result, key, { value, enumerable: true, configurable: true, writable: true });
      else result[key] = value;
      this.trail.pop();
      if (this.endOfMembers('}')) return result;
    }
  }

  private array(depth: number): JsonValue[] {
    const result: JsonValue[] = [];
    this.at++;
    this.skipSpace();
    if (this.text[this.at] === ']') {
      this.at++;
      return result;
    }
    for (;;) {
      this.trail.push(result.length);
      result.push(this.value(depth + 1));
      this.trail.pop();
      if (this.endOfMembers(']')) return result;
    }
  }

  private endOfMembers(close: '}' | ']'): boolean {
    this.skipSpace();
    const next = this.text[this.at];
    if (next !== ',' && next !== close) throw this.fault('The body is not valid JSON.');
    this.at++;
    return next === close;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a request body in one pass: UTF-8 only, no byte order mark, no key twice in an object (also not with an equal value, RFC
 * 8259 §4 leaves that open), at most 32 levels deep, no NUL, no lone surrogates. Every number keeps exactly the decimal digits that
 * were sent: one that a double would round is refused. Throws JsonFault.
 */
export function parseStrictJson(body: Uint8Array): JsonValue {
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    throw new JsonFault('The body is not valid UTF-8.', '');
  }
  if (text.charCodeAt(0) === 0xfeff) throw new JsonFault('The body begins with a byte order mark.', '');
  if (text.trim() === '') throw new JsonFault('The body is empty.', '');
  return new Parser(text).parse();
}
