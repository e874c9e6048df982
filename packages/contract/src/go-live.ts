import Type, { type Static } from 'typebox';
import { Id, ShortText, Timestamp } from './common.ts';
import { closed, nullable, partnerStatuses, tiers } from './schema-parts.ts';

export const integrationModels = ['SERVER', 'WIDGET', 'BOTH'] as const;
export type IntegrationModel = (typeof integrationModels)[number];
/** The edition of the acceptable-use policy that applicants accept. */
export const ACCEPTABLE_USE_VERSION = '2026-11-24';

const LongText = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: 4_000,
    pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$',
    description,
  });

const applicationFields = {
  partnerName: ShortText(200, 'The partner’s public name.'),
  legalEntity: ShortText(200, 'Who signs: the legal entity.'),
  contactEmail: Type.String({ maxLength: 254, format: 'email', description: 'For alerts and expiring keys.' }),
  useCase: LongText('What people are rewarded for, and why.'),
  integrationModel: Type.Enum([...integrationModels], { description: 'Your server, the donation widget, or both.' }),
  expectedMonthlyActions: Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: 'Proposes the tier.' }),
  expectedMonthlyTokens: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000_000,
    description: 'SIR tokens a month; proposes the size of the pool.',
  }),
  actionTypes: Type.Array(Type.String({ pattern: '^[A-Z][A-Z0-9_]{1,39}$' }), { maxItems: 50, uniqueItems: true }),
  stakeholderModel: LongText('Who shares in a reward: customers, donors, volunteers, …'),
  webhookUrl: Type.Optional(Type.String({ maxLength: 2_048, pattern: '^https://[^\\s]+$' })),
  allowedIps: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      maxItems: 100,
      description: 'Live keys start with this list of addresses and ranges (CIDR).',
    }),
  ),
};

export const ApplyForGoLive = Type.Object(
  {
    ...applicationFields,
    acceptableUse: Type.Object(
      {
        version: Type.Literal(ACCEPTABLE_USE_VERSION, { description: 'The edition that you have read.' }),
        accepted: Type.Literal(true),
      },
      closed,
    ),
  },
  closed,
);
export type ApplyForGoLive = Static<typeof ApplyForGoLive>;

export const GoLiveApplication = Type.Object({
  id: Id('glv'),
  status: Type.Enum(['PENDING', 'APPROVED', 'DENIED']),
  ...applicationFields,
  allowedIps: Type.Array(Type.String()),
  acceptableUseVersion: Type.String(),
  identityChecked: Type.Boolean({ description: 'SIR Giving has checked who the business is.' }),
  proposal: Type.Object({ tier: Type.Enum([...tiers]), poolTokens: Type.Integer() }),
  decision: nullable(
    Type.Object({
      decidedAt: Timestamp,
      reason: nullable(Type.String()),
      tier: nullable(Type.Enum([...tiers])),
      poolTokens: nullable(Type.Integer()),
      tokenPoolId: nullable(Id('pool')),
    }),
  ),
  createdAt: Timestamp,
});
export type GoLiveApplication = Static<typeof GoLiveApplication>;

export const GoLiveStanding = Type.Object({
  partnerStatus: Type.Enum([...partnerStatuses]),
  application: nullable(GoLiveApplication),
  acceptableUseVersion: Type.String({ description: 'The edition that an application accepts today.' }),
});
export type GoLiveStanding = Static<typeof GoLiveStanding>;

export const checklistItems = {
  SIGNED_REQUEST: 'A signed request was accepted.',
  ACTION_COMPLETED: 'An action was rewarded.',
  RETRY_REPLAYED: 'A retry was answered with the first answer.',
  ACTION_REVERSED: 'A reward was taken back.',
  WEBHOOK_ANSWERED: 'Your receiver answered a delivery with 2xx.',
  WIDGET_LOADED: 'A page or app has read its configuration with the publishable key.',
  LIVE_KEY_CREATED: 'There is a live key.',
  CONTACT_EMAIL_SET: 'There is an address for alerts.',
  APPLICATION_SENT: 'The application was sent, and acceptable use accepted.',
  IDENTITY_CHECKED: 'SIR Giving has checked who the business is.',
} as const;
export type ChecklistItem = keyof typeof checklistItems;

export const GoLiveChecklist = Type.Object({
  items: Type.Array(
    Type.Object({
      item: Type.Enum(Object.keys(checklistItems) as ChecklistItem[]),
      title: Type.String(),
      isNeeded: Type.Boolean({ description: 'Whether your integration model needs it.' }),
      doneAt: nullable(Timestamp),
    }),
  ),
  isComplete: Type.Boolean({ description: 'Everything that is needed is done.' }),
});
export type GoLiveChecklist = Static<typeof GoLiveChecklist>;
