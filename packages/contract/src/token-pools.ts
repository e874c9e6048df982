import Type, { type Static } from 'typebox';
import { ActionType } from './actions.ts';
import { Id, ListOf, listQuery, ShortText, Timestamp, Tokens } from './common.ts';

/** More than any pool will hold, and far below where numbers stop being exact. */
export const MAX_POOL_TOKENS = 1_000_000_000_000;
export const MAX_POOL_NAME_CHARACTERS = 100;
/** Rates have at most this many places after the point. */
export const RATE_DECIMALS = 6;
export const MAX_BALANCE_THRESHOLDS = 5;

const WantedTokens = (description: string) => Type.Integer({ minimum: 1, maximum: MAX_POOL_TOKENS, description });

export const BalanceThreshold = Type.Object(
  {
    percent: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 90, description: 'Of the balance right after the last allocation.' }),
    ),
    tokens: Type.Optional(WantedTokens('A number of tokens.')),
  },
  { description: 'Either `percent` or `tokens`: reached when the balance is at it or below.' },
);
export type BalanceThreshold = Static<typeof BalanceThreshold>;

export const AutoRefill = Type.Object(
  {
    amount: WantedTokens('How many tokens to add each time.'),
    floor: Type.Integer({
      minimum: 0,
      maximum: MAX_POOL_TOKENS,
      description: 'Refill when the balance is at it or below.',
    }),
    monthlyCeiling: WantedTokens('At most this many tokens are added, or asked for, in a calendar month (UTC).'),
  },
  { description: 'In the sandbox the pool fills itself; in production a request is filed, which SIR Giving approves.' },
);
export type AutoRefill = Static<typeof AutoRefill>;

export const PoolRestrictions = Type.Object({
  actionTypes: Type.Optional(
    Type.Array(ActionType, {
      minItems: 1,
      maxItems: 50,
      description: 'Only actions of these types draw from the pool; others are 422 `ACTION_TYPE_NOT_ALLOWED`.',
    }),
  ),
});
export type PoolRestrictions = Static<typeof PoolRestrictions>;

const ReprocessFailed = Type.Object({
  actions: Type.Boolean({
    description:
      'Whether actions that failed only for want of tokens are processed again when this pool, as the default, is funded.',
  }),
});

export const Runway = Type.Object(
  {
    tokensPerDay: Type.Object({ last7Days: Type.Number(), last28Days: Type.Number() }),
    daysLeft: Type.Union([Type.Number(), Type.Null()], {
      description: 'At the faster of the two; null when nothing was given out.',
    }),
  },
  { description: 'How long the balance lasts, from what the ledger says was given out net of reversals.' },
);
export type Runway = Static<typeof Runway>;

export const TokenPool = Type.Object({
  id: Id('pool'),
  name: Type.String(),
  status: Type.Enum(['ACTIVE', 'CLOSED']),
  isDefault: Type.Boolean({ description: 'Actions draw from the default pool of their environment.' }),
  balance: Tokens,
  allocated: Tokens,
  issued: Tokens,
  reversed: Tokens,
  rates: Type.Record(Type.String(), Type.Number(), { description: 'SIR tokens for 1.00 of each currency.' }),
  restrictions: PoolRestrictions,
  lowBalance: Type.Object({
    thresholds: Type.Array(BalanceThreshold),
    state: Type.Enum(['OK', 'LOW', 'DEPLETED']),
    lastAllocationBalance: Type.Integer({
      description: 'The balance right after the last allocation: what thresholds in percent are of.',
    }),
  }),
  autoRefill: Type.Optional(AutoRefill),
  reprocessFailed: ReprocessFailed,
  runway: Type.Optional(Runway),
  createdAt: Timestamp,
});
export type TokenPool = Static<typeof TokenPool>;

export const TokenPoolList = ListOf(TokenPool);
export const TokenPoolListQuery = Type.Object(
  { ...listQuery, status: Type.Optional(Type.Enum(['ACTIVE', 'CLOSED'])) },
  { additionalProperties: false },
);
export const TokenPoolParams = Type.Object({ id: Id('pool') });

export const UpdateTokenPool = Type.Object({
  name: Type.Optional(ShortText(MAX_POOL_NAME_CHARACTERS, 'What people call the pool.')),
  rates: Type.Optional(
    Type.Record(Type.String(), Type.Number({ minimum: 0.000001, maximum: 1_000_000 }), {
      minProperties: 1,
      maxProperties: 200,
      propertyNames: { pattern: '^[A-Z]{3}$' },
      description: `SIR tokens for 1.00 of each currency (ISO 4217), at most ${RATE_DECIMALS} decimals. Replaces the whole table.`,
    }),
  ),
  restrictions: Type.Optional(PoolRestrictions),
  lowBalance: Type.Optional(
    Type.Object({ thresholds: Type.Array(BalanceThreshold, { maxItems: MAX_BALANCE_THRESHOLDS }) }),
  ),
  autoRefill: Type.Optional(Type.Union([AutoRefill, Type.Null()], { description: 'null turns it off.' })),
  reprocessFailed: Type.Optional(ReprocessFailed),
  isDefault: Type.Optional(
    Type.Literal(true, { description: 'Actions draw from this pool from now on, instead of the default one so far.' }),
  ),
});
export type UpdateTokenPool = Static<typeof UpdateTokenPool>;

export const tokenPoolRequestStatuses = ['PENDING', 'APPROVED', 'DENIED'] as const;

export const RequestTokenPool = Type.Object({
  tokens: WantedTokens('How many SIR tokens are asked for.'),
  poolId: Type.Optional(Id('pool')),
  name: Type.Optional(ShortText(MAX_POOL_NAME_CHARACTERS, 'Asks for a new pool of this name.')),
  reason: Type.Optional(ShortText(500, 'What the tokens are for: whoever approves reads it.')),
});
export type RequestTokenPool = Static<typeof RequestTokenPool>;

export const TokenPoolRequest = Type.Object({
  id: Id('preq'),
  status: Type.Enum([...tokenPoolRequestStatuses]),
  tokens: Tokens,
  approvedTokens: Type.Optional(
    Type.Integer({ description: 'What was allocated; it may differ from what was asked for.' }),
  ),
  poolId: Type.Optional(Id('pool')),
  name: Type.Optional(Type.String({ description: 'Of the new pool that was asked for.' })),
  reason: Type.Optional(Type.String()),
  requestedBy: Type.Enum(['API_KEY', 'MEMBER', 'ADMIN', 'AUTO_REFILL']),
  denialReason: Type.Optional(Type.String()),
  transactionId: Type.Optional(Id('txn')),
  createdAt: Timestamp,
  decidedAt: Type.Optional(Timestamp),
});
export type TokenPoolRequest = Static<typeof TokenPoolRequest>;

export const TokenPoolRequestList = ListOf(TokenPoolRequest);
export const TokenPoolRequestListQuery = Type.Object(
  {
    ...listQuery,
    status: Type.Optional(Type.Enum([...tokenPoolRequestStatuses])),
    poolId: Type.Optional(Id('pool')),
  },
  { additionalProperties: false },
);
