import Type, { type Static } from 'typebox';
import { Id, Timestamp, Tokens } from './common.ts';
import { Runway } from './token-pools.ts';

const Count = Type.Integer({ minimum: 0 });
const MAX_SUMMARY_DAYS = 366;

const TokenFigures = Type.Object({
  issued: Tokens,
  reversed: Tokens,
  redeemed: Tokens,
  allocated: Type.Integer({ description: 'SIR tokens that came into your pools.' }),
});
const ActionFigures = Type.Object({
  completed: Count,
  failed: Type.Integer({ description: 'How often an action failed; one that succeeds later is in both.' }),
  reversed: Type.Integer({ description: 'Reversals, whole or in part.' }),
});

const countedUntil = Type.Union([Timestamp, Type.Null()], {
  description: 'When the last event happened that is counted in here: some seconds ago. Null when there was none.',
});

export const DashboardSummaryQuery = Type.Object(
  {
    days: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_SUMMARY_DAYS, default: 30, description: 'How many days, up to now.' }),
    ),
  },
  { additionalProperties: false },
);

export const DashboardSummary = Type.Object({
  since: Timestamp,
  until: Timestamp,
  countedUntil,
  tokens: TokenFigures,
  actions: Type.Object({
    ...ActionFigures.properties,
    byType: Type.Array(Type.Object({ actionType: Type.String(), completed: Count, tokensIssued: Tokens }), {
      description: 'The 20 types with most actions.',
    }),
    failuresByCode: Type.Array(Type.Object({ code: Type.String(), count: Count })),
  }),
  users: Type.Object({ total: Count, created: Count }),
  webhooks: Type.Object(
    {
      succeeded: Count,
      exhausted: Count,
      pending: Count,
      successRate: Type.Union([Type.Number({ minimum: 0, maximum: 1 }), Type.Null()], {
        description: 'Of what was delivered or given up; null when nothing was.',
      }),
    },
    { description: 'Deliveries of the last 24 hours.' },
  ),
  pools: Type.Array(
    Type.Object({
      id: Id('pool'),
      name: Type.String(),
      status: Type.Enum(['ACTIVE', 'CLOSED']),
      isDefault: Type.Boolean(),
      balance: Tokens,
      runway: Runway,
    }),
  ),
});
export type DashboardSummary = Static<typeof DashboardSummary>;

export const dashboardIntervals = ['hour', 'day'] as const;
export type DashboardInterval = (typeof dashboardIntervals)[number];

export const DashboardTimeseriesQuery = Type.Object(
  {
    interval: Type.Optional(Type.Enum([...dashboardIntervals], { default: 'day' })),
    since: Type.Optional(Type.String({ format: 'date-time', description: '30 days (hours: 1 day) before `until`.' })),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Now, when left out.' })),
  },
  { additionalProperties: false },
);

export const DashboardTimeseries = Type.Object({
  interval: Type.Enum([...dashboardIntervals]),
  countedUntil,
  data: Type.Array(
    Type.Object({
      at: Type.String({ format: 'date-time', description: 'When the hour or the day (UTC) begins.' }),
      tokens: TokenFigures,
      actions: ActionFigures,
      users: Type.Object({ created: Count }),
    }),
    { description: 'Oldest first; hours and days in which nothing happened are in it.' },
  ),
});
export type DashboardTimeseries = Static<typeof DashboardTimeseries>;
