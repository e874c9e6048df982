import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyTraces } from '../../src/actions/index.ts';
import { processVariables } from '../../src/config.ts';
import { verifyLedger } from '../../src/ledger/index.ts';
import { describeReport, type FuzzReport, runFuzz } from '../fuzz/run-fuzz.ts';
import { FuzzTarget } from '../fuzz/target.ts';
import { CODES_OF_THE_FUZZ_RUN } from '../fuzz/where-codes-are-seen.ts';

const SHORT_FORM_CALLS = 10_000;
const MILLISECONDS_PER_CALL = 20;

const { SIR_FUZZ_CALLS, SIR_FUZZ_SEED, CI } = processVariables();
const calls = Number(SIR_FUZZ_CALLS ?? SHORT_FORM_CALLS);
// In CI the same calls each time, so that a change is judged by itself; on a developer's machine new ones.
const CI_SEED = 20_261_124;
const seed = Number(SIR_FUZZ_SEED ?? (CI === 'true' ? CI_SEED : randomInt(1_000_000_000)));

/**
 * All calls are made with keys or with nothing: what is for people alone is sent too, and must be refused as documented. That people are
 * let in and kept out as the table says is held by access-matrix.test.ts, for every route and role.
 */
let target: FuzzTarget;
let report: FuzzReport;
beforeAll(
  async () => {
    target = await FuzzTarget.start();
    report = await runFuzz(target, calls, seed);
    console.log(describeReport(report));
  },
  calls * MILLISECONDS_PER_CALL + 60_000,
);
afterAll(() => target.close());

test('whatever is sent, no answer is a 5xx or one that the OpenAPI document does not tell of', () => {
  const faults = [...report.seen.faults].map(([kind, call]) => `${kind}\n${call}`);
  expect(faults, `seed ${seed}`).toEqual([]);
  expect(target.app.errors.map(({ err }) => String(err))).toEqual([]);
});

test('the calls reach far: every operation that a key opens succeeds, and every code that is listed for them is seen', () => {
  if (calls < SHORT_FORM_CALLS) return;
  const seen = new Set([...report.seen.answers.keys()].map((label) => label.split(' ')[1]));
  expect(CODES_OF_THE_FUZZ_RUN.filter((code) => !seen.has(code))).toEqual([]);
  expect(report.neverSucceeded).toEqual([]);
  const successes = ['200', '201', '204'].map((status) => report.seen.answers.get(status) ?? 0);
  expect(successes.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(calls / 5);
});

test('the book is as it should be afterwards', { timeout: 60_000 }, async () => {
  const { findings, checkedTransactions } = await verifyLedger(target.app.sql, { moreChecks: [verifyTraces] });
  expect(findings).toEqual([]);
  expect(checkedTransactions).toBeGreaterThan(calls / 100);
});

test('no object has got members that a body brought', () => {
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});
