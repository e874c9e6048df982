import Type, { type Static } from 'typebox';
import {
  Email,
  ExternalUserId,
  Id,
  IdempotencyKey,
  ListOf,
  listQuery,
  Metadata,
  ProblemSchema,
  ShortText,
  Timestamp,
  Tokens,
} from './common.ts';

const CODE_PATTERN = '^[A-Z][A-Z0-9_]{1,39}$';
export const ActionType = Type.String({
  pattern: CODE_PATTERN,
  description: 'PURCHASE, VOLUNTEER, DONATION, REFERRAL, ADVOCACY, or your own.',
});
export const StakeholderTypeCode = Type.String({
  pattern: CODE_PATTERN,
  description: 'CUSTOMER, DONOR, VOLUNTEER, REFERRER, REFEREE, ADVOCATE, ORGANIZATION, or your own.',
});

/** Decimal amounts have at most this many places after the point. */
export const AMOUNT_DECIMALS = 4;
export const MAX_AMOUNT = 1_000_000_000;
export const MAX_BATCH_ITEMS = 1000;

export const Stakeholder = Type.Object({
  stakeholderTypeCode: StakeholderTypeCode,
  partnerUserId: ExternalUserId,
  userEmail: Type.Optional(Email),
  userFirstName: Type.Optional(ShortText(100, 'Given name.')),
  userLastName: Type.Optional(ShortText(100, 'Family name.')),
});

const Decimal = (description: string) => Type.Number({ minimum: 0, maximum: MAX_AMOUNT, description });

/** Unknown fields are ignored and named in X-SIR-Ignored-Fields: existing clients must go on working. */
export const SubmitAction = Type.Object({
  idempotencyKey: IdempotencyKey,
  actionType: ActionType,
  amount: Type.Optional(Decimal('Decimal number, at most 4 places after the point.')),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217.' })),
  quantity: Type.Optional(Decimal('How many units, the hours of a shift say.')),
  unit: Type.Optional(ShortText(40, 'What `quantity` counts.')),
  stakeholders: Type.Array(Stakeholder, {
    minItems: 1,
    maxItems: 20,
    description: 'Who is rewarded; the tokens are shared equally.',
  }),
  autoCreateUsers: Type.Optional(Type.Boolean({ default: true, description: 'Create unknown users on the way.' })),
  campaignId: Type.Optional(Id('cmp')),
  occurredAt: Type.Optional(Timestamp),
  metadata: Type.Optional(Metadata),
});
export type SubmitAction = Static<typeof SubmitAction>;

export const Distribution = Type.Object({
  stakeholderTypeCode: StakeholderTypeCode,
  partnerUserId: ExternalUserId,
  campaignId: Type.Optional(Id('cmp')),
  tokens: Tokens,
  availableAt: Timestamp,
});

const submittedFields = {
  actionId: Id('act'),
  idempotencyKey: IdempotencyKey,
  status: Type.Enum(['COMPLETED', 'FAILED', 'PARTIALLY_REVERSED', 'REVERSED']),
  tokensDistributed: Tokens,
  transactionIds: Type.Array(Id('txn')),
  distributions: Type.Array(Distribution),
  campaignIds: Type.Array(Id('cmp')),
  poolId: Type.Optional(Id('pool')),
  createdAt: Timestamp,
};

export const SubmittedAction = Type.Object(submittedFields);
export type SubmittedAction = Static<typeof SubmittedAction>;

export const Action = Type.Object({
  ...submittedFields,
  actionType: ActionType,
  amount: Type.Optional(Type.Number()),
  currency: Type.Optional(Type.String()),
  quantity: Type.Optional(Type.Number()),
  unit: Type.Optional(Type.String()),
  occurredAt: Type.Optional(Timestamp),
  stakeholders: Type.Array(Type.Object({ stakeholderTypeCode: StakeholderTypeCode, partnerUserId: ExternalUserId })),
  metadata: Metadata,
  failureCode: Type.Optional(Type.String()),
  reversedTokens: Tokens,
  attempts: Type.Integer({
    description: 'How often it was processed; a FAILED action is processed anew by its own key.',
  }),
});
export type Action = Static<typeof Action>;

export const ActionList = ListOf(Action);
export const ActionListQuery = Type.Object(
  {
    ...listQuery,
    status: Type.Optional(Type.Enum(['COMPLETED', 'FAILED', 'PARTIALLY_REVERSED', 'REVERSED'])),
    idempotencyKey: Type.Optional(IdempotencyKey),
    actionType: Type.Optional(ActionType),
    externalUserId: Type.Optional(ExternalUserId),
  },
  { additionalProperties: false },
);
export const ActionParams = Type.Object({ id: Id('act') });

export const BatchActions = Type.Object(
  {
    actions: Type.Array(Type.Unknown(), { minItems: 1, maxItems: MAX_BATCH_ITEMS, description: 'Each as in submit.' }),
    mode: Type.Enum(['independent', 'atomic'], { description: 'atomic: all or nothing.' }),
  },
  { additionalProperties: false },
);

export const batchItemStatuses = [
  'COMPLETED',
  'FAILED',
  'REJECTED',
  'UNAVAILABLE',
  'UNKNOWN',
  'NOT_ATTEMPTED',
] as const;
export const BatchItemProblem = Type.Object(
  { ...ProblemSchema.properties, actionId: Type.Optional(Id('act')) },
  { description: 'Why an item was not rewarded; a 402 names the action that is kept as FAILED.' },
);
export const BatchResult = Type.Object({
  index: Type.Integer(),
  status: Type.Enum([...batchItemStatuses]),
  action: Type.Optional(SubmittedAction),
  error: Type.Optional(BatchItemProblem),
});
export type BatchResult = Static<typeof BatchResult>;

export const BatchAnswer = Type.Object({
  results: Type.Array(BatchResult),
  summary: Type.Object({
    total: Type.Integer(),
    completed: Type.Integer(),
    failed: Type.Integer(),
    rejected: Type.Integer(),
    unavailable: Type.Integer(),
    unknown: Type.Integer(),
    notAttempted: Type.Integer(),
    tokensDistributed: Tokens,
  }),
});
export type BatchAnswer = Static<typeof BatchAnswer>;

export const ActionPreview = Type.Object({
  status: Type.Enum(['COMPLETED', 'FAILED']),
  failureCode: Type.Optional(Type.String()),
  tokens: Tokens,
  distributions: Type.Array(Distribution),
  campaignIds: Type.Array(Id('cmp')),
  poolId: Type.Optional(Id('pool')),
});
export type ActionPreview = Static<typeof ActionPreview>;

export const ExplainStep = Type.Object({ name: Type.String(), formula: Type.String(), result: Type.String() });
export const ActionExplanation = Type.Object({
  actionId: Id('act'),
  evaluatorVersion: Type.Integer(),
  status: Type.String(),
  failureCode: Type.Optional(Type.String()),
  inputs: Type.Object(
    {},
    { additionalProperties: true, description: 'What the evaluation was given; nothing else decides.' },
  ),
  campaigns: Type.Array(Type.Unknown(), { description: 'Every campaign considered, and what decided.' }),
  steps: Type.Array(ExplainStep),
  distributions: Type.Array(Distribution),
  poolBalance: Type.Optional(Type.Object({ before: Tokens, after: Tokens })),
});
export type ActionExplanation = Static<typeof ActionExplanation>;

export const ReverseAction = Type.Object(
  {
    reason: ShortText(500, 'Why; kept with the reversal and told in the event.'),
    tokens: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Take back this many, in proportion to what remains.',
      }),
    ),
    distributions: Type.Optional(
      Type.Array(
        Type.Object(
          {
            stakeholderTypeCode: StakeholderTypeCode,
            partnerUserId: ExternalUserId,
            tokens: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
          },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: 20, description: 'Take back exactly these.' },
      ),
    ),
    onInsufficientBalance: Type.Optional(
      Type.Enum(['negative', 'partial', 'refuse'], {
        default: 'negative',
        description: 'When a user has spent the tokens: a debt, what is there, or nothing.',
      }),
    ),
    idempotencyKey: Type.Optional(IdempotencyKey),
    dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Show what would happen; write nothing.' })),
  },
  { additionalProperties: false },
);
export type ReverseAction = Static<typeof ReverseAction>;

export const ReversedAction = Type.Object({
  ...Action.properties,
  reversal: Type.Object({ tokens: Tokens, transactionIds: Type.Array(Id('txn')), debt: Tokens }),
  dryRun: Type.Optional(Type.Boolean()),
});
export type ReversedAction = Static<typeof ReversedAction>;
