import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { WriteStream } from 'node:tty';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { rowId } from '../platform/ids.ts';
import { runCli } from './run-cli.ts';

let database: TestDatabase;
let variables: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  variables = { DATABASE_URL: database.url, SIR_MASTER_KEY: randomBytes(32).toString('hex') };
});
afterAll(() => database.drop());

interface Run {
  code: number;
  output: string;
  notes: string;
}

async function sirServer(args: string[], changed: Record<string, string | undefined> = {}): Promise<Run> {
  const output = new PassThrough();
  const notes = new PassThrough();
  const code = await runCli(args, {
    variables: { ...variables, ...changed },
    output,
    notes: Object.assign(notes, { isTTY: false }) as unknown as NodeJS.WriteStream,
  });
  expect(notes).not.toBeInstanceOf(WriteStream);
  return { code, output: String(output.read() ?? ''), notes: String(notes.read() ?? '') };
}

async function json(args: string[]): Promise<Record<string, unknown>> {
  const run = await sirServer([...args, '--json']);
  expect(run, run.notes).toMatchObject({ code: 0 });
  return JSON.parse(run.output);
}

async function newPartner(): Promise<string> {
  return String((await json(['partners', 'create', '--name', 'Corner Bakery'])).slug);
}

describe('partners create', () => {
  test('makes a partner that waits for approval, under a slug of its own', async () => {
    const first = await json(['partners', 'create', '--name', 'Žaneta & Söhne', '--environment', 'sandbox']);
    expect(first).toEqual({
      id: expect.stringMatching(/^ptn_[0-9a-z]{26}$/),
      name: 'Žaneta & Söhne',
      slug: 'zaneta-sohne',
      status: 'PENDING_APPROVAL',
      tier: 'STANDARD',
    });
    expect(await json(['partners', 'create', '--name', 'Zaneta Sohne'])).toHaveProperty('slug', 'zaneta-sohne-2');
    expect(await json(['partners', 'create', '--name', '善'])).toHaveProperty('slug', 'partner');
  });

  test('says the next step to a person', async () => {
    const run = await sirServer(['partners', 'create', '--name', 'Reader', '--slug', 'reader']);
    expect(run.code).toBe(0);
    expect(run.output).toContain('Next: sir-server keys create --partner reader');
  });

  test('fails on a slug that is taken or none', async () => {
    await json(['partners', 'create', '--name', 'A', '--slug', 'taken']);
    expect(await sirServer(['partners', 'create', '--name', 'B', '--slug', 'taken'])).toMatchObject({
      code: 1,
      output: '',
      notes: expect.stringContaining('"taken" is taken'),
    });
    expect(await sirServer(['partners', 'create', '--name', 'B', '--slug', 'No Slug'])).toMatchObject({ code: 1 });
  });
});

describe('keys', () => {
  test('create shows the secrets once, keeps none in the clear, and warns', async () => {
    const slug = await newPartner();
    const run = await sirServer(['keys', 'create', '--partner', slug, '--name', 'Shop server', '--json']);
    expect(run.notes).toContain('shown this once');
    const key = JSON.parse(run.output) as Record<string, string>;
    expect(key).toEqual({
      id: expect.stringMatching(/^key_/),
      partnerId: expect.stringMatching(/^ptn_/),
      name: 'Shop server',
      environment: 'sandbox',
      publicKey: expect.stringMatching(/^pk_test_[0-9a-f]{64}$/),
      secretKey: expect.stringMatching(/^sk_test_[0-9a-f]{64}$/),
      hmacSecret: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const rows = await database.sql`select k.*, l.* from api_keys k join api_key_lookup l on l.api_key_id = k.id`;
    const stored = JSON.stringify(rows, (_, value) =>
      value?.type === 'Buffer'
        ? Buffer.from(value.data).toString('latin1') + Buffer.from(value.data).toString('hex')
        : value,
    );
    expect(stored).toContain(key.publicKey);
    for (const secret of [key.secretKey, key.hmacSecret]) {
      expect(stored).not.toContain(secret);
      expect(stored).not.toContain(secret?.slice(-64));
    }
    const forPeople = await sirServer(['keys', 'create', '--partner', slug, '--name', 'Second']);
    expect(forPeople.output).toMatch(/secretKey {4}sk_test_[0-9a-f]{64}\n/);
  });

  test('revoke takes an id or a publishable key, and says so the second time', async () => {
    const slug = await newPartner();
    const create = () => json(['keys', 'create', '--partner', slug, '--name', 'Shop server']);
    const [first, second] = [await create(), await create()];
    expect(await json(['keys', 'revoke', String(first.id)])).toEqual({ id: first.id, alreadyRevoked: false });
    expect(await json(['keys', 'revoke', String(first.publicKey)])).toEqual({ id: first.id, alreadyRevoked: true });
    expect(await json(['keys', 'revoke', String(second.publicKey)])).toEqual({ id: second.id, alreadyRevoked: false });
    const rows = await database.sql`select 1 from api_keys where revoked_at is null and partner_id = (
      select partner_id from partner_slugs where slug = ${slug})`;
    expect(rows).toHaveLength(0);
    expect(await sirServer(['keys', 'revoke', String(second.secretKey)])).toMatchObject({ code: 1, output: '' });
    expect(await sirServer(['keys', 'revoke', 'key_01h455vb4pex5vsknk084sn02q'])).toMatchObject({ code: 1 });
  });

  test('create fails for a partner that does not exist', async () => {
    const run = await sirServer(['keys', 'create', '--partner', 'nobody', '--name', 'x']);
    expect(run).toEqual({ code: 1, output: '', notes: expect.stringContaining('There is no partner nobody.') });
  });
});

describe('fund-pool', () => {
  test('creates pools, funds the default one and a certain one', async () => {
    const slug = await newPartner();
    const partner = ['fund-pool', '--partner', slug, '--tokens'];
    expect(await sirServer([...partner, '5'])).toMatchObject({ code: 1, notes: expect.stringContaining('--create') });
    const main = await json([...partner, '1000', '--create', 'Main pool']);
    expect(main).toEqual({
      poolId: expect.stringMatching(/^pool_/),
      transactionId: expect.stringMatching(/^txn_/),
      tokens: 1000,
      balance: 1000,
      created: true,
    });
    const side = await json([...partner, '7', '--create', 'Side pool']);
    expect(await json([...partner, '5'])).toMatchObject({ poolId: main.poolId, balance: 1005, created: false });
    expect(await json([...partner, '3', '--pool', String(side.poolId)])).toMatchObject({ balance: 10 });
  });

  test('fails for a pool of another partner, and writes nothing', async () => {
    const owner = await newPartner();
    const pool = await json(['fund-pool', '--partner', owner, '--tokens', '1', '--create', 'Main']);
    const run = await sirServer([
      'fund-pool',
      '--partner',
      await newPartner(),
      '--tokens',
      '1',
      '--pool',
      String(pool.poolId),
    ]);
    expect(run).toMatchObject({ code: 1, output: '', notes: expect.stringContaining('no such token pool') });
    expect(await json(['fund-pool', '--partner', owner, '--tokens', '1'])).toHaveProperty('balance', 2);
  });

  test.each(['0', '-1', '1.5', '1e3', '1_000', 'many', '9007199254740993', ''])(
    'takes no "%s" tokens',
    async (tokens) => {
      const run = await sirServer(['fund-pool', '--partner', 'nobody', '--tokens', tokens]);
      expect(run).toMatchObject({ code: 2, output: '' });
    },
  );
});

describe('ledger verify', () => {
  test('ends with 0 while all invariants hold, and with 3 naming the one that is broken', async () => {
    const slug = await newPartner();
    const { poolId } = await json(['fund-pool', '--partner', slug, '--tokens', '1000', '--create', 'Main']);
    const verify = ['ledger', 'verify', '--partner', slug];
    expect(await json(verify)).toMatchObject({ ok: true, checkedTransactions: 1, violations: {}, findings: [] });
    const sound = await sirServer(verify);
    expect(sound.output).toMatch(/^All invariants hold \(1 transactions in/);
    expect(sound.notes).toContain('Checking I1');

    const { sql } = database;
    const pool = rowId('pool', String(poolId)) ?? '';
    await sql`update ledger_accounts set balance = balance + 5 where id = ${pool}`;
    const broken = await sirServer([...verify, '--json']);
    expect(broken.code).toBe(3);
    expect(JSON.parse(broken.output)).toMatchObject({ ok: false, violations: { I3: expect.any(Number) } });
    const forPeople = await sirServer(verify);
    expect(forPeople).toMatchObject({ code: 3, output: expect.stringContaining('I3 is broken') });

    // Another partner, and the other environment of this one, are whole.
    const other = ['ledger', 'verify', '--partner', await newPartner()];
    expect(await sirServer(other)).toMatchObject({ code: 0 });
    expect(await sirServer([...verify, '--environment', 'production'])).toMatchObject({ code: 0 });
    await sql`update ledger_accounts set balance = balance - 5 where id = ${pool}`;
    expect(await sirServer(['ledger', 'verify'])).toMatchObject({ code: 0 });
  });

  test('ends with 1 when it cannot be checked', async () => {
    expect(await sirServer(['ledger', 'verify', '--partner', 'nobody'])).toMatchObject({ code: 1, output: '' });
  });
});

describe('production data', () => {
  test.each([[['partners', 'create', '--name', 'Live']], [['keys', 'create', '--partner', 'demo', '--name', 'Live']]])(
    'is refused in one sentence: %j',
    async (args) => {
      const refusal = { code: 1, output: '', notes: expect.stringContaining('Production data cannot be changed') };
      expect(await sirServer([...args, '--environment', 'production'])).toEqual(refusal);
      expect(await sirServer(args, { SIR_ENVIRONMENT: 'production' })).toEqual(refusal);
    },
  );
});

describe('exit codes', () => {
  test('migrate ends with 0 on a database that is up to date', async () => {
    expect(await sirServer(['migrate'])).toMatchObject({ code: 0, output: 'The database is up to date.\n' });
  });

  test.each([
    [[]],
    [['keys']],
    [['nonsense']],
    [['keys', 'create']],
    [['migrate', '--nonsense']],
    [['migrate', 'too', 'many']],
  ])('2 for wrong usage: %j', async (args) => {
    expect(await sirServer(args as string[])).toMatchObject({ code: 2, output: '' });
  });

  test.each(
    [
      ['--environment', 'staging'],
      ['--tokens', '1', '--pool', 'x', '--create', 'y'],
    ].map((args) => [args]),
  )('2 for options that do not fit: %j', async (args) => {
    expect(await sirServer(['fund-pool', '--partner', 'x', '--tokens', '1', ...args])).toMatchObject({ code: 2 });
  });

  test('0 for help, with examples for every command', async () => {
    const commands = [
      [],
      ['partners', 'create'],
      ['keys', 'create'],
      ['keys', 'revoke'],
      ['fund-pool'],
      ['ledger', 'verify'],
      ['migrate'],
    ];
    for (const command of commands) {
      const run = await sirServer([...command, '--help']);
      expect(run).toMatchObject({ code: 0, notes: '' });
      expect(run.output).toContain('Examples:\n  $ sir-server');
    }
  });

  test('1 with one sentence for a bad variable, a wrong master key and a database out of reach', async () => {
    await sirServer(['migrate']);
    const cases: [Record<string, string | undefined>, string][] = [
      [{ SIR_MASTER_KEY: undefined }, 'SIR_MASTER_KEY must be set'],
      [{ SIR_MASTER_KEY: randomBytes(32).toString('hex') }, 'is not the key'],
      [{ DATABASE_URL: 'postgres://sir:secret@127.0.0.1:1/sir' }, 'nothing listens there'],
    ];
    for (const [changed, message] of cases) {
      const run = await sirServer(['migrate'], changed);
      expect(run).toMatchObject({ code: 1, output: '' });
      expect(run.notes).toContain(message);
      expect(run.notes.trim().split('\n').at(-1)).toMatch(/^sir-server: .*\.$/);
      expect(run.notes).not.toContain('secret@');
    }
  });
});
