import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimalText, JsonFault, parseStrictJson } from './strict-json.ts';

const parse = (text: string) => parseStrictJson(Buffer.from(text));
const faultOf = (text: string | Buffer) => {
  try {
    parseStrictJson(Buffer.from(text));
  } catch (error) {
    if (error instanceof JsonFault) return `${error.path} ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('parseStrictJson', () => {
  test('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        const value = JSON.parse(text, (_key, inner) => (Object.is(inner, -0) ? 0 : inner));
        if (/\\u0000|\\u[dD][89a-fA-F]/.test(text) || !text.isWellFormed()) return;
        expect(parse(text)).toStrictEqual(value);
      }),
      { verbose: true },
    );
  });

  test.each([
    ['a key twice', '{"a":1,"a":2}', '/a This key stands twice'],
    ['a key twice with the same value', '{"x":{"a":1,"\\u0061":1}}', '/x/a This key stands twice'],
    ['text behind the value', '{} x', ' The body has text after'],
    ['nothing', '  ', ' The body is empty'],
    ['a byte order mark', '\ufeff{}', ' The body begins with a byte order mark'],
    ['33 levels', `${'['.repeat(40)}${']'.repeat(40)}`, 'nested deeper than 32'],
    ['NUL', '{"a":"\\u0000"}', '/a Text may not hold the character NUL'],
    ['a lone surrogate', '{"a":["x","\\ud800"]}', '/a/1 Text may not hold half'],
    ['1e400', '[1e400]', '/0 This number is too large'],
    ['2^53 + 1', '[9007199254740993]', '/0 This number has more digits'],
    ['a trailing comma', '[1,]', 'not valid JSON'],
    ['a leading zero', '[01]', 'not valid JSON'],
    ['a comment', '{/* */}', 'not valid JSON'],
    ['a control character', '["a\nb"]', 'not valid JSON'],
    ['NaN', '[NaN]', 'not valid JSON'],
  ])('refuses %s and says where', (_name, text, expected) => {
    expect(faultOf(text)).toContain(expected);
  });

  test.each([
    ['many zeros in front of a last digit', (length: number) => `[1.${'0'.repeat(length)}1]`],
    ['many zeros of nothing', (length: number) => `[0.${'0'.repeat(length)}]`],
    ['many digits', (length: number) => `[0.${'12'.repeat(length / 2)}]`],
    ['a long text of escapes', (length: number) => `["${'\\n'.repeat(length / 2)}"]`],
    ['a text that is never closed', (length: number) => `["${'x\\n'.repeat(length / 3)}`],
  ])('takes no longer than its length justifies: %s', (_name, textOf) => {
    // Milliseconds where every byte costs the same; minutes where the cost grew with the square of the length.
    const startedAt = performance.now();
    faultOf(textOf(1024 * 1024));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('refuses bytes that are not UTF-8', () => {
    expect(faultOf(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toContain('not valid UTF-8');
  });

  test('keeps __proto__ a plain key', () => {
    const value = parse('{"__proto__":{"admin":true}}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value.admin).toBeUndefined();
  });
});

describe('decimalText', () => {
  test.each([
    ['49.99', '49.99'],
    ['49.990', '49.99'],
    ['4999e-2', '49.99'],
    ['5E1', '50'],
    ['-0', '0'],
    ['0.0', '0'],
    ['-1.50', '-1.5'],
    ['1e-7', '0.0000001'],
    ['123e5', '12300000'],
  ])('%s is %s', (written, expected) => {
    expect(decimalText(written)).toBe(expected);
  });
});
