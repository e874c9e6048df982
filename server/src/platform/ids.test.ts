import fc from 'fast-check';
import { TypeID } from 'typeid-js';
import { expect, test } from 'vitest';
import { publicId, randomIds, rowId } from './ids.ts';

test('public ids are TypeIDs, as the library writes them', () => {
  fc.assert(
    fc.property(fc.uuid({ version: [1, 4, 7] }), (uuid) => {
      expect(publicId('act', uuid)).toBe(TypeID.fromUUID('act', uuid).toString());
      expect(rowId('act', publicId('act', uuid))).toBe(uuid);
    }),
    { verbose: true },
  );
});

test('an id of another kind, of another form or out of range is no row id', () => {
  const id = publicId('act', randomIds.uuid());
  for (const wrong of [
    id.replace('act', 'txn'),
    id.slice(0, -1),
    `${id}0`,
    id.toUpperCase(),
    id.replace('_0', '_8'),
    '',
    'act_',
  ]) {
    expect(rowId('act', wrong)).toBeUndefined();
  }
});

test('row ids grow, so that new rows go to the right edge of an index', () => {
  const ids = Array.from({ length: 10_000 }, () => randomIds.uuid());
  expect([...ids].sort()).toEqual(ids);
});
