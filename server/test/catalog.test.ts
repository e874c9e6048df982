import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Queryable } from '../src/platform/db.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

// What Citus, which the same schema is to be distributed with, would refuse (ARCHITECTURE.md, Scale), read from the catalogs of a plain
// PostgreSQL; and what of it only the source shows.

/** Copied to every node and found without a partner; nothing of a tenant refers to them. A new one is named here, or it is a tenant's. */
const REFERENCE_TABLES = [
  'account_identities',
  'account_recovery_codes',
  'account_registrations',
  'account_sessions',
  'accounts',
  'api_key_lookup',
  'attempt_counters',
  'audit_head',
  'audit_log',
  'credential_changes',
  'mail_outbox',
  'master_key_checks',
  'partner_invitation_lookup',
  'partner_member_lookup',
  'partner_slugs',
  'password_resets',
  'schema_migrations',
];
/** Distributed by another column than `partner_id`. */
const DISTRIBUTION_COLUMNS: Readonly<Record<string, string>> = { partners: 'id' };
/** Words of closed lists, which sort alike under every collation. */
const CLOSED_LISTS = ['environment', 'kind'];

const distributionColumn = (table: string) => DISTRIBUTION_COLUMNS[table] ?? 'partner_id';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function tableFaults(sql: Queryable): Promise<string[]> {
  const tables = await sql<{ name: string; columns: string[]; hasPrimaryKey: boolean }[]>`
    select c.relname as name,
      array_agg(format('%s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)) as columns,
      exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) as "hasPrimaryKey"
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    group by c.oid, c.relname`;
  const names = tables.map(({ name }) => name);
  const unknown = REFERENCE_TABLES.filter((name) => !names.includes(name));
  const tenants = tables.filter(({ name }) => !REFERENCE_TABLES.includes(name));
  return [
    ...unknown.map((name) => `${name} is listed as a reference table and does not exist`),
    ...tenants.flatMap(({ name, columns, hasPrimaryKey }) => [
      ...(columns.includes(`${distributionColumn(name)} uuid t`)
        ? []
        : [`${name} has no column ${distributionColumn(name)} uuid not null`]),
      ...(hasPrimaryKey ? [] : [`${name} has no primary key`]),
    ]),
  ];
}

async function keyFaults(sql: Queryable): Promise<string[]> {
  const keys = await sql<{ table: string; name: string; first: string | null; loose: string[] }[]>`
    select t.relname as table, x.relname as name, f.attname as first,
      array(
        select a.attname::text
        from unnest(i.indkey::int[]) with ordinality as k (number, position)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = k.number
        join pg_collation o on o.oid = i.indcollation[k.position - 1]
        where o.collname <> 'C'
      ) as loose
    from pg_index i
    join pg_class t on t.oid = i.indrelid and t.relnamespace = 'public'::regnamespace
    join pg_class x on x.oid = i.indexrelid
    left join pg_attribute f on f.attrelid = t.oid and f.attnum = i.indkey[0]
    where i.indisunique or i.indisexclusion`;
  return keys.flatMap(({ table, name, first, loose }) => [
    ...(REFERENCE_TABLES.includes(table) || first === distributionColumn(table)
      ? []
      : [`${name} of ${table} does not begin with ${distributionColumn(table)}`]),
    ...loose
      .filter((column) => !CLOSED_LISTS.includes(column))
      .map((column) => `${name} of ${table} holds the text ${column}, which is not collate "C"`),
  ]);
}

async function foreignKeyFaults(sql: Queryable): Promise<string[]> {
  const foreignKeys = await sql<
    { table: string; name: string; target: string; from: string; to: string; action: string }[]
  >`
    select t.relname as table, c.conname as name, r.relname as target, f.attname as from, o.attname as to, c.confdeltype as action
    from pg_constraint c
    join pg_class t on t.oid = c.conrelid and t.relnamespace = 'public'::regnamespace
    join pg_class r on r.oid = c.confrelid
    join pg_attribute f on f.attrelid = c.conrelid and f.attnum = c.conkey[1]
    join pg_attribute o on o.attrelid = c.confrelid and o.attnum = c.confkey[1]
    where c.contype = 'f'`;
  return foreignKeys.flatMap(({ table, name, target, from, to, action }) => [
    ...tenancyFaults(table, name, target, from === distributionColumn(table) && to === distributionColumn(target)),
    ...(action === 'n' || action === 'd' ? [`${name} of ${table} sets columns when its target is deleted`] : []),
  ]);
}

/** Reference tables refer to each other only; a tenant's table to its own tenant's rows, which stand on the same node. */
function tenancyFaults(table: string, name: string, target: string, isWithinTenant: boolean): string[] {
  const [isReference, toReference] = [REFERENCE_TABLES.includes(table), REFERENCE_TABLES.includes(target)];
  if (isReference) return toReference ? [] : [`${name} of the reference table ${table} refers to ${target}`];
  if (toReference) return [`${name} of ${table} refers to the reference table ${target}`];
  return isWithinTenant ? [] : [`${name} of ${table} does not begin with ${distributionColumn(table)}`];
}

async function machineryFaults(sql: Queryable): Promise<string[]> {
  const rows = await sql<{ fault: string }[]>`
    select format('%s has the trigger %s', t.relname, g.tgname) as fault
    from pg_trigger g join pg_class t on t.oid = g.tgrelid and t.relnamespace = 'public'::regnamespace
    where not g.tgisinternal
    union all
    select format('%s of %s is an identity column', a.attname, t.relname)
    from pg_attribute a join pg_class t on t.oid = a.attrelid and t.relnamespace = 'public'::regnamespace
    where a.attidentity <> '' and t.relkind in ('r', 'p')
    union all
    select format('%s is a sequence', relname) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'S'
    union all
    select format('%s is a rule of %s', r.rulename, t.relname)
    from pg_rewrite r join pg_class t on t.oid = r.ev_class and t.relnamespace = 'public'::regnamespace
    where t.relkind in ('r', 'p')`;
  return rows.map(({ fault }) => fault);
}

async function catalogFaults(sql: Queryable): Promise<string[]> {
  const faults = [
    await tableFaults(sql),
    await keyFaults(sql),
    await foreignKeyFaults(sql),
    await machineryFaults(sql),
  ];
  return faults.flat();
}

/** The parts of an ALTER TABLE's list, split at the commas outside of parentheses. */
function subcommandsOf(statement: string): string[] {
  let depth = 0;
  const parts = [''];
  for (const character of statement) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}

/** What the text of a migration or a source file holds that a distributed database would refuse or that would not be safe there. */
function sourceFaults(name: string, text: string): string[] {
  const sql = text.replaceAll(/(^|\s)--\s.*$/gm, '').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  // What stands in quotes has commas of its own.
  const withoutWords = sql.replaceAll(/'[^'\n]*'/g, "''");
  const faults: string[] = [];
  if (/pg_(try_)?advisory_/i.test(sql)) faults.push(`${name} uses an advisory lock`);
  if (/\bpg_notify\s*\(|^\s*(notify|listen)\s+\w+\s*;/im.test(sql)) faults.push(`${name} uses NOTIFY`);
  for (const [update] of sql.matchAll(/\bdo\s+update\s+set\b[^`;]*/gi)) {
    if (/\b(now|clock_timestamp|statement_timestamp)\s*\(|\bcurrent_timestamp\b/i.test(update))
      faults.push(`${name} takes the time inside DO UPDATE SET`);
  }
  for (const [, list = ''] of withoutWords.matchAll(
    /\balter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?[\w."]+\s+([^;`]*)/gi,
  )) {
    if (subcommandsOf(list).length > 1) faults.push(`${name} has several subcommands in one ALTER TABLE`);
  }
  return faults;
}

function sources(): { name: string; text: string }[] {
  const server = fileURLToPath(new URL('..', import.meta.url));
  const files = (folder: string, pattern: RegExp) =>
    readdirSync(join(server, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name))
      .map((name) => ({ name: join(folder, name), text: readFileSync(join(server, folder, name), 'utf8') }));
  return [...files('migrations', /\.sql$/), ...files('src', /(?<!\.test)\.ts$/)];
}

test('the schema holds nothing that a distributed database refuses', async () => {
  expect(await catalogFaults(database.sql)).toEqual([]);
});

test('no statement of the source is one that a distributed database refuses', () => {
  const all = sources();
  expect(all.length).toBeGreaterThan(50);
  expect(all.flatMap(({ name, text }) => sourceFaults(name, text))).toEqual([]);
});

class RolledBack extends Error {}

describe('the catalog check names', () => {
  const key = 'partner_id uuid not null, id uuid not null, primary key (partner_id, id)';
  test.each([
    [
      'a table without a partner',
      'create table bad (id uuid primary key)',
      'bad has no column partner_id uuid not null',
    ],
    [
      'a partner that may be missing',
      'create table bad (partner_id uuid, id uuid primary key)',
      'bad has no column partner_id',
    ],
    [
      'a partner of another type',
      'create table bad (partner_id text collate "C" primary key)',
      'bad has no column partner_id',
    ],
    ['a table without a primary key', 'create table bad (partner_id uuid not null)', 'bad has no primary key'],
    [
      'a primary key without the partner',
      'create table bad (partner_id uuid not null, id uuid primary key)',
      'bad_pkey of bad',
    ],
    [
      'a primary key with the partner behind',
      'create table bad (partner_id uuid, id uuid, primary key (id, partner_id))',
      'bad_pkey of bad',
    ],
    [
      'a unique constraint without the partner',
      `create table bad (${key}, code int unique)`,
      'bad_code_key of bad does not begin',
    ],
    [
      'a unique index without the partner',
      `create table bad (${key}, code int); create unique index bad_i on bad (code) where code > 0`,
      'bad_i of bad',
    ],
    [
      'a unique index over an expression',
      `create table bad (${key}, code int); create unique index bad_i on bad ((code + 1))`,
      'bad_i of bad',
    ],
    [
      'a text key that sorts by a language',
      `create table bad (${key}, code text, unique (partner_id, code))`,
      'holds the text code',
    ],
    [
      'a reference to a reference table',
      `create table bad (${key}, slug text collate "C" references partner_slugs (slug))`,
      'refers to the reference table partner_slugs',
    ],
    [
      'a reference table that refers to a tenant’s',
      'alter table partner_slugs add foreign key (partner_id) references partners (id)',
      'of the reference table partner_slugs refers to partners',
    ],
    [
      'a foreign key without the partner',
      `create table bad (${key}, other_id uuid references partners (id))`,
      'bad_other_id_fkey of bad does not begin',
    ],
    [
      'a foreign key that sets null',
      `create table bad (${key}, pool_id uuid, foreign key (partner_id, pool_id) references token_pools on delete set null (pool_id))`,
      'sets columns',
    ],
    [
      'a trigger',
      `create table bad (${key}); create trigger bad_t before update on bad for each row execute function suppress_redundant_updates_trigger()`,
      'bad has the trigger bad_t',
    ],
    [
      'an identity column',
      `create table bad (${key}, number int generated always as identity)`,
      'number of bad is an identity column',
    ],
    ['a serial column', `create table bad (${key}, number serial)`, 'bad_number_seq is a sequence'],
    ['a reference table that is gone', 'drop table partner_slugs', 'partner_slugs is listed'],
  ])('%s', async (_what, ddl, fault) => {
    const planted = database.sql.begin(async (tx) => {
      await tx.unsafe(ddl);
      const faults = await catalogFaults(tx);
      expect(faults.join('\n')).toContain(fault);
      throw new RolledBack();
    });
    await expect(planted).rejects.toBeInstanceOf(RolledBack);
  });
});

describe('the source check names', () => {
  test.each([
    ['an advisory lock', "sql.unsafe('select pg_advisory_xact_lock(1)')", 'advisory lock'],
    ['a notification', "select pg_notify('x', 'y')", 'NOTIFY'],
    [
      'a time taken in an upsert',
      'insert into t values (1) on conflict (id) do update set at = now()',
      'DO UPDATE SET',
    ],
    ['two changes in one ALTER TABLE', 'alter table t add column a int, add column b numeric(14, 4);', 'ALTER TABLE'],
  ])('%s', (_what, text, fault) => {
    expect(sourceFaults('x.sql', text).join()).toContain(fault);
  });

  test.each([
    ['one change with commas of its own', 'alter table t add constraint c check (a in (1, 2));'],
    ['a time that was passed in', 'insert into t values (1) on conflict (id) do update set at = ${' + 'now}'],
    ['one change with a list in quotes', "alter table t add column c text[] not null default '{A,B}';"],
    ['a comment', '-- pg_advisory_lock, now()'],
  ])('not %s', (_what, text) => {
    expect(sourceFaults('x.sql', text)).toEqual([]);
  });
});
