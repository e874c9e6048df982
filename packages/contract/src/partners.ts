import Type, { type Static } from 'typebox';
import { Email, environments, Id, ListOf, listQuery, ShortText, Timestamp } from './common.ts';

const closed = { additionalProperties: false };
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

export const partnerFeatures = ['DONATIONS', 'ACTIONS'] as const;
export type PartnerFeature = (typeof partnerFeatures)[number];
const partnerStatuses = ['PENDING_APPROVAL', 'ACTIVE', 'SUSPENDED'] as const;
const tiers = ['STANDARD', 'PROFESSIONAL', 'ENTERPRISE'] as const;
const memberRoles = ['owner', 'developer', 'viewer'] as const;

const EnvironmentName = Type.Enum([...environments]);
const Role = Type.Enum([...memberRoles], { description: 'Each may do what those behind it may.' });

// ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const keyLists = {
  allowedIps: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      maxItems: 100,
      description: 'Addresses or ranges (CIDR) that signed requests may come from; empty: any.',
    }),
  ),
  allowedOrigins: Type.Optional(
    Type.Array(Type.String({ maxLength: 300 }), {
      maxItems: 50,
      description: 'Pages (`https://shop.example`) that may send the publishable key; empty: any.',
    }),
  ),
};

export const CreateKey = Type.Object({
  name: ShortText(100, 'What you call it: the server or page that uses it.'),
  environment: EnvironmentName,
  keyType: Type.Optional(
    Type.Enum(['secret'], { description: 'A key always comes as a pair with its signing secret.' }),
  ),
  expiresAt: Type.Optional(
    Type.String({ format: 'date-time', description: 'When it stops working; left out: never.' }),
  ),
  partnerName: Type.Optional(ShortText(200, 'Your first key makes your partner: its name. Left out: yours.')),
  ...keyLists,
});
export type CreateKey = Static<typeof CreateKey>;

const issuedFields = {
  id: Id('key'),
  partnerId: Id('ptn'),
  name: Type.String(),
  environment: EnvironmentName,
  publicKey: Type.String({ description: '`pk_test_…` or `pk_live_…`: may be seen by everybody.' }),
  secretKey: Type.Optional(Type.String({ description: 'Shown once: `sk_test_…` or `sk_live_…`.' })),
  hmacSecret: Type.Optional(Type.String({ description: 'Shown once: signs the requests of both keys.' })),
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp),
};
export const CreatedKey = Type.Object(issuedFields);
export type CreatedKey = Static<typeof CreatedKey>;

export const keyStatuses = ['ACTIVE', 'INACTIVE', 'EXPIRED', 'REVOKED'] as const;
export type KeyStatus = (typeof keyStatuses)[number];

export const ApiKey = Type.Object({
  id: Id('key'),
  partnerId: Id('ptn'),
  name: Type.String(),
  environment: EnvironmentName,
  publicKey: Type.String(),
  status: Type.Enum([...keyStatuses]),
  isActive: Type.Boolean({ description: 'False: switched off; it can be switched on again.' }),
  allowedIps: Type.Array(Type.String()),
  allowedOrigins: Type.Array(Type.String()),
  rotatedFrom: nullable(Id('key')),
  rotatedTo: nullable(Id('key')),
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp),
  revokedAt: nullable(Timestamp),
  lastUsedAt: nullable(Type.String({ format: 'date-time', description: 'A few seconds behind.' })),
  lastUsedIp: nullable(Type.String()),
});
export type ApiKey = Static<typeof ApiKey>;
export const ApiKeyList = ListOf(ApiKey);
export const ApiKeyListQuery = Type.Object(
  { ...listQuery, status: Type.Optional(Type.Enum([...keyStatuses])) },
  closed,
);
export const ApiKeyParams = Type.Object({ id: Id('key') });

export const UpdateKey = Type.Object(
  {
    name: Type.Optional(ShortText(100, 'What you call it.')),
    isActive: Type.Optional(Type.Boolean()),
    expiresAt: Type.Optional(nullable(Type.String({ format: 'date-time' }))),
    ...keyLists,
  },
  { minProperties: 1 },
);
export type UpdateKey = Static<typeof UpdateKey>;

export const rotationOverlapHours = [0, 1, 24, 168] as const;
export const RotateKey = Type.Object(
  {
    overlapHours: Type.Enum([...rotationOverlapHours], {
      description: 'How long the old key still works beside the new one. 0: it stops at once.',
    }),
  },
  closed,
);
export const RotatedKey = Type.Object({
  ...issuedFields,
  rotatedFrom: Id('key'),
  previousExpiresAt: Type.String({ format: 'date-time', description: 'When the old key stops working.' }),
});
export type RotatedKey = Static<typeof RotatedKey>;

// ── The partner ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const Features = Type.Array(Type.Enum([...partnerFeatures]));
const TipConfig = Type.Object({
  enabled: Type.Boolean(),
  defaultPercent: Type.Integer({ minimum: 0, maximum: 100 }),
});

export const PartnerInfo = Type.Object({
  id: Id('ptn'),
  name: Type.String(),
  slug: Type.String(),
  status: Type.Enum([...partnerStatuses]),
  tier: Type.Enum([...tiers]),
  enabledFeatures: Features,
  rateLimit: Type.Integer({ description: 'Requests a minute in this environment.' }),
  role: Type.Enum([...memberRoles]),
  environment: EnvironmentName,
  activeKeys: Type.Integer({ description: 'Keys of this environment that work.' }),
  createdAt: Timestamp,
});
export type PartnerInfo = Static<typeof PartnerInfo>;

export const WidgetConfig = Type.Object({
  id: Id('ptn'),
  name: Type.String(),
  slug: Type.String(),
  enabledFeatures: Features,
  rateLimit: Type.Integer({
    description:
      'Requests a minute of the partner in this environment. Requests with this key alone have limits of their own: see `X-RateLimit-Limit`.',
  }),
  isActive: Type.Boolean(),
  webhookUrl: nullable(Type.String({ description: 'Scheme and host only: the key that reads this is public.' })),
  tipConfig: TipConfig,
});
export type WidgetConfig = Static<typeof WidgetConfig>;

const settings = {
  name: ShortText(200, 'What donors and users see.'),
  legalName: nullable(ShortText(200, 'The legal entity.')),
  contactEmail: nullable(
    Type.String({ maxLength: 254, format: 'email', description: 'Where alerts go; null: to the owners.' }),
  ),
  tipConfig: TipConfig,
};
export const PartnerSettings = Type.Object({ id: Id('ptn'), slug: Type.String(), ...settings });
export type PartnerSettings = Static<typeof PartnerSettings>;
export const UpdatePartnerSettings = Type.Partial(Type.Object(settings), { ...closed, minProperties: 1 });
export type UpdatePartnerSettings = Static<typeof UpdatePartnerSettings>;

// ── Team ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const Member = Type.Object({
  id: Id('acc'),
  email: nullable(Type.String()),
  firstName: Type.Optional(Type.String()),
  lastName: Type.Optional(Type.String()),
  role: Role,
  isYou: Type.Boolean(),
  joinedAt: Timestamp,
});
export type Member = Static<typeof Member>;
export const MemberList = Type.Object({ data: Type.Array(Member) }, { description: 'The whole team; at most 200.' });
export const MemberParams = Type.Object({ id: Id('acc') });
export const ChangeRole = Type.Object({ role: Role }, closed);

export const Invite = Type.Object({ email: Email, role: Role }, closed);
export type Invite = Static<typeof Invite>;
export const Invitation = Type.Object({
  id: Id('inv'),
  email: Type.String(),
  role: Role,
  invitedBy: Id('acc'),
  createdAt: Timestamp,
  expiresAt: Timestamp,
});
export type Invitation = Static<typeof Invitation>;
export const InvitationList = Type.Object(
  { data: Type.Array(Invitation) },
  { description: 'Those that wait for an answer, newest first; at most 50.' },
);
export const InvitationParams = Type.Object({ id: Id('inv') });
export const InvitationToken = Type.Object(
  { token: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'From the link of the mail.' }) },
  closed,
);
export const ShownInvitation = Type.Object({
  partner: Type.Object({ name: Type.String() }),
  role: Role,
  email: Type.String(),
  expiresAt: Timestamp,
});
export type ShownInvitation = Static<typeof ShownInvitation>;
export const Joined = Type.Object({ partner: Type.Object({ id: Id('ptn'), name: Type.String() }), role: Role });
export type Joined = Static<typeof Joined>;

// ── Going live ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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
