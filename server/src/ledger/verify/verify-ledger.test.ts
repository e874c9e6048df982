import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Corruption, dropConstraints, expectNamed } from '../../../test/properties/corruption.ts';
import { type Book, openQueue, writeBook } from '../../../test/properties/healthy-book.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/test-database.ts';
import { verifyTraces } from '../../actions/index.ts';
import { systemClock } from '../../platform/clock.ts';
import type { Sql } from '../../platform/db.ts';
import { randomIds } from '../../platform/ids.ts';
import { MAX_FINDINGS_PER_INVARIANT } from './findings.ts';
import { verifyLedger } from './verify-ledger.ts';

const transactionsOf = (sql: Sql, { partnerId }: Book, kind: string) => sql`
  select id from ledger_transactions where partner_id = ${partnerId} and kind = ${kind} order by sequence desc limit 1`;

const corruptions: readonly Corruption[] = [
  {
    what: 'an entry lost a token',
    breaks: 'I1',
    also: ['I2', 'I3', 'I12'],
    plant: (sql, book) => sql`
      update ledger_entries set amount = amount - 1 where partner_id = ${book.partnerId} and account_id = ${book.bob} and account_sequence = 1`,
  },
  {
    what: 'the entries of a transaction are gone',
    breaks: 'I1',
    also: ['I3', 'I12'],
    plant: (sql, book) => sql`
      delete from ledger_entries where partner_id = ${book.partnerId} and transaction_id in (${transactionsOf(sql, book, 'REWARD')})`,
  },
  {
    what: 'a balance was raised by hand',
    breaks: 'I2',
    also: ['I3'],
    plant: (sql, book) =>
      sql`update ledger_accounts set balance = balance + 5 where partner_id = ${book.partnerId} and id = ${book.bob}`,
  },
  {
    what: 'tokens were moved from the pool to a user by hand',
    breaks: 'I3',
    plant: (sql, book) => sql`
      update ledger_accounts set balance = balance + (case when id = ${book.bob} then 5 else -5 end)
      where partner_id = ${book.partnerId} and id in (${book.bob}, ${book.poolId})`,
  },
  {
    what: 'an entry says another balance after it',
    breaks: 'I3',
    plant: (sql, book) => sql`
      update ledger_entries set balance_after = balance_after + 1
      where partner_id = ${book.partnerId} and account_id = ${book.poolId} and account_sequence = 2`,
  },
  {
    what: 'an account skipped a number',
    breaks: 'I3',
    plant: (sql, book) => sql`
      update ledger_entries set account_sequence = 99
      where partner_id = ${book.partnerId} and account_id = ${book.poolId} and account_sequence = 2`,
  },
  {
    what: 'a lifetime total was changed',
    breaks: 'I3',
    plant: (sql, book) =>
      sql`update ledger_accounts set rewarded = rewarded + 1 where partner_id = ${book.partnerId} and id = ${book.bob}`,
  },
  {
    what: 'an allocation says another number of tokens than it moved',
    breaks: 'I3',
    plant: (sql, book) =>
      sql`update ledger_transactions set tokens = 1001 where id in (${transactionsOf(sql, book, 'ALLOCATION')})`,
  },
  {
    what: 'a user may go into debt without a reversal',
    breaks: 'I4',
    plant: (sql, book) =>
      sql`update ledger_accounts set debt_allowed = 10 where partner_id = ${book.partnerId} and id = ${book.bob}`,
  },
  {
    what: 'a debt was made by something else than a reversal',
    breaks: 'I4',
    also: ['I3', 'I6', 'I12'],
    plant: (sql, book) => sql`
      update ledger_transactions set kind = 'EXPIRATION' where partner_id = ${book.partnerId} and kind = 'REVERSAL' and action_id = ${book.owed}`,
  },
  {
    what: 'a transaction moves accounts that its kind does not move',
    breaks: 'I4',
    also: ['I9', 'I12'],
    plant: (sql, book) => sql`
      update ledger_transactions set kind = 'WITHDRAWAL' where partner_id = ${book.partnerId} and kind = 'ALLOCATION' and pool_id = ${book.poolId}`,
  },
  {
    what: 'an action promises more than its reward paid',
    breaks: 'I5',
    plant: (sql, book) => sql`
      update actions set distributions = jsonb_set(distributions::jsonb, '{0,tokens}', '26')::json
      where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    what: 'an action says another total',
    breaks: 'I5',
    plant: (sql, book) =>
      sql`update actions set tokens = 60 where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    what: 'a reward belongs to no distribution',
    breaks: 'I5',
    plant: (sql, book) => sql`
      update actions set distributions = '[]' where partner_id = ${book.partnerId} and id = ${book.owed}`,
  },
  {
    what: 'a failed action has a reward',
    breaks: 'I5',
    also: ['I6', 'I9', 'I15'],
    plant: (sql, book) => sql`
      update actions set status = 'FAILED', failure_code = 'INSUFFICIENT_POOL' where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    what: 'an action says that more was taken back than was',
    breaks: 'I6',
    plant: (sql, book) => sql`
      update actions set reversed_tokens = reversed_tokens + 1 where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    what: 'a partly reversed action says that it is reversed',
    breaks: 'I6',
    plant: (sql, book) =>
      sql`update actions set status = 'REVERSED' where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    what: 'more was taken back of a reward than it gave',
    breaks: 'I6',
    plant: (sql, book) => sql`
      update ledger_transactions t set reverses_id = r.id
      from ledger_transactions r
      where t.partner_id = ${book.partnerId} and t.kind = 'REVERSAL' and t.action_id = ${book.owed}
        and r.partner_id = t.partner_id and r.kind = 'REWARD' and r.action_id = ${book.shared} and r.distribution_index = 0`,
  },
  {
    what: 'a reversal says another number than its transactions',
    breaks: 'I6',
    plant: (sql, book) => sql`
      update reversals set tokens = tokens + 1 where partner_id = ${book.partnerId} and idempotency_key = 'one'`,
  },
  {
    what: 'two actions have one key',
    breaks: 'I8',
    plant: (sql, book) =>
      sql`update actions set idempotency_key = 'shared' where partner_id = ${book.partnerId} and id = ${book.owed}`,
  },
  {
    what: 'two reversals of an action have one key',
    breaks: 'I8',
    plant: (sql, book) =>
      sql`update reversals set idempotency_key = 'one' where partner_id = ${book.partnerId} and idempotency_key = 'two'`,
  },
  {
    what: 'two redemptions have one key',
    breaks: 'I8',
    plant: (sql, book) => sql`update redemptions set idempotency_key = 'one' where partner_id = ${book.partnerId}`,
  },
  {
    breaks: 'I11',
    what: 'a user is of the other environment',
    plant: (sql, book) => sql`
      update partner_users set environment = 'production', external_user_id = 'moved' where partner_id = ${book.partnerId} and id = ${book.bob}`,
  },
  {
    breaks: 'I11',
    what: 'an action is of the other environment',
    plant: (sql, book) => sql`
      update actions set environment = 'production' where partner_id = ${book.partnerId} and id = ${book.failed}`,
  },
  {
    breaks: 'I11',
    what: 'an entry is of the other environment',
    also: ['I2'],
    plant: (sql, book) => sql`
      update ledger_entries set environment = 'production'
      where partner_id = ${book.partnerId} and account_id = ${book.bob} and account_sequence = 1`,
  },
  {
    breaks: 'I11',
    what: 'entries belong to a transaction that is not there',
    also: ['I2', 'I3'],
    plant: (sql, book) => sql`
      insert into ledger_entries values (${book.partnerId}, ${randomIds.uuid()}, ${book.bob}, ${book.environment}, 9, 1, 1)`,
  },
  {
    breaks: 'I11',
    what: 'an account belongs to nobody',
    plant: (sql, book) => sql`
      insert into ledger_accounts (partner_id, id, environment, kind, created_at)
      values (${book.partnerId}, ${randomIds.uuid()}, ${book.environment}, 'user.available', ${systemClock.now()})`,
  },
  {
    breaks: 'I11',
    what: 'a reversal is of an action that is not there',
    also: ['I9'],
    plant: (sql, book) => sql`
      update reversals set action_id = ${randomIds.uuid()} where partner_id = ${book.partnerId} and action_id = ${book.owed}`,
  },
  {
    breaks: 'I12',
    what: 'a hash was changed',
    plant: (sql, book) => sql`
      update ledger_transactions set hash = sha256(hash) where partner_id = ${book.partnerId} and kind = 'REDEMPTION' and sequence = 5`,
  },
  {
    breaks: 'I12',
    what: 'a transaction was made a thousandth of a second older',
    plant: (sql, book) => sql`
      update ledger_transactions set created_at = created_at - interval '1 millisecond' where id in (${transactionsOf(sql, book, 'REWARD')})`,
  },
  {
    breaks: 'I12',
    what: 'a transaction got a time that the hash does not see',
    plant: (sql, book) => sql`
      update ledger_transactions set created_at = created_at + interval '1 microsecond' where id in (${transactionsOf(sql, book, 'REWARD')})`,
  },
  {
    breaks: 'I12',
    what: 'a number of the chain is missing',
    plant: (sql, book) => sql`
      update ledger_transactions set sequence = sequence + 1 where id in (${transactionsOf(sql, book, 'REVERSAL')})`,
  },
  {
    breaks: 'I12',
    what: 'the end of the chain was cut off',
    plant: (sql, book) => sql`
      update token_pools set head_sequence = head_sequence + 1 where partner_id = ${book.partnerId} and id = ${book.poolId}`,
  },
  {
    breaks: 'I15',
    what: 'an input of an evaluation was changed',
    plant: (sql, book) => sql`
      update actions set trace = jsonb_set(trace::jsonb, '{rate}', '"2"')::json where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    breaks: 'I15',
    what: 'an action names an evaluator that no release had',
    plant: (sql, book) =>
      sql`update actions set evaluator_version = 99 where partner_id = ${book.partnerId} and id = ${book.shared}`,
  },
  {
    breaks: 'I15',
    what: 'a failure has another reason',
    plant: (sql, book) => sql`
      update actions set failure_code = 'NO_ACTIVE_POOL' where partner_id = ${book.partnerId} and id = ${book.failed}`,
  },
];

let database: TestDatabase;
const books: Book[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const queue = openQueue(database);
  // One healthy book for each corruption and each test below; made at once, so that they share transactions as in production.
  books.push(...(await Promise.all(Array.from({ length: corruptions.length + 2 }, () => writeBook(database, queue)))));
  await queue.stop();
  await dropConstraints(database.sql, [
    ['actions', 'actions_partner_id_environment_source_idempotency_key_key'],
    ['reversals', 'reversals_partner_id_action_id_idempotency_key_key'],
    ['redemptions', 'redemptions_partner_id_environment_idempotency_key_key'],
  ]);
});
afterAll(() => database.drop());

const nextBook = (): Book => {
  const book = books.pop();
  if (book === undefined) throw new Error('not enough books');
  return book;
};

test('a book that everything which writes has been through is sound', async () => {
  const progress: string[] = [];
  const report = await verifyLedger(database.sql, {
    moreChecks: [verifyTraces],
    onProgress: (text) => progress.push(text),
  });
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ ok: true, violations: {} });
  const [row] = await database.sql`select count(*) as count from ledger_transactions`;
  expect(report.checkedTransactions).toBe(row?.count);
  expect(progress).toHaveLength(report.checks.length);
});

describe('the verifier names', () => {
  test.each(corruptions)('$breaks: $what', (corruption) => expectNamed(database.sql, nextBook(), corruption));
});

test('a check is kept to the partner and the environment that are asked for', async () => {
  const [book, other] = [nextBook(), nextBook()];
  const { partnerId } = book;
  await database.sql`update ledger_accounts set debt_allowed = 10 where partner_id = ${partnerId} and id = ${book.bob}`;
  const verify = (scope: Parameters<typeof verifyLedger>[1]) => verifyLedger(database.sql, scope);
  expect((await verify({ partnerId, environment: 'sandbox' })).violations).toEqual({ I4: 1 });
  expect((await verify({ partnerId, environment: 'production' })).violations).toEqual({});
  expect((await verify({ partnerId: other.partnerId })).violations).toEqual({});
});

test('everything is counted and the first of each invariant are shown', async () => {
  await database.sql`update ledger_accounts set rewarded = rewarded + 1 where kind = 'user.available'`;
  const { findings, violations } = await verifyLedger(database.sql);
  expect(violations.I3).toBeGreaterThan(MAX_FINDINGS_PER_INVARIANT);
  expect(findings.filter(({ invariant }) => invariant === 'I3')).toHaveLength(MAX_FINDINGS_PER_INVARIANT);
});
