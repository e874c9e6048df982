import type { Sql } from '../../src/platform/db.ts';

/** Of each table how many rows it has, and a digest of all that is in them: equal before and after means that nothing was written. */
export type TableContents = Readonly<Record<string, { rows: number; digest: string }>>;

/** Looks at every table there is, in one snapshot. */
export async function tableContents(sql: Sql): Promise<TableContents> {
  const tables = await sql<{ name: string }[]>`
    select format('%I', tablename) as name from pg_tables where schemaname = 'public' order by tablename`;
  // Added up, so that the order in which rows are found says nothing.
  const each = tables.map(
    ({ name }) =>
      `select '${name}' as name, count(*) as rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text as digest from ${name} t`,
  );
  const counted = await sql.unsafe<{ name: string; rows: number; digest: string }[]>(each.join(' union all '));
  return Object.fromEntries(counted.map(({ name, rows, digest }) => [name, { rows, digest }]));
}
