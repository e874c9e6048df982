import type { Sql } from '../../src/platform/db.ts';

/** Of each table how many rows it has, and a digest of all that is in them: equal before and after means that nothing was written. */
export type TableContents = Readonly<Record<string, { rows: number; digest: string }>>;

/** What the server notes of its callers every few seconds by itself: that a key was used, and what a partner did for the first time. */
const NOTED_TABLES = ['integration_milestones', 'request_log'];
const NOTED_COLUMNS = ['last_used_at', 'last_used_ip'];

/** Looks at every table there is, in one snapshot, except for what is noted in the background. */
export async function tableContents(sql: Sql): Promise<TableContents> {
  const tables = await sql<{ name: string }[]>`
    select format('%I', tablename) as name from pg_tables 
    where schemaname = 'public' and tablename <> all (${NOTED_TABLES}) order by tablename`;
  // Added up, so that the order in which rows are found says nothing.
  const each = tables.map(
    ({ name }) =>
      `select '${name}' as name, count(*) as rows, coalesce(sum(hashtextextended((to_jsonb(t) - array['${NOTED_COLUMNS.join(`','`)}'])::text, 0)), 0)::text as digest from ${name} t`,
  );
  const counted = await sql.unsafe<{ name: string; rows: number; digest: string }[]>(each.join(' union all '));
  return Object.fromEntries(counted.map(({ name, rows, digest }) => [name, { rows, digest }]));
}
