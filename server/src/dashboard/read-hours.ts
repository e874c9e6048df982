import type { DashboardInterval, DashboardTimeseries } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';

/** Amounts by figure, such as `tokens.issued`. */
export type Figures = ReadonlyMap<string, number>;

export const tokenFigures = (of: Figures) => ({
  issued: of.get('tokens.issued') ?? 0,
  reversed: of.get('tokens.reversed') ?? 0,
  redeemed: of.get('tokens.redeemed') ?? 0,
  allocated: of.get('tokens.allocated') ?? 0,
});

export const actionFigures = (of: Figures) => ({
  completed: of.get('actions.completed') ?? 0,
  failed: of.get('actions.failed') ?? 0,
  reversed: of.get('actions.reversed') ?? 0,
});

/** When the last event happened that is counted. */
export async function readCountedUntil(sql: Queryable, { partnerId, environment }: Tenant): Promise<string | null> {
  const [row] = await sql<{ at: Date | null }[]>`
    select counted_until as at from dashboard_cursors where partner_id = ${partnerId} and environment = ${environment}`;
  return row?.at?.toISOString() ?? null;
}

const HOUR_MILLISECONDS = 3_600_000;
const STEP_MILLISECONDS = { hour: HOUR_MILLISECONDS, day: 24 * HOUR_MILLISECONDS };
const DEFAULT_STEPS = { hour: 24, day: 30 };
const MAX_STEPS = { hour: 31 * 24, day: 366 };

interface Window {
  interval: DashboardInterval;
  /** When the first step begins, and when the last one ends, in milliseconds. */
  since: number;
  until: number;
}

const EARLIEST = Date.UTC(2000, 0, 1);
const LATEST = Date.UTC(9999, 0, 1);

/** Whole steps that hold the times asked for. Throws 400 `INVALID_REQUEST`. */
function windowOf(query: { interval?: DashboardInterval; since?: string; until?: string }, now: Date): Window {
  const interval = query.interval ?? 'day';
  const step = STEP_MILLISECONDS[interval];
  const end = query.until === undefined ? now.getTime() : instant('until', query.until);
  if (end < EARLIEST || end > LATEST) throw refused('until', 'must lie between the years 2000 and 9998');
  const until = Math.ceil(end / step) * step;
  const begin = query.since === undefined ? until - DEFAULT_STEPS[interval] * step : instant('since', query.since);
  const since = Math.floor(begin / step) * step;
  const steps = (until - since) / step;
  if (steps < 1) throw refused('since', 'must be before until');
  if (steps > MAX_STEPS[interval]) throw refused('since', `at most ${MAX_STEPS[interval]} ${interval}s before until`);
  return { interval, since, until };
}

function instant(name: string, text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw refused(name, 'must be an RFC 3339 time');
  return time;
}

function refused(path: string, message: string) {
  return problem('INVALID_REQUEST', `\`${path}\` ${message}.`, { errors: [{ path, message }] });
}

/** What happened in each hour or day, oldest first. Throws 400 `INVALID_REQUEST` for a window that is none or too long. */
export async function readTimeseries(
  sql: Queryable,
  tenant: Tenant,
  query: { interval?: DashboardInterval; since?: string; until?: string },
  now: Date,
): Promise<DashboardTimeseries> {
  const { interval, since, until } = windowOf(query, now);
  const [rows, countedUntil] = await Promise.all([
    sql<{ at: Date; figure: string; amount: number }[]>`
      select date_trunc(${interval}, hour, 'UTC') as at, figure, sum(amount)::bigint as amount
      from dashboard_hours
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}
        and hour >= ${new Date(since)} and hour < ${new Date(until)}
      group by 1, 2`,
    readCountedUntil(sql, tenant),
  ]);
  const steps = new Map<number, Map<string, number>>();
  for (let at = since; at < until; at += STEP_MILLISECONDS[interval]) steps.set(at, new Map());
  for (const { at, figure, amount } of rows) steps.get(at.getTime())?.set(figure, amount);
  const data = [...steps].map(([at, figures]) => ({
    at: new Date(at).toISOString(),
    tokens: tokenFigures(figures),
    actions: actionFigures(figures),
    users: { created: figures.get('users.created') ?? 0 },
  }));
  return { interval, countedUntil, data };
}
