import Type, { type Static } from 'typebox';
import { environments, Id, ListOf, listQuery, ShortText, Timestamp } from './common.ts';
import { GoLiveApplication } from './go-live.ts';
import { partnerFeatures } from './partners.ts';
import { closed, nullable, partnerStatuses, tiers } from './schema-parts.ts';
import {
  MAX_POOL_NAME_CHARACTERS,
  MAX_POOL_TOKENS,
  TokenPoolRequest,
  tokenPoolRequestStatuses,
} from './token-pools.ts';

const Reason = ShortText(500, 'Why: it stands in the audit log.');
const RequestsPerMinute = Type.Integer({ minimum: 1, maximum: 1_000_000 });
const WantedTokens = Type.Integer({ minimum: 1, maximum: MAX_POOL_TOKENS, description: 'Whole SIR tokens.' });

/** What every change needs. */
export const WithReason = Type.Object({ reason: Reason }, closed);

// ── Partners ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const AdminPartner = Type.Object({
  id: Id('ptn'),
  name: Type.String(),
  slug: Type.String(),
  status: Type.Enum([...partnerStatuses]),
  tier: Type.Enum([...tiers]),
  enabledFeatures: Type.Array(Type.Enum([...partnerFeatures])),
  rateLimits: Type.Object(
    { sandbox: Type.Integer(), production: Type.Integer() },
    { description: 'Requests a minute, as they hold.' },
  ),
  rateLimitOverrides: Type.Object(
    { sandbox: nullable(RequestsPerMinute), production: nullable(RequestsPerMinute) },
    { description: 'Requests a minute that were set for this partner; null: as its tier has it.' },
  ),
  sandboxOnly: Type.Boolean(),
  createdAt: Timestamp,
});
export type AdminPartner = Static<typeof AdminPartner>;
export const AdminPartnerList = ListOf(AdminPartner);
export const AdminPartnerListQuery = Type.Object(
  { ...listQuery, status: Type.Optional(Type.Enum([...partnerStatuses])) },
  closed,
);
export type AdminPartnerListQuery = Static<typeof AdminPartnerListQuery>;
export const AdminPartnerParams = Type.Object({ partnerId: Id('ptn') });
export const ChangePartnerTerms = Type.Object(
  {
    tier: Type.Optional(Type.Enum([...tiers])),
    enabledFeatures: Type.Optional(Type.Array(Type.Enum([...partnerFeatures]), { uniqueItems: true })),
    rateLimitOverrides: Type.Optional(
      Type.Object(
        {
          sandbox: Type.Optional(nullable(RequestsPerMinute)),
          production: Type.Optional(nullable(RequestsPerMinute)),
        },
        {
          ...closed,
          minProperties: 1,
          description:
            'Requests a minute in place of the tier’s, also of a later one; null lifts it; left out: as it is.',
        },
      ),
    ),
    reason: Reason,
  },
  { ...closed, minProperties: 2 },
);

export const AdminKeyParams = Type.Object({ partnerId: Id('ptn'), id: Id('key') });
export const AdminKey = Type.Object({
  id: Id('key'),
  name: Type.String(),
  publicKey: Type.String(),
  isActive: Type.Boolean(),
  rotatedFrom: nullable(Id('key')),
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp),
  revokedAt: nullable(Timestamp),
  lastUsedAt: nullable(Timestamp),
});
export type AdminKey = Static<typeof AdminKey>;
export const AdminKeyList = ListOf(AdminKey);
export const AdminKeyListQuery = Type.Object(
  { limit: listQuery.limit, cursor: listQuery.cursor, page: listQuery.page },
  closed,
);
export const RevokedAdminKey = Type.Object({ id: Id('key'), alreadyRevoked: Type.Boolean() });

// ── Admins ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const AdminAccountParams = Type.Object({ id: Id('acc') });
export const RevokedAdmin = Type.Object({ id: Id('acc'), isAdmin: Type.Boolean() });

// ── Going live ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export const AdminApplication = Type.Object({
  partnerId: Id('ptn'),
  submittedBy: Id('acc'),
  decidedBy: nullable(Id('acc')),
  application: GoLiveApplication,
});
export type AdminApplication = Static<typeof AdminApplication>;
export const AdminApplicationList = ListOf(AdminApplication);
export const AdminApplicationListQuery = Type.Object(
  {
    limit: listQuery.limit,
    cursor: listQuery.cursor,
    page: listQuery.page,
    status: Type.Optional(Type.Enum(['PENDING', 'APPROVED', 'DENIED'])),
  },
  closed,
);
export const AdminApplicationParams = Type.Object({ id: Id('glv') });
export const ApproveGoLive = Type.Object(
  {
    identityChecked: Type.Literal(true, { description: 'SIR Giving has checked who the business is.' }),
    tier: Type.Optional(Type.Enum([...tiers], { description: 'Left out: as proposed.' })),
    poolTokens: Type.Optional(WantedTokens),
    enabledFeatures: Type.Optional(Type.Array(Type.Enum([...partnerFeatures]), { uniqueItems: true })),
    reason: Type.Optional(Reason),
  },
  closed,
);
export const ApprovedGoLive = Type.Object({
  application: AdminApplication,
  tokenPoolId: Id('pool'),
  poolRequestId: Id('preq'),
});

// ── Token pools ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export const AdminPoolRequest = Type.Object({
  partnerId: Id('ptn'),
  environment: Type.Enum([...environments]),
  requestedById: Type.String({ description: 'Account, key or pool that asked.' }),
  approvals: Type.Array(Id('acc')),
  approvalsNeeded: Type.Integer({ description: 'How many admins have to approve the amount as it stands.' }),
  amountInApproval: nullable(Type.Integer({ description: 'What the approvals so far are for.' })),
  deniedBy: nullable(Id('acc')),
  request: TokenPoolRequest,
});
export type AdminPoolRequest = Static<typeof AdminPoolRequest>;
export const AdminPoolRequestList = ListOf(AdminPoolRequest);
export const AdminPoolRequestListQuery = Type.Object(
  {
    limit: listQuery.limit,
    cursor: listQuery.cursor,
    page: listQuery.page,
    status: Type.Optional(Type.Enum([...tokenPoolRequestStatuses])),
    partnerId: Type.Optional(Id('ptn')),
  },
  closed,
);
export const AdminPoolRequestParams = Type.Object({ id: Id('preq') });
export const ApprovePoolRequest = Type.Object(
  {
    tokens: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_POOL_TOKENS,
        description: 'May differ from what was asked for; left out: the amount as it stands.',
      }),
    ),
    reason: Type.Optional(Reason),
  },
  closed,
);

export const AdminPoolParams = Type.Object({ partnerId: Id('ptn'), id: Id('pool') });
export const CreateAdminPool = Type.Object(
  { name: ShortText(MAX_POOL_NAME_CHARACTERS, 'What people call the pool.'), reason: Reason },
  closed,
);
export const CreatedAdminPool = Type.Object({ id: Id('pool'), isDefault: Type.Boolean() });
export const MoveTokens = Type.Object({ tokens: WantedTokens, reason: Reason }, closed);
export const FundedAdminPool = Type.Object({
  poolId: Id('pool'),
  status: Type.Enum(['FUNDED', 'REQUESTED'], { description: 'REQUESTED: other admins have to approve it.' }),
  tokens: Type.Integer(),
  transactionId: Type.Optional(Id('txn')),
  poolRequestId: Type.Optional(Id('preq')),
});
export const WithdrawnAdminPool = Type.Object({
  poolId: Id('pool'),
  transactionId: Id('txn'),
  balance: Type.Integer(),
});
export const ClosedAdminPool = Type.Object({ poolId: Id('pool'), balance: Type.Integer() });

// ── Overview ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const Issuance = Type.Object({
  environment: Type.Enum([...environments]),
  issued: Type.Integer({ description: 'Tokens that were put into pools and not withdrawn.' }),
  inPools: Type.Integer(),
  withUsers: Type.Integer(),
  redeemed: Type.Integer(),
  pools: Type.Integer({ description: 'How many pools there are.' }),
  pendingRequests: Type.Object({ count: Type.Integer(), tokens: Type.Integer() }),
});
export type Issuance = Static<typeof Issuance>;

export const LedgerVerificationQuery = Type.Object({ partnerId: Type.Optional(Id('ptn')) }, closed);
export const LedgerVerification = Type.Object({
  ok: Type.Boolean(),
  checkedTransactions: Type.Integer(),
  durationMilliseconds: Type.Integer(),
  violations: Type.Record(Type.String(), Type.Integer(), { description: 'How often each invariant is broken.' }),
  findings: Type.Array(
    Type.Object({
      invariant: Type.String(),
      partnerId: Type.String(),
      environment: Type.Enum([...environments]),
      detail: Type.String(),
    }),
  ),
});
export type LedgerVerification = Static<typeof LedgerVerification>;

export const AuditLogEntry = Type.Object({
  sequence: Type.Integer(),
  actor: Type.Object({
    kind: Type.Enum(['ADMIN', 'OPERATOR']),
    accountId: nullable(Id('acc')),
    email: nullable(Type.String()),
  }),
  action: Type.String(),
  environment: Type.Enum([...environments]),
  partnerId: nullable(Id('ptn')),
  target: Type.String({ description: 'The id of what was changed.' }),
  reason: nullable(Type.String()),
  before: nullable(Type.Record(Type.String(), Type.Unknown())),
  after: nullable(Type.Record(Type.String(), Type.Unknown())),
  requestId: nullable(Type.String()),
  createdAt: Timestamp,
  hash: Type.String({ description: 'Covers the entry and the hash of the one before it.' }),
});
export type AuditLogEntry = Static<typeof AuditLogEntry>;
export const AuditLog = ListOf(AuditLogEntry);
export const AuditLogQuery = Type.Object(
  {
    ...listQuery,
    partnerId: Type.Optional(Id('ptn')),
    actorId: Type.Optional(Id('acc')),
    target: Type.Optional(ShortText(100, 'The id of what was changed.')),
  },
  closed,
);
export type AuditLogQuery = Static<typeof AuditLogQuery>;
