import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SubmissionQueue } from '../../src/actions/index.ts';
import { processVariables } from '../../src/config.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { openQueue } from './healthy-book.ts';
import { LedgerModel, type Redeem, type Reverse, type Submit } from './ledger-model.ts';
import { type Figures, RealLedger } from './real-ledger.ts';

const { SIR_MODEL_SEED } = processVariables();
const SEED = SIR_MODEL_SEED === undefined ? randomInt(2 ** 31) : Number(SIR_MODEL_SEED);
const MODEL_MILLISECONDS = 7_000;
const parameters = { seed: SEED, verbose: true };
const COMMANDS_BETWEEN_CHECKS = 12;

let database: TestDatabase;
let queue: SubmissionQueue;
/** Another process on the same database. */
let otherQueue: SubmissionQueue;
beforeAll(async () => {
  database = await createTestDatabase();
  [queue, otherQueue] = [openQueue(database), openQueue(database)];
  console.info(`ledger model: SIR_MODEL_SEED=${SEED} repeats this run`);
});
afterAll(async () => {
  await Promise.all([queue.stop(), otherQueue.stop()]);
  await database.drop();
});

const anyOf = (prefix: string, count: number) => fc.nat(count - 1).map((number) => `${prefix}${number}`);
const anyUser = anyOf('user_', 3);
const anyCode = fc.constantFrom('CUSTOMER', 'REFERRER');
const anyEmail = fc.constantFrom('a@example.org', 'b@example.org');
const anyStakeholders = fc.uniqueArray(
  fc.record({ code: anyCode, user: anyUser, email: anyEmail }, { requiredKeys: ['code', 'user'] }),
  { minLength: 1, maxLength: 4, selector: ({ code, user }) => `${code} ${user}` },
);
const anyCents = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 49, 50, 149, 150));
const anySubmit: fc.Arbitrary<Submit> = fc.record({
  key: anyOf('order_', 40),
  cents: anyCents,
  currency: fc.oneof({ weight: 9, arbitrary: fc.constant('USD' as const) }, fc.constant('EUR' as const)),
  stakeholders: anyStakeholders,
  autoCreateUsers: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
});
const anyBatch = fc.uniqueArray(anySubmit, { minLength: 2, maxLength: 6, selector: ({ key }) => key });
const anyTokens = fc.integer({ min: 1, max: 120 });
/** Which of the actions so far, and of its distributions, is decided when it is their turn. */
const anyReversal = fc.record(
  {
    pick: fc.nat(),
    mode: fc.constantFrom('negative', 'partial', 'refuse'),
    key: anyOf('reversal_', 5),
    tokens: fc.oneof(fc.integer({ min: 1, max: 30 }), anyTokens),
    parts: fc.array(fc.record({ pick: fc.nat(), tokens: fc.integer({ min: 1, max: 40 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    asksFor: fc.constantFrom('all', 'tokens', 'parts'),
  },
  { requiredKeys: ['pick', 'mode', 'tokens', 'parts', 'asksFor'] },
);

function reversalOf(
  model: LedgerModel,
  { pick, mode, key, tokens, parts, asksFor }: typeof anyReversal extends fc.Arbitrary<infer R> ? R : never,
): Reverse {
  const actions = [...model.actions];
  const [name, action] = actions[pick % actions.length] ?? ['none', undefined];
  const holders = [...(action?.body.stakeholders ?? []), { code: 'CUSTOMER', user: 'nobody' }];
  return {
    action: name,
    mode,
    ...(key === undefined ? {} : { key }),
    ...(asksFor === 'tokens' ? { tokens } : {}),
    ...(asksFor === 'parts'
      ? {
          parts: parts.map((part) => ({
            code: '',
            user: '',
            ...holders[part.pick % holders.length],
            tokens: part.tokens,
          })),
        }
      : {}),
  };
}

/** Mostly nearly all that there is: what is reversed afterwards becomes a debt. */
const anySpending = fc.record({
  user: anyUser,
  percent: fc.integer({ min: 70, max: 103 }),
  key: anyOf('redemption_', 20),
});

/** A model, and the last requests, for sending them once more. */
interface Pair {
  model: LedgerModel;
  submitted: Submit | undefined;
  reversed: Reverse | undefined;
  redeemed: Redeem | undefined;
  commands: number;
}
type Command = fc.AsyncCommand<Pair, RealLedger, true>;

/** A step that both are taken through; it answers what each of them answered. */
function command<T>(
  name: string,
  args: T,
  step: (pair: Pair, real: RealLedger, args: T) => Promise<{ answered: unknown; expected: unknown }>,
): Command {
  return {
    check: async () => true,
    toString: () => `${name}(${JSON.stringify(args)})`,
    run: async (pair, real) => {
      const { answered, expected } = await step(pair, real, args);
      expect(answered).toEqual(expected);
      pair.commands += 1;
      if (pair.commands % COMMANDS_BETWEEN_CHECKS === 0) await expectSame(pair.model, real);
    },
  };
}

function figuresOf(model: LedgerModel): Figures {
  const all = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    pool: model.pool,
    users: Object.fromEntries(model.users),
    actions: Object.fromEntries(
      [...model.actions].map(([key, { status, attempts, shares, taken }]) => [
        key,
        { status, attempts, tokens: all(shares), taken: all(taken) },
      ]),
    ),
  };
}

async function expectSame(model: LedgerModel, real: RealLedger): Promise<void> {
  expect(await real.figures()).toEqual(figuresOf(model));
  expect(await real.faults()).toEqual([]);
}

/** Whether a submission is judged in an order that the contract leaves open: no pool, and a user who may not be created. */
const isOpen = (model: LedgerModel, submit: Submit) => model.pool === undefined && !submit.autoCreateUsers;

const reversing = anyReversal.map((reversal) =>
  command('reverse', reversal, async (pair, real) => {
    const request = reversalOf(pair.model, reversal);
    pair.reversed = request;
    return { answered: await real.reverse(request), expected: pair.model.reverse(request) };
  }),
);

const spending = anySpending.map(({ user, percent, key }) =>
  command('redeem', { user, percent, key }, async (pair, real) => {
    const available = pair.model.users.get(user)?.available ?? 0;
    const request = { user, tokens: Math.max(1, Math.ceil((available * percent) / 100)), key };
    pair.redeemed = request;
    return { answered: await real.redeem(request), expected: pair.model.redeem(request) };
  }),
);

// What makes a debt stands here twice, since it takes two of them.
const commands: fc.Arbitrary<Command>[] = [
  fc.constant(
    command('createPool', {}, async ({ model }, real) => {
      if (model.pool === undefined) await real.createPool();
      model.pool ??= 0;
      return { answered: true, expected: true };
    }),
  ),
  fc.integer({ min: 1, max: 400 }).map((tokens) =>
    command('fund', tokens, async ({ model }, real) => {
      if (model.pool === undefined) return { answered: true, expected: true };
      model.pool += tokens;
      return { answered: await real.fund(tokens), expected: model.pool };
    }),
  ),
  anySubmit.map((submit) =>
    command('submit', submit, async (pair, real) => {
      if (isOpen(pair.model, submit)) return { answered: true, expected: true };
      pair.submitted = submit;
      return { answered: await real.submit(submit), expected: pair.model.submit(submit) };
    }),
  ),
  fc.constant(
    command('submit the last once more', {}, async ({ model, submitted }, real) => {
      if (submitted === undefined || isOpen(model, submitted)) return { answered: true, expected: true };
      return { answered: await real.submit(submitted), expected: model.submit(submitted) };
    }),
  ),
  anyBatch.map((submits) =>
    command('submit at once', submits, async ({ model }, real) => {
      const sent = submits.filter((submit) => !isOpen(model, submit));
      const answered = await Promise.all(sent.map((submit) => real.submit(submit)));
      return { answered, expected: sent.map((submit) => model.submit(submit)) };
    }),
  ),
  anyBatch.map((submits) =>
    command('submit together or not at all', submits, async ({ model }, real) => {
      const sent = submits.filter((submit) => !isOpen(model, submit));
      if (sent.length === 0) return { answered: true, expected: true };
      const answered = await real.submitTogether(sent);
      const expected = model.submitTogether(sent);
      // A batch does not say which of its items were replays.
      return {
        answered,
        expected: Array.isArray(expected) ? expected.map((one) => ({ ...one, replayed: false })) : expected,
      };
    }),
  ),
  reversing,
  reversing,
  fc.constant(
    command('reverse the last once more', {}, async ({ model, reversed }, real) => {
      if (reversed === undefined) return { answered: true, expected: true };
      return { answered: await real.reverse(reversed), expected: model.reverse(reversed) };
    }),
  ),
  spending,
  spending,
  fc.constant(
    command('redeem the last once more', {}, async ({ model, redeemed }, real) => {
      if (redeemed === undefined) return { answered: true, expected: true };
      return { answered: await real.redeem(redeemed), expected: model.redeem(redeemed) };
    }),
  ),
  anyUser.map((user) =>
    command('createUser', user, async ({ model }, real) => {
      const expected = model.users.has(user) ? { code: 'USER_EXISTS' } : { created: true };
      model.user(user);
      return { answered: await real.createUser(user), expected };
    }),
  ),
  fc.record({ user: anyUser, email: fc.option(anyEmail) }).map(({ user, email }) =>
    command('setEmail', { user, email }, async ({ model }, real) => {
      const known = model.users.get(user);
      if (known !== undefined) known.email = email;
      return {
        answered: await real.setEmail(user, email),
        expected: known === undefined ? { code: 'NOT_FOUND' } : { email },
      };
    }),
  ),
];

test('whatever is done in whatever order, every answer and the whole book are what the model says', async () => {
  const steps = fc.commands(commands, { maxCommands: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(fc.option(fc.integer({ min: 300, max: 3_000 })), steps, async (tokens, run) => {
      const real = await RealLedger.open(database.sql, queue);
      const pair: Pair = {
        model: new LedgerModel(),
        submitted: undefined,
        reversed: undefined,
        redeemed: undefined,
        commands: 0,
      };
      if (tokens !== null) {
        await real.createPool();
        pair.model.pool = await real.fund(tokens);
      }
      await fc.asyncModelRun(() => ({ model: pair, real }), run);
      await expectSame(pair.model, real);
    }),
    { ...parameters, numRuns: 100, interruptAfterTimeLimit: MODEL_MILLISECONDS },
  );
});

const anyRequests = (maxLength: number) =>
  fc.uniqueArray(anySubmit, { minLength: 1, maxLength, selector: ({ key }) => key });

/** A ledger with a pool of so many tokens, and what it says. */
async function openFunded(tokens: number): Promise<RealLedger> {
  const real = await RealLedger.open(database.sql, queue);
  await real.createPool();
  if (tokens > 0) await real.fund(tokens);
  return real;
}

test('a submission that is sent n times, one after the other or at once, through two processes, is paid once', async () => {
  await fc.assert(
    fc.asyncProperty(
      anySubmit,
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      async (any, atOnce, after) => {
        const submit: Submit = { ...any, currency: 'USD', autoCreateUsers: true };
        const [once, often] = [await openFunded(1_000), await openFunded(1_000)];
        const { replayed: _, ...answer } = { replayed: false, ...(await once.submit(submit)) };
        const answers = await Promise.all(
          Array.from({ length: atOnce * 2 }, (_one, index) =>
            often.submit(submit, index % 2 === 0 ? queue : otherQueue),
          ),
        );
        for (let n = 0; n < after; n++) answers.push(await often.submit(submit, n % 2 === 0 ? queue : otherQueue));
        for (const one of answers) expect(one).toMatchObject(answer);
        expect(answers.filter((one) => 'replayed' in one && !one.replayed)).toHaveLength(1);
        expect(await often.figures()).toEqual(await once.figures());
        expect(await often.faults()).toEqual([]);
      },
    ),
    { ...parameters, numRuns: 10 },
  );
});

test('a submission and its reversal leave every balance as it was', async () => {
  await fc.assert(
    fc.asyncProperty(anyRequests(6), anyRequests(4), fc.boolean(), async (before, submits, inParts) => {
      const real = await openFunded(5_000);
      for (const submit of before) await real.submit({ ...submit, key: `before ${submit.key}` });
      const wanted = await real.balances();
      const answers = await Promise.all(submits.map((submit) => real.submit(submit)));
      await Promise.all(
        answers.map(async (answer, index) => {
          const action = submits[index]?.key ?? '';
          if ('code' in answer) return;
          if (inParts && answer.tokens > 1)
            await real.reverse({ action, mode: 'negative', tokens: Math.ceil(answer.tokens / 3), key: 'part' });
          await real.reverse({ action, mode: 'negative', key: 'rest' });
        }),
      );
      const { pool, users } = await real.balances();
      expect(pool).toBe(wanted.pool);
      // Whoever came new has nothing.
      for (const [name, available] of Object.entries(users)) expect(available).toBe(wanted.users[name] ?? 0);
      expect(await real.faults()).toEqual([]);
    }),
    { ...parameters, numRuns: 10 },
  );
});

test('a batch that is cut in two anywhere is the same as the whole', async () => {
  await fc.assert(
    fc.asyncProperty(anyRequests(12), fc.nat(), fc.nat(400), async (submits, at, tokens) => {
      const requests = submits.map((submit) => ({ ...submit, autoCreateUsers: true }));
      // An equal body under the same key is the same item again, in the same batch or in the next.
      const repeated = [...requests, ...requests.filter((_request, index) => index % 3 === 0)];
      const cut = at % (repeated.length + 1);
      const [whole, halves] = [await openFunded(tokens), await openFunded(tokens)];
      const answered = await whole.submitBatch(repeated);
      const inTwo = [
        ...(await halves.submitBatch(repeated.slice(0, cut))),
        ...(await halves.submitBatch(repeated.slice(cut))),
      ];
      expect(inTwo).toEqual(answered);
      expect(await halves.balances()).toEqual(await whole.balances());
      expect(await halves.faults()).toEqual([]);
    }),
    { ...parameters, numRuns: 10 },
  );
});
