import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { verify } from '@node-rs/argon2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { personMaker } from '../../test/people.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { hmacSecretPlace } from '../partners/hmac-secret-place.ts';
import { createKey, createPartner } from '../partners/index.ts';
import { systemClock } from '../platform/clock.ts';
import { connect } from '../platform/db.ts';
import { publicId, randomIds, rowId } from '../platform/ids.ts';
import { createSecretBox } from '../platform/secret-box.ts';
import { sealedColumns } from './rewrap-secrets.ts';
import { runCli } from './run-cli.ts';

let database: TestDatabase;
let masterKey = randomBytes(32).toString('hex');
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function sirServer(args: string[], more: Record<string, string> = {}) {
  const output = new PassThrough();
  const notes = new PassThrough();
  const code = await runCli(args, {
    variables: { DATABASE_URL: database.url, SIR_MASTER_KEY: masterKey, ...more },
    output,
    notes: Object.assign(notes, { isTTY: false }) as unknown as NodeJS.WriteStream,
  });
  return { code, output: String(output.read() ?? ''), notes: String(notes.read() ?? '') };
}

async function json(args: string[], more?: Record<string, string>): Promise<Record<string, unknown>> {
  const run = await sirServer([...args, '--json'], more);
  expect(run, run.notes).toMatchObject({ code: 0 });
  return JSON.parse(run.output);
}

async function newPartner(environment: 'sandbox' | 'production') {
  const createdAt = systemClock.now();
  return database.sql.begin(async (tx) => {
    const { id: partnerId, slug } = await createPartner(tx, randomIds, { name: 'Bakery', status: 'ACTIVE', createdAt });
    const wanted = { partnerId, environment, name: 'Test', createdAt };
    return { partnerId, slug, key: await createKey(tx, randomIds, createSecretBox(masterKey), wanted) };
  });
}

test('create-admin shows a password once, of which only the argon2id hash is kept, and writes an audit entry', async () => {
  const admin = await json(['create-admin', '--email', 'ops@example.org']);
  const [account] = await database.sql<{ hash: string; isAdmin: boolean; mustChange: boolean }[]>`
    select password_hash as hash, is_admin as "isAdmin", must_change_password as "mustChange" from accounts where email_key = 'ops@example.org'`;
  expect(account).toMatchObject({ isAdmin: true, mustChange: true });
  expect(account?.hash).toMatch(/^\$argon2id\$/);
  expect(await verify(account?.hash ?? '', String(admin.password))).toBe(true);
  expect(await database.sql`select action, target from audit_log`).toMatchObject([
    { action: 'admin.create', target: admin.id },
  ]);
  const again = await sirServer(['create-admin', '--email', 'OPS@example.org']);
  expect(again).toMatchObject({ code: 1, output: '', notes: expect.stringContaining('has an account already') });
  expect(await sirServer(['create-admin'])).toMatchObject({ code: 2 });
});

test('create-admin gives the administration to somebody who has an account only when it is told to, and ends their sessions', async () => {
  const { sql } = database;
  const person = personMaker({ sql, secretBox: createSecretBox(masterKey), clock: systemClock });
  const { accountId, sessionId } = await person({ email: 'jane@example.org' });
  const account = async () => {
    const [row] = await sql`
      select is_admin, must_change_password, password_hash,
        (select end_reason from account_sessions where id = ${sessionId}) as ended
      from accounts where id = ${accountId}`;
    return row;
  };
  const before = { is_admin: false, must_change_password: false, password_hash: 'none', ended: null };
  const command = ['create-admin', '--email', 'Jane@example.org'];
  const refused = await sirServer(command);
  expect(refused).toMatchObject({ code: 1, output: '', notes: expect.stringContaining('add --promote') });
  expect(await account()).toEqual(before);

  const promote = [...command, '--promote', '--as', 'ops@example.org', '--reason', 'on call'];
  const target = publicId('acc', accountId);
  expect(await json(promote)).toEqual({ id: target, email: 'Jane@example.org', alreadyAdmin: false });
  expect(await account()).toEqual({ ...before, is_admin: true, ended: 'ROLE' });
  expect(await json(promote)).toMatchObject({ alreadyAdmin: true });
  const rows = await sql`
    select action, reason, before_change as before, after_change as after, a.email_key as who
    from audit_log join accounts a on a.id = actor_account_id where target = ${target}`;
  const change = { before: { admin: false }, after: { admin: true } };
  expect(rows).toEqual([{ action: 'admin.create', reason: 'on call', ...change, who: 'ops@example.org' }]);

  await person({ email: 'seeded@example.org', sandboxOnly: true });
  await sql`update accounts set disabled_at = now() where id = ${(await person({ email: 'shut@example.org' })).accountId}`;
  for (const name of ['seeded', 'shut', 'nobody']) {
    const answer = await sirServer(['create-admin', '--email', `${name}@example.org`, '--promote']);
    expect(answer, name).toMatchObject({ code: 1, output: '' });
  }
  const admins = await sql`select email_key from accounts where is_admin order by 1`;
  expect(admins).toEqual([{ email_key: 'jane@example.org' }, { email_key: 'ops@example.org' }]);
});

test('in production fund-pool files a request in the name of an admin and allocates nothing', async () => {
  const { slug, partnerId } = await newPartner('production');
  const fund = ['fund-pool', '--partner', slug, '--tokens', '500', '--environment', 'production'];
  expect(await sirServer(fund)).toMatchObject({ code: 1, notes: expect.stringContaining('--as') });
  expect(await sirServer([...fund, '--as', 'nobody@example.org'])).toMatchObject({ code: 1 });
  const filed = await json([...fund, '--as', 'ops@example.org', '--reason', 'launch']);
  expect(filed).toMatchObject({ status: 'REQUESTED', tokens: 500 });
  const rows = await database.sql`
    select status, requested_by_kind as kind from token_pool_requests where partner_id = ${partnerId}`;
  expect(rows).toMatchObject([{ status: 'PENDING', kind: 'ADMIN' }]);
  expect(await database.sql`select from ledger_transactions where partner_id = ${partnerId}`).toHaveLength(0);
  expect(await sirServer(['ledger', 'verify'])).toMatchObject({ code: 0 });
});

test('a live key is revoked in the name of an admin, and the log says why', async () => {
  const { key } = await newPartner('production');
  expect(await sirServer(['keys', 'revoke', key.publicKey])).toMatchObject({ code: 1 });
  const revoke = ['keys', 'revoke', key.publicKey, '--as', 'ops@example.org', '--reason', 'leaked'];
  expect(await json(revoke)).toMatchObject({ alreadyRevoked: false });
  expect(await json(revoke)).toMatchObject({ alreadyRevoked: true });
  const target = publicId('key', key.id);
  expect(await database.sql`select reason from audit_log where target = ${target}`).toMatchObject([
    { reason: 'leaked' },
  ]);
});

test('who made a partner, issued a key and revoked it, why, and what it changed, stands in the audit log', async () => {
  const named = ['--as', 'ops@example.org', '--reason', 'pilot'];
  const partner = await json(['partners', 'create', '--name', 'Pilot', ...named]);
  const key = await json(['keys', 'create', '--partner', String(partner.slug), '--name', 'Till', ...named]);
  await json(['keys', 'revoke', String(key.id)]);
  const rows = await database.sql`
    select l.action, l.target, l.reason, a.email_key as who, l.before_change as before, l.after_change as after
    from audit_log l left join accounts a on a.id = l.actor_account_id
    where l.partner_id = ${rowId('ptn', String(partner.id)) ?? null} order by l.sequence`;
  const [id, who, reason] = [key.id, 'ops@example.org', 'pilot'];
  const { slug, status, tier } = partner;
  expect(rows).toEqual([
    { action: 'partner.create', target: partner.id, reason, who, before: null, after: { slug, status, tier } },
    { action: 'key.create', target: id, reason, who, before: null, after: { publicKey: key.publicKey } },
    { action: 'key.revoke', target: id, reason: null, who: null, before: { revoked: false }, after: { revoked: true } },
  ]);
  for (const secret of [key.secretKey, key.hmacSecret]) expect(JSON.stringify(rows)).not.toContain(secret);
  const nobody = ['partners', 'create', '--name', 'X', '--as', 'nobody@example.org'];
  expect(await sirServer(nobody)).toMatchObject({ code: 1, notes: expect.stringContaining('is no admin') });

  expect(await sirServer(['ledger', 'verify'])).toMatchObject({ code: 0 });
  await database.sql`update audit_log set reason = 'other' where target = ${String(partner.id)}`;
  const broken = await sirServer(['ledger', 'verify']);
  expect(broken).toMatchObject({ code: 3, output: expect.stringContaining('I14 is broken') });
  await database.sql`update audit_log set reason = 'pilot' where target = ${String(partner.id)}`;
});

test('what cannot be written into the audit log does not happen', async () => {
  const { slug, key, partnerId } = await newPartner('sandbox');
  const { sql } = database;
  const counts = async () =>
    sql`select (select count(*) from partners) as partners, count(*) as keys, count(revoked_at) as revoked from api_keys`;
  const before = await counts();
  await sql`alter table audit_log add constraint full_disk check (partner_id is null) not valid`;
  const commands = [
    ['partners', 'create', '--name', 'Unwritten'],
    ['keys', 'create', '--partner', slug, '--name', 'Unwritten'],
    ['keys', 'revoke', publicId('key', key.id)],
  ];
  for (const command of commands) expect(await sirServer(command)).toMatchObject({ code: 1, output: '' });
  await sql`alter table audit_log drop constraint full_disk`;
  expect(await counts()).toEqual(before);
  expect(await sql`select from audit_log where partner_id = ${partnerId}`).toHaveLength(0);
});

test('keys rewrap seals everything with the new key, and nothing while a server runs', async () => {
  const { key, partnerId } = await newPartner('sandbox');
  const newKey = randomBytes(32).toString('hex');
  expect(await sirServer(['keys', 'rewrap'])).toMatchObject({ code: 1, notes: expect.stringContaining('64 hex') });
  const server = connect(database.url, { max: 1, applicationName: 'sir-api' });
  await server`select 1`;
  const refused = await sirServer(['keys', 'rewrap'], { SIR_NEW_MASTER_KEY: newKey });
  expect(refused).toMatchObject({ code: 1, notes: expect.stringContaining('stop all') });
  await server.end();

  const keys = await database.sql`select from api_keys`;
  expect(await json(['keys', 'rewrap'], { SIR_NEW_MASTER_KEY: newKey })).toMatchObject({ rewrapped: keys.length });
  expect(await sirServer(['migrate'])).toMatchObject({ code: 1, notes: expect.stringContaining('SIR_MASTER_KEY') });
  masterKey = newKey;
  expect(await sirServer(['migrate'])).toMatchObject({ code: 0 });
  const [row] = await database.sql<{ sealed: Buffer }[]>`
    select hmac_secret_encrypted as sealed from api_keys where partner_id = ${partnerId}`;
  const place = hmacSecretPlace({ partnerId, environment: 'sandbox', id: key.id });
  expect(createSecretBox(newKey).open(place, row?.sealed ?? Buffer.alloc(0))).toBe(key.hmacSecret);
});

test('the list of sealed columns is that of the database', async () => {
  const columns = await database.sql<{ table: string; column: string }[]>`
    select table_name as table, column_name as column from information_schema.columns
    where table_schema = current_schema() and data_type = 'bytea'
      and (column_name like '%encrypted%' or column_name like '%sealed%')`;
  const names = (list: readonly { table: string; column: string }[]) =>
    list.map((one) => `${one.table}.${one.column}`).sort();
  expect(names(sealedColumns)).toEqual(names(columns));
});
