import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { storableJson } from './storable-json.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test('any text a caller may send can be stored, and only what cannot be is replaced', async () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('\u0000', '\ud800', '\udfff', '\\', 'u0000', '"', '😀'), fc.string()),
  });
  await fc.assert(
    fc.asyncProperty(fc.dictionary(text, text), async (value) => {
      const [row] =
        await database.sql`select v ->> 't' as t from json_to_record(${storableJson({ v: { t: '😀'.slice(0, 1), ...value } })}::text::json) as r (v json)`;
      expect(row).toBeDefined();
    }),
    { numRuns: 200, verbose: true },
  );
  expect(storableJson(['a\u0000b', '\\u0000', '\\\ud800', '😀'])).toBe(
    JSON.stringify(['a\ufffdb', '\\u0000', '\\\ufffd', '😀']),
  );
});
