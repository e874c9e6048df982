import { readFileSync } from 'node:fs';
import { transactionKinds } from '@sirgiving/contract';
import canonicalizeModule from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHAIN_VERSION, type ChainedTransaction, canonicalTransaction, chainHash, GENESIS_HASH } from './hash-chain.ts';

// Its types say that the function is a member `default`; it is the module itself.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

const GENESIS = GENESIS_HASH.toString('hex');

interface Vector {
  previousHash: string;
  transaction: Omit<ChainedTransaction, 'createdAt'> & { createdAt: string };
  canonical: string;
  hash: string;
}

// Made by the RFC 8785 library and node:crypto alone. Once released they never change: stored hashes were computed this way.
const { vectors } = JSON.parse(readFileSync(new URL('./hash-chain.vectors.json', import.meta.url), 'utf8')) as {
  vectors: Vector[];
};

describe('the committed vectors', () => {
  test.each(vectors)('$transaction.kind $transaction.sequence', ({ previousHash, transaction, canonical, hash }) => {
    const chained = { ...transaction, createdAt: new Date(transaction.createdAt) };
    expect(canonicalTransaction(chained)).toBe(canonical);
    expect(chainHash(previousHash, chained)).toBe(hash);
  });

  test('form one chain from the genesis hash', () => {
    const before = [GENESIS, ...vectors.map((vector) => vector.hash)];
    expect(vectors.map((vector) => vector.previousHash)).toEqual(before.slice(0, -1));
  });
});

const anyTransaction: fc.Arbitrary<ChainedTransaction> = fc.record({
  partnerId: fc.uuid(),
  environment: fc.constantFrom('sandbox', 'production'),
  poolId: fc.uuid(),
  sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  id: fc.uuid(),
  kind: fc.constantFrom(...transactionKinds),
  actionId: fc.option(fc.uuid()),
  createdAt: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
  entries: fc.uniqueArray(fc.record({ accountId: fc.uuid(), amount: fc.maxSafeInteger() }), {
    maxLength: 5,
    selector: (entry) => entry.accountId,
  }),
});

test('the canonical form is that of an RFC 8785 library, in whatever order the entries come', () => {
  fc.assert(
    fc.property(anyTransaction, (transaction) => {
      const { createdAt, entries } = transaction;
      const sorted = entries.toSorted((a, b) => (a.accountId < b.accountId ? -1 : 1));
      const expected = canonicalize({
        ...transaction,
        v: CHAIN_VERSION,
        createdAt: createdAt.getTime(),
        entries: sorted.map(({ accountId, amount }) => ({ accountId, amount: String(amount) })),
      });
      expect(canonicalTransaction(transaction)).toBe(expected);
      expect(canonicalTransaction({ ...transaction, entries: entries.toReversed() })).toBe(expected);
    }),
    { verbose: true },
  );
});

test('a hash depends on the one before and on every member of the transaction', () => {
  const other: Partial<ChainedTransaction> = {
    partnerId: 'x',
    environment: 'x',
    poolId: 'x',
    sequence: 0,
    id: 'x',
    kind: 'x',
    actionId: 'x',
    createdAt: new Date(-1),
    entries: [],
  };
  fc.assert(
    fc.property(anyTransaction, (transaction) => {
      fc.pre(transaction.entries.length > 0);
      const hashes = Object.entries(other).map(([member, value]) =>
        chainHash(GENESIS, { ...transaction, [member]: value }),
      );
      const same = chainHash(GENESIS, transaction);
      const moved = chainHash('01'.repeat(32), transaction);
      expect(new Set([same, moved, ...hashes]).size).toBe(hashes.length + 2);
    }),
    { verbose: true },
  );
});
