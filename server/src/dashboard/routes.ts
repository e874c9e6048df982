import {
  DashboardSummary,
  DashboardSummaryQuery,
  DashboardTimeseries,
  DashboardTimeseriesQuery,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint } from '../platform/endpoint.ts';
import { readTimeseries } from './read-hours.ts';
import { readSummary } from './read-summary.ts';

/** The endpoints under `/v1/partner/dashboard`. */
export function dashboardEndpoints({ sql }: { sql: Sql }) {
  const summary = endpoint(
    {
      summary: 'Get the dashboard’s summary',
      description:
        'What happened in the last days, and how long your pools last. Counted in whole hours, some seconds behind; `countedUntil` says ' +
        'how far.',
      query: DashboardSummaryQuery,
      status: 200,
      answer: DashboardSummary,
      errors: [],
    },
    ({ tenant, query, now }) => readSummary(sql, tenant, query, now),
  );
  const timeseries = endpoint(
    {
      summary: 'Get the dashboard’s time series',
      description: 'The same figures for each hour (at most 31 days of them) or day (at most 366), in UTC.',
      query: DashboardTimeseriesQuery,
      status: 200,
      answer: DashboardTimeseries,
      errors: [],
    },
    ({ tenant, query, now }) => readTimeseries(sql, tenant, query, now),
  );
  return { summary, timeseries };
}
