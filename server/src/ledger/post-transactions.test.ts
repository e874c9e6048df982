import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPartner, newPool, newReward, newUser, otherEnvironment } from '../../test/tenant-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { systemClock } from '../platform/clock.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { randomIds } from '../platform/ids.ts';
import { lockBook } from './lock-book.ts';
import { LedgerRuleBroken, postTransactions, type TransactionDraft } from './post-transactions.ts';
import { verifyLedger } from './verify/verify-ledger.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

interface SmallBook extends Tenant {
  poolId: string;
  otherPoolId: string;
  userId: string;
}

/** A pool of 100 and a user who has 30 of it. */
async function smallBook(): Promise<SmallBook> {
  const tenant = await newPartner(database.sql);
  const poolId = await newPool(database.sql, tenant, 100);
  const otherPoolId = await newPool(database.sql, tenant, 10, 'Other');
  const userId = await newUser(database.sql, tenant, 'ann');
  await newReward(database.sql, tenant, { poolId, userId, tokens: 30 });
  return { ...tenant, poolId, otherPoolId, userId };
}

/** A transaction from one account to another; `change` is what is wrong with it. */
function move(book: SmallBook, kind: TransactionDraft['kind'], tokens: number, change: Partial<TransactionDraft> = {}) {
  const { partnerId, environment, poolId, userId } = book;
  const amount = kind === 'REWARD' ? tokens : -tokens;
  const entries = [
    { accountId: userId, amount },
    { accountId: poolId, amount: -amount },
  ];
  return { partnerId, environment, id: randomIds.uuid(), kind, poolId, userId, tokens: amount, entries, ...change };
}

/** Posts with the book's pool and user locked. */
async function post(book: SmallBook, ...drafts: TransactionDraft[]): Promise<void> {
  const { partnerId, poolId, userId } = book;
  await database.sql.begin(async (tx) => {
    const locked = await lockBook(tx, { pools: [{ partnerId, id: poolId }], users: [{ partnerId, id: userId }] });
    await postTransactions(tx, locked, drafts, systemClock.now());
  });
}

async function accountOf({ partnerId }: Tenant, id: string) {
  const [row] = await database.sql`
    select balance, debt_allowed as "debtAllowed", sequence from ledger_accounts where partner_id = ${partnerId} and id = ${id}`;
  return row;
}

describe('posting refuses', () => {
  const entry = (accountId: string, amount: number) => ({ accountId, amount });
  test.each<[string, (book: SmallBook) => TransactionDraft]>([
    [
      'entries that do not sum to zero',
      (b) => move(b, 'REWARD', 5, { entries: [entry(b.poolId, -5), entry(b.userId, 6)] }),
    ],
    ['a single entry', (b) => move(b, 'REWARD', 5, { entries: [entry(b.userId, 5)] })],
    ['an entry of zero', (b) => move(b, 'REWARD', 0)],
    ['a fraction of a token', (b) => move(b, 'REWARD', 0.5)],
    [
      'an account that stands twice',
      (b) => move(b, 'REWARD', 5, { entries: [entry(b.poolId, -10), entry(b.userId, 5), entry(b.userId, 5)] }),
    ],
    [
      'an account that is not locked',
      (b) => move(b, 'REWARD', 5, { entries: [entry(b.otherPoolId, -5), entry(b.userId, 5)] }),
    ],
    ['a pool that is not locked', (b) => move(b, 'REWARD', 5, { poolId: b.otherPoolId })],
    ['the other environment', (b) => move(b, 'REWARD', 5, otherEnvironment(b))],
    ['a pool that would fall below zero', (b) => move(b, 'REWARD', 71)],
    ['a user below zero by anything but a reversal', (b) => move(b, 'EXPIRATION', 32)],
  ])('%s, and nothing of the batch is kept', async (_what, draftOf) => {
    const book = await smallBook();
    const before = await Promise.all([accountOf(book, book.poolId), accountOf(book, book.userId)]);
    await expect(post(book, move(book, 'REWARD', 1), draftOf(book))).rejects.toBeInstanceOf(LedgerRuleBroken);
    expect(await Promise.all([accountOf(book, book.poolId), accountOf(book, book.userId)])).toEqual(before);
  });
});

test('a reversal may make a debt, and what comes in later repays it', async () => {
  const book = await smallBook();
  await post(book, move(book, 'REVERSAL', 45));
  expect(await accountOf(book, book.userId)).toEqual({ balance: -15, debtAllowed: 15, sequence: 2 });
  await post(book, move(book, 'REWARD', 10), move(book, 'REWARD', 10));
  expect(await accountOf(book, book.userId)).toEqual({ balance: 5, debtAllowed: 0, sequence: 4 });
  expect(await accountOf(book, book.poolId)).toMatchObject({ balance: 95 });
});

test('writers at once give gap-free numbers and one unbroken chain', async () => {
  const book = await smallBook();
  await Promise.all(Array.from({ length: 20 }, () => post(book, move(book, 'REWARD', 1), move(book, 'REWARD', 2))));
  expect(await accountOf(book, book.userId)).toMatchObject({ balance: 90, sequence: 41 });
  // These rows were posted without actions, so nothing but the ledger's own invariants holds of them.
  const { violations } = await verifyLedger(database.sql, { partnerId: book.partnerId });
  expect(Object.keys(violations)).toEqual(['I5', 'I9']);
});
