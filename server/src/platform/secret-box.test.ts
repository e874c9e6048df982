import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { checkMasterKey, createSecretBox, SecretNotOpened, type SecretPlace } from './secret-box.ts';
import { StartupError } from './startup-error.ts';

const masterKey = randomBytes(32).toString('hex');
const place: SecretPlace = { purpose: 'hmac-secret', environment: 'sandbox', rowId: 'partner/key' };

describe('a sealed secret', () => {
  const box = createSecretBox(masterKey);

  test.each(['', 'b7ab766ac637', 'Žaneta ✓', 'x'.repeat(10_000)])('opens again in its place', (text) => {
    expect(box.open(place, box.seal(place, text))).toBe(text);
    // Another process with the same master key.
    expect(createSecretBox(masterKey.toUpperCase()).open(place, box.seal(place, text))).toBe(text);
  });

  test('never looks the same twice and does not hold its text', () => {
    const first = box.seal(place, 'b7ab766ac637f0d5');
    expect(first.equals(box.seal(place, 'b7ab766ac637f0d5'))).toBe(false);
    expect(first.includes('b7ab766ac637f0d5')).toBe(false);
  });

  test.each([{ rowId: 'partner/other' }, { purpose: 'webhook-secret' }, { environment: 'production' }] as const)(
    'does not open in another place: %o',
    (change) => {
      expect(() => box.open({ ...place, ...change }, box.seal(place, 'secret'))).toThrow(SecretNotOpened);
    },
  );

  test('cannot take characters from one part of its place into the next', () => {
    const sealed = box.seal({ ...place, environment: 'sandbox', rowId: '","x' }, 'secret');
    expect(() => box.open({ ...place, environment: 'sandbox","', rowId: 'x' }, sealed)).toThrow(SecretNotOpened);
  });

  test('does not open with any single bit changed', () => {
    const sealed = box.seal(place, 'secret');
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => box.open(place, changed), `bit ${bit}`).toThrow(SecretNotOpened);
    }
  });

  test('does not open when it is cut short', () => {
    const sealed = box.seal(place, 'secret');
    for (let length = 0; length < sealed.length; length++) {
      expect(() => box.open(place, sealed.subarray(0, length)), `${length} bytes`).toThrow(SecretNotOpened);
    }
  });

  test('does not open with another master key, and says so without telling anything secret', () => {
    const sealed = createSecretBox(randomBytes(32).toString('hex')).seal(place, 'secret');
    expect(() => box.open(place, sealed)).toThrow(
      'sealed with another master key: hmac-secret of sandbox row partner/key',
    );
  });
});

test('a master key that is not 64 hex digits is refused', () => {
  for (const key of ['', 'abc', `${masterKey}0`, 'g'.repeat(64)]) {
    expect(() => createSecretBox(key)).toThrow('the master key must be 64 hex digits');
  }
});

describe('a database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test('keeps to the first master key it has seen, also when two processes come first at once', async () => {
    const other = randomBytes(32).toString('hex');
    const outcomes = await Promise.allSettled([
      checkMasterKey(database.sql, masterKey),
      checkMasterKey(database.sql, other),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [kept, refused] = outcomes[0]?.status === 'fulfilled' ? [masterKey, other] : [other, masterKey];
    await checkMasterKey(database.sql, kept);
    const error = await checkMasterKey(database.sql, refused).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartupError);
    expect(error).toHaveProperty(
      'message',
      'SIR_MASTER_KEY is not the key that the secrets in this database were sealed with: start with the original key.',
    );
    const [row] = await database.sql<{ check_value: Buffer }[]>`select check_value from master_key_checks`;
    expect(row?.check_value.toString('hex')).not.toBe(kept);
  });
});
