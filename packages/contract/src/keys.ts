import Type, { type Static } from 'typebox';
import { Id, ListOf, listQuery, ShortText, Timestamp } from './common.ts';
import { closed, EnvironmentName, nullable } from './schema-parts.ts';

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
