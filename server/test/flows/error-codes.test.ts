import { readFile } from 'node:fs/promises';
import { type ErrorCode, errorCatalog, errorCodes } from '@sirgiving/contract';
import { expect, test } from 'vitest';
import { CODES_OF_NO_OPERATION } from '../../src/openapi/error-responses.ts';
import { readOperations } from '../fuzz/operations.ts';
import { CODES_OF_THE_FUZZ_RUN, DIRECTED_TESTS, type DirectedTest } from '../fuzz/where-codes-are-seen.ts';

const ROOT = new URL('../../../', import.meta.url);

/** What an answer may carry: the codes of the document's operations, and those of paths that are none. */
const documented = new Set([
  ...readOperations().flatMap(({ answers }) => [...answers.values()].flatMap((codes) => [...codes])),
]);
for (const code of CODES_OF_NO_OPERATION) documented.add(code);

test('every code that is documented is seen in the fuzz run or has a test of its own', () => {
  const nowhere = errorCodes.filter(
    (code) => documented.has(code) && !CODES_OF_THE_FUZZ_RUN.includes(code) && DIRECTED_TESTS[code] === undefined,
  );
  expect(nowhere, 'List the test of a new code in server/test/fuzz/where-codes-are-seen.ts.').toEqual([]);
  expect(documented.size).toBeGreaterThan(30);
});

test('no code of 5xx is one that random calls may meet', () => {
  expect(CODES_OF_THE_FUZZ_RUN.filter((code) => errorCatalog[code].status >= 500)).toEqual([]);
});

test.each(Object.entries(DIRECTED_TESTS) as [ErrorCode, DirectedTest][])(
  'the test that is listed for %s is there, and speaks of it',
  async (code, { file, title }) => {
    const source = await readFile(new URL(file, ROOT), 'utf8');
    const text = textOf(source, title);
    expect(text, `${file} has no test "${title}"`).toBeDefined();
    expect(text, `the test "${title}" of ${file}`).toMatch(new RegExp(`\\b${code}\\b`));
  },
);

test('a title that is not there, or that stands with another test, is not taken for one that is', () => {
  const source = ["test('one', () => {", '  A_CODE;', '});', "test('two', () => {", '  OTHER;', '});'].join('\n');
  expect(textOf(source, 'three')).toBeUndefined();
  expect(textOf(source, 'one')).toContain('A_CODE');
  expect(textOf(source, 'one')).not.toContain('OTHER');
});

const BEGINNING = /^( *)(?:test|describe)\b/;

/** The text of the test or group with a title: up to the next one that is not inside it. */
function textOf(source: string, title: string): string | undefined {
  const lines = source.split('\n');
  const titled = lines.findIndex((line) => line.includes(`'${title}'`));
  if (titled === -1) return undefined;
  const start = lines.findLastIndex((line, index) => index <= titled && BEGINNING.test(line));
  const depth = BEGINNING.exec(lines[start] ?? '')?.[1]?.length;
  if (depth === undefined) return undefined;
  const end = lines.findIndex(
    (line, index) => index > titled && (BEGINNING.exec(line)?.[1]?.length ?? Infinity) <= depth,
  );
  return lines.slice(start, end === -1 ? undefined : end).join('\n');
}
