import { setTimeout as sleep } from 'node:timers/promises';
import type { SubmitAction } from '@sirgiving/contract';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { ApiProcesses, countDeadlocks, countWriters } from './api-processes.ts';
import { expectCleanBooks } from './compare-books.ts';
import { Disturbance } from './disturbance.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { addPool, addTokens, newMasterKey, newScenePartner, purchase, type ScenePartner } from './scene.ts';
import type { Answer, SignedClient } from './signed-client.ts';

const PROCESSES = 3;
const ROUNDS = times(3, 50);
const LEAST_TRANSACTIONS = 20;
const MAX_ATTEMPTS = 5;
const dice = throwDice('concurrency');
const masterKey = newMasterKey();

let database: TestDatabase;
let processes: ApiProcesses;
let partner: ScenePartner;
let clients: SignedClient[];

beforeAll(async () => {
  database = await createTestDatabase();
  partner = await newScenePartner(database.sql, masterKey, 1_000_000);
  processes = await ApiProcesses.start(database.url, masterKey, PROCESSES);
  clients = processes.clientsOf(partner);
});
afterAll(async () => {
  await processes?.stop();
  const deadlocks = await countDeadlocks(database.sql);
  await database.drop();
  tell(`concurrency: ${deadlocks} deadlocks in all`);
  expect(deadlocks).toBe(0);
});

let disturbance: Disturbance;
beforeEach(() => {
  disturbance = new Disturbance(database.sql, partner, clients);
});
afterEach(async () => {
  await disturbance.stop();
  expect(processes.alarms).toEqual([]);
  await expectCleanBooks(database.sql);
});

const clientFor = (number: number, of = clients) => of[number % of.length] as SignedClient;

/**
 * Half of them at the same moment, the others in waves, one after the other, spread over all processes. Beside each wave goes a
 * submission of its own to every process, so that each of them has a transaction in each wave.
 */
async function race(
  bodies: readonly SubmitAction[],
  { of = clients, waveSize = 6, beside }: { of?: SignedClient[]; waveSize?: number; beside?: string } = {},
): Promise<Answer[]> {
  const rest = [...bodies];
  const answers: Answer[] = [];
  let sent = 0;
  for (let size = Math.ceil(rest.length / 2); rest.length > 0; size = waveSize) {
    const companions =
      beside === undefined ? [] : of.map((_, index) => purchase(`${beside}-${sent}-${index}`, ['cem']));
    const [wave] = await Promise.all([
      Promise.all(rest.splice(0, size).map((body) => clientFor(sent++, of).submit(body))),
      Promise.all(companions.map((body, index) => clientFor(index, of).submit(body))),
    ]);
    answers.push(...wave);
  }
  return answers;
}

/** Runs a round and asserts that it was no affair of a few transactions. */
async function round(what: string, work: () => Promise<string>): Promise<void> {
  const since = systemClock.now();
  const [funded, reversed] = [disturbance.funded, disturbance.reversed];
  const result = await work();
  const writers = await countWriters(database.sql, since);
  tell(
    `${what}: ${result}; ${writers} writing transactions, of the funder ${disturbance.funded - funded}, ` +
      `of the reverser ${2 * (disturbance.reversed - reversed)}`,
  );
  expect(writers).toBeGreaterThanOrEqual(LEAST_TRANSACTIONS);
}

function countByStatus(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code = '' } of answers) {
    const kind = `${status} ${code}`.trim();
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

async function rewardsOf(
  key: string,
  { partnerId }: ScenePartner,
): Promise<{ actions: number; rewards: number; paid: number }> {
  const [row] = await database.sql<{ actions: number; rewards: number; paid: number }[]>`
    select count(distinct a.id) as actions, count(t.id) as rewards, coalesce(sum(t.tokens), 0)::bigint as paid
    from actions a
    left join ledger_transactions t on t.partner_id = a.partner_id and t.action_id = a.id and t.kind = 'REWARD'
    where a.partner_id = ${partnerId} and a.idempotency_key = ${key}`;
  return row ?? { actions: 0, rewards: 0, paid: 0 };
}

async function balanceOf(accountId: string): Promise<number> {
  const [row] = await database.sql<{ balance: number }[]>`select balance from ledger_accounts where id = ${accountId}`;
  return row?.balance ?? Number.NaN;
}

describe('over three API processes, with a funder and a reverser running', () => {
  test('100 identical submissions are one reward, and everyone gets the same answer', minutes(1, 5), async () => {
    for (let number = 1; number <= ROUNDS; number++) {
      const key = `identical-${number}`;
      const body = purchase(key, ['ann', 'ben'], 7);
      await round('100 identical', async () => {
        const answers = await race(
          Array.from({ length: 100 }, () => body),
          { beside: `${key}-beside` },
        );
        expect(countByStatus(answers)).toEqual({ '200': 100 });
        const [first] = answers;
        for (const answer of answers) expect(answer.body).toEqual(first?.body);
        expect(await rewardsOf(key, partner)).toEqual({ actions: 1, rewards: 2, paid: 7 });
        expect(answers.filter((answer) => answer.header('idempotent-replayed') === undefined).length).toBe(1);
        return '100 answers, 1 reward';
      });
    }
  });

  test(
    'two bodies under one key: one is rewarded, the other refused, whichever comes first',
    minutes(1, 5),
    async () => {
      for (let number = 1; number <= ROUNDS; number++) {
        const key = `two-bodies-${number}`;
        const bodies = [purchase(key, ['ann'], 3), purchase(key, ['ben'], 4)] as const;
        const sent = dice.shuffled(Array.from({ length: 100 }, (_, index) => bodies[index % 2] as SubmitAction));
        await round('two bodies', async () => {
          const answers = await race(sent, { beside: `${key}-beside` });
          expect(countByStatus(answers)).toEqual({ '200': 50, '422 IDEMPOTENCY_KEY_REUSED': 50 });
          const winner = sent[answers.findIndex(({ status }) => status === 200)];
          for (const [index, { status }] of answers.entries()) expect(status).toBe(sent[index] === winner ? 200 : 422);
          expect(await rewardsOf(key, partner)).toEqual({ actions: 1, rewards: 1, paid: winner?.amount });
          return `the one of ${winner?.amount} was rewarded`;
        });
      }
    },
  );

  test('a pool of 100 tokens against 500 debits of 1 pays exactly 100', minutes(1, 5), async () => {
    for (let number = 1; number <= ROUNDS; number++) {
      const poor = await newScenePartner(database.sql, masterKey, 100);
      const debits = Array.from({ length: 500 }, (_, index) => purchase(`debit-${index}`, [`user-${index % 40}`]));
      await round('pool of 100', async () => {
        const answers = await race(debits, { of: processes.clientsOf(poor), waveSize: 30 });
        expect(countByStatus(answers)).toEqual({ '200': 100, '402 INSUFFICIENT_POOL': 400 });
        expect(await balanceOf(poor.poolId ?? '')).toBe(0);
        return '100 paid, 400 refused, the pool is at 0';
      });
    }
  });

  test('no pool: kept as FAILED, and once there is one, 50 retries at once are one reward', minutes(1, 5), async () => {
    for (let number = 1; number <= ROUNDS; number++) {
      const waiting = await newScenePartner(database.sql, masterKey, 0);
      const of = processes.clientsOf(waiting);
      const body = purchase('too-early', ['ann'], 5);
      const failed = await clientFor(number, of).submit(body);
      expect([failed.status, failed.code]).toEqual([402, 'NO_ACTIVE_POOL']);
      expect(await rewardsOf('too-early', waiting)).toEqual({ actions: 1, rewards: 0, paid: 0 });
      await round('50 retries', async () => {
        // The pool is opened and funded while they race: the early ones fail again, on the same action.
        const [early] = await Promise.all([
          race(
            Array.from({ length: 50 }, () => body),
            { of, beside: 'early' },
          ),
          sleep(dice.integer(0, 60)).then(() => addPool(database.sql, waiting, 100)),
        ]);
        const late = await race(
          Array.from({ length: 50 }, () => body),
          { of, beside: 'late' },
        );
        expect(countByStatus(late)).toEqual({ '200': 50 });
        const rewarded = [...early, ...late].filter(({ status }) => status === 200);
        for (const answer of rewarded) expect(answer.body).toEqual(rewarded[0]?.body);
        expect(rewarded[0]?.body.actionId).toBe(failed.body.actionId);
        expect(await rewardsOf('too-early', waiting)).toEqual({ actions: 1, rewards: 1, paid: 5 });
        const again = early.filter(({ status }) => status !== 200);
        for (const { code } of again) expect(['NO_ACTIVE_POOL', 'INSUFFICIENT_POOL']).toContain(code);
        return `${again.length} failed again, 1 reward`;
      });
    }
  });
});

test('8 writers with crossed sets of pools and users never deadlock', minutes(1, 10), async () => {
  const partners = await Promise.all(
    Array.from({ length: 5 }, () => newScenePartner(database.sql, masterKey, 100_000)),
  );
  const users = ['ann', 'ben', 'cem', 'dua', 'eve'];
  // Enough for every redemption, whatever is reversed meanwhile.
  for (const one of partners) await clientFor(0, processes.clientsOf(one)).submit(purchase('first', users, 50_000));
  for (let number = 1; number <= ROUNDS; number++) {
    await round('8 writers', async () => {
      const writers = Array.from({ length: 8 }, (_, writer) =>
        writeCrossed(`${number}-${writer}`, writer, partners, users),
      );
      const answers = (await Promise.all(writers)).flat();
      expect(Object.keys(countByStatus(answers)).sort()).toEqual(['200', '201']);
      return `${answers.length} writes to ${partners.length} pools`;
    });
  }
});

/** On a machine that is busy otherwise a lock may come too late: then the request is repeated, as its answer says. */
async function decided(send: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await send();
    if (answer.status !== 503 || attempt === MAX_ATTEMPTS) return answer;
    tell(`repeated after 503 ${answer.code}`);
    await sleep(1_000);
  }
}

/** Every kind of write, to the partners and their users in an order of its own. */
async function writeCrossed(
  name: string,
  writer: number,
  partners: readonly ScenePartner[],
  users: readonly string[],
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let turn = 0; turn < 2; turn++) {
    // Sent without waiting, so that each process has several partners in one transaction.
    const sent = dice.shuffled(partners).map(async (one, index) => {
      const client = clientFor(writer + index, processes.clientsOf(one));
      const key = `crossed-${name}-${turn}-${index}`;
      const actions = [0, 1, 2].map((item) => purchase(`${key}-${item}`, dice.shuffled(users).slice(0, 3), 6));
      const mode = dice.pick(['independent', 'atomic']);
      const action = purchase(key, dice.shuffled(users), 10);
      const redemption = { tokens: 1, idempotencyKey: key };
      const user = dice.pick(users);
      const single = decided(() => client.submit(action));
      const batch = decided(() => client.send('POST', '/v1/partner/actions/batch', { actions, mode }));
      const reversal = `/v1/partner/actions/${(await single).body.actionId}/reverse`;
      const written = await Promise.all([
        single,
        batch,
        decided(() => client.send('POST', reversal, { reason: 'crossed' })),
        decided(() => client.send('POST', `/v1/partner/users/${user}/redemptions`, redemption)),
        addTokens(database.sql, one, one.poolId ?? '', 1),
      ]);
      answers.push(...written.slice(0, -1).filter((answer) => answer !== undefined));
    });
    await Promise.all(sent);
  }
  return answers;
}

describe('a reversal among others', () => {
  const TOKENS = 10;
  const reverseAt = (client: SignedClient, actionId: unknown, body: object) =>
    client.send('POST', `/v1/partner/actions/${actionId}/reverse`, { reason: 'test', ...body });

  /** Rewards a user of its own, races, and answers what the user has in the end. */
  async function reverseAmid(
    name: string,
    racers: (actionId: unknown, user: string) => Promise<Answer>[],
    judge: (answers: Answer[], balance: number) => void,
  ): Promise<void> {
    for (let number = 1; number <= times(10, 200); number++) {
      const user = `${name}-${number}`;
      const rewarded = await clientFor(number).submit(purchase(user, [user], TOKENS));
      const answers = await Promise.all(racers(rewarded.body.actionId, user));
      const [row] = await database.sql<{ id: string; reversed: number }[]>`
        select u.id, (select coalesce(-sum(t.tokens), 0)::bigint from ledger_transactions t
          where t.partner_id = u.partner_id and t.user_id = u.id and t.kind = 'REVERSAL') as reversed
        from partner_users u where u.partner_id = ${partner.partnerId} and u.external_user_id = ${user}`;
      expect(row?.reversed).toBe(TOKENS);
      judge(answers, await balanceOf(row?.id ?? ''));
    }
    tell(`${name}: ${times(10, 200)} rounds, sums exact`);
  }

  test('twice at once takes the tokens back once', minutes(1, 5), () =>
    reverseAmid(
      'twice',
      (actionId) => [
        reverseAt(clientFor(0), actionId, { idempotencyKey: 'same' }),
        reverseAt(clientFor(1), actionId, { idempotencyKey: 'same' }),
        reverseAt(clientFor(2), actionId, { idempotencyKey: 'same' }),
      ],
      (answers, balance) => {
        expect(countByStatus(answers)).toEqual({ '200': 3 });
        for (const { body } of answers) expect(body.reversal).toEqual(answers[0]?.body.reversal);
        expect(balance).toBe(0);
      },
    ),
  );

  test('in parts under keys of their own takes no more than there was', minutes(1, 5), () =>
    reverseAmid(
      'parts',
      (actionId) =>
        [5, 5, 5, 5].map((tokens, index) =>
          reverseAt(clientFor(index), actionId, { tokens, idempotencyKey: `part-${index}` }),
        ),
      (answers, balance) => {
        const taken = answers
          .filter(({ status }) => status === 200)
          .map(({ body }) => (body.reversal as { tokens: number }).tokens);
        expect(taken.reduce((sum, tokens) => sum + tokens, 0)).toBe(TOKENS);
        expect(balance).toBe(0);
      },
    ),
  );

  test('against a reward to the same user', minutes(1, 5), () =>
    reverseAmid(
      'reward',
      (actionId, user) => [
        reverseAt(clientFor(0), actionId, {}),
        clientFor(1).submit(purchase(`${user}-more`, [user], 3)),
        clientFor(2).submit(purchase(`${user}-and-more`, [user], 4)),
      ],
      (answers, balance) => {
        expect(countByStatus(answers)).toEqual({ '200': 3 });
        expect(balance).toBe(7);
      },
    ),
  );

  test('against a redemption of the same tokens', minutes(1, 5), () =>
    reverseAmid(
      'redemption',
      (actionId, user) => [
        reverseAt(clientFor(0), actionId, {}),
        clientFor(1).send('POST', `/v1/partner/users/${user}/redemptions`, { tokens: TOKENS, idempotencyKey: user }),
      ],
      ([reversal, redemption], balance) => {
        const redeemed = redemption?.status === 201 ? TOKENS : 0;
        if (redeemed === 0) expect(redemption?.code).toBe('INSUFFICIENT_BALANCE');
        expect(reversal?.body.reversal).toMatchObject({ tokens: TOKENS, debt: redeemed });
        expect(balance + redeemed).toBe(0);
      },
    ),
  );
});
