import type { DashboardSummary } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { readPool } from '../pools/index.ts';
import { actionFigures, readCountedUntil, tokenFigures } from './read-hours.ts';

const DAY_MILLISECONDS = 86_400_000;
const DEFAULT_DAYS = 30;
const SHOWN_TYPES = 20;
const SHOWN_POOLS = 10;

/** The figures of the last days, of whole hours: the first one may have begun before. */
export async function readSummary(
  sql: Queryable,
  tenant: Tenant,
  { days = DEFAULT_DAYS }: { days?: number },
  now: Date,
): Promise<DashboardSummary> {
  const since = new Date(now.getTime() - days * DAY_MILLISECONDS);
  const [rows, countedUntil, users, webhooks, pools] = await Promise.all([
    readFigures(sql, tenant, since),
    readCountedUntil(sql, tenant),
    countUsers(sql, tenant),
    readDeliveries(sql, tenant, now),
    readPools(sql, tenant, now),
  ]);
  const totals = new Map<string, number>();
  for (const { figure, amount } of rows) totals.set(figure, (totals.get(figure) ?? 0) + amount);
  return {
    since: since.toISOString(),
    until: now.toISOString(),
    countedUntil,
    tokens: tokenFigures(totals),
    actions: { ...actionFigures(totals), ...actionsByKind(rows) },
    users: { total: users, created: totals.get('users.created') ?? 0 },
    webhooks,
    pools,
  };
}

interface Figure {
  figure: string;
  dimension: string;
  amount: number;
}

function readFigures(sql: Queryable, { partnerId, environment }: Tenant, since: Date): Promise<Figure[]> {
  return sql<Figure[]>`
    select figure, dimension, sum(amount)::bigint as amount
    from dashboard_hours
    where partner_id = ${partnerId} and environment = ${environment} and hour >= date_trunc('hour', ${since}::timestamptz, 'UTC')
    group by figure, dimension`;
}

function actionsByKind(rows: readonly Figure[]) {
  const issued = new Map(
    rows.filter(({ figure }) => figure === 'tokens.issued').map((row) => [row.dimension, row.amount]),
  );
  const ofFigure = (wanted: string) =>
    rows
      .filter(({ figure }) => figure === wanted)
      .sort((a, b) => b.amount - a.amount || (a.dimension < b.dimension ? -1 : 1));
  return {
    byType: ofFigure('actions.completed')
      .slice(0, SHOWN_TYPES)
      .map(({ dimension, amount }) => ({
        actionType: dimension,
        completed: amount,
        tokensIssued: issued.get(dimension) ?? 0,
      })),
    failuresByCode: ofFigure('actions.failed').map(({ dimension, amount }) => ({ code: dimension, count: amount })),
  };
}

/** All that were ever created, by the hours, less those who were erased. */
async function countUsers(sql: Queryable, { partnerId, environment }: Tenant): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select greatest(0, coalesce((
        select sum(amount) from dashboard_hours
        where partner_id = ${partnerId} and environment = ${environment} and figure = 'users.created'
      ), 0) - (
        select count(*) from partner_users
        where partner_id = ${partnerId} and environment = ${environment} and erased_at is not null
      ))::bigint as count`;
  return row?.count ?? 0;
}

/** The deliveries of the last 24 hours. Their ids begin with their time, so that older ones are not passed. */
async function readDeliveries(sql: Queryable, { partnerId, environment }: Tenant, now: Date) {
  const since = new Date(now.getTime() - DAY_MILLISECONDS);
  const digits = Math.max(0, since.getTime() - DAY_MILLISECONDS)
    .toString(16)
    .padStart(12, '0');
  const lowest = `${digits.slice(0, 8)}-${digits.slice(8)}-0000-0000-000000000000`;
  const [row] = await sql<{ succeeded: number; exhausted: number; pending: number }[]>`
    select count(*) filter (where status = 'SUCCEEDED') as succeeded, count(*) filter (where status = 'EXHAUSTED') as exhausted,
      count(*) filter (where status = 'PENDING') as pending
    from webhook_deliveries
    where partner_id = ${partnerId} and environment = ${environment} and id >= ${lowest} and created_at >= ${since}`;
  const { succeeded = 0, exhausted = 0, pending = 0 } = row ?? {};
  const ended = succeeded + exhausted;
  return { succeeded, exhausted, pending, successRate: ended === 0 ? null : succeeded / ended };
}

/** The default pool first. */
async function readPools(sql: Queryable, tenant: Tenant, now: Date): Promise<DashboardSummary['pools']> {
  const ids = await sql<{ id: string }[]>`
    select id from token_pools
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}
    order by is_default desc, id desc limit ${SHOWN_POOLS}`;
  const pools = await Promise.all(ids.map(({ id }) => readPool(sql, tenant, id, now)));
  return pools.map(({ id, name, status, isDefault, balance, runway }) => ({
    id,
    name,
    status,
    isDefault,
    balance,
    runway: runway ?? { tokensPerDay: { last7Days: 0, last28Days: 0 }, daysLeft: null },
  }));
}
