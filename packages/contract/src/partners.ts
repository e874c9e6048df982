import Type, { type Static } from 'typebox';
import { Email, Id, ShortText, Timestamp } from './common.ts';
import { closed, EnvironmentName, nullable, partnerStatuses, tiers } from './schema-parts.ts';

export const partnerFeatures = ['DONATIONS', 'ACTIONS'] as const;
export type PartnerFeature = (typeof partnerFeatures)[number];
const memberRoles = ['owner', 'developer', 'viewer'] as const;

const Role = Type.Enum([...memberRoles], { description: 'Each may do what those behind it may.' });

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
