import Type, { type Static } from 'typebox';
import {
  Email,
  ExternalUserId,
  Id,
  IdempotencyKey,
  ListOf,
  listQuery,
  Metadata,
  ShortText,
  Timestamp,
  Tokens,
} from './common.ts';

const profile = {
  email: Type.Optional(Email),
  firstName: Type.Optional(ShortText(100, 'Given name.')),
  lastName: Type.Optional(ShortText(100, 'Family name.')),
};

export const User = Type.Object({
  id: Id('usr'),
  externalUserId: ExternalUserId,
  ...profile,
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type User = Static<typeof User>;

export const UserList = ListOf(User);
export const UserListQuery = Type.Object(
  {
    ...listQuery,
    search: Type.Optional(ShortText(255, 'Beginning of the `externalUserId`; upper and lower case differ.')),
  },
  { additionalProperties: false },
);

export const CreateUser = Type.Object({
  externalUserId: ExternalUserId,
  ...profile,
  metadata: Type.Optional(Metadata),
});

export const UpdateUser = Type.Object({
  email: Type.Optional(Type.Union([Email, Type.Null()])),
  firstName: Type.Optional(Type.Union([ShortText(100, 'Given name.'), Type.Null()])),
  lastName: Type.Optional(Type.Union([ShortText(100, 'Family name.'), Type.Null()])),
  metadata: Type.Optional(Metadata),
});

export const UserParams = Type.Object({ externalId: ExternalUserId });

export const Balance = Type.Object({
  externalUserId: ExternalUserId,
  available: Tokens,
  pending: Tokens,
  lifetimeEarned: Tokens,
  lifetimeReversed: Tokens,
  lifetimeRedeemed: Tokens,
  nextExpiry: Type.Optional(Type.Object({ tokens: Tokens, at: Timestamp })),
  asOf: Timestamp,
});
export type Balance = Static<typeof Balance>;

export const CreateRedemption = Type.Object(
  {
    tokens: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000_000,
      description: 'How many of the available tokens to spend.',
    }),
    idempotencyKey: IdempotencyKey,
    reference: Type.Optional(ShortText(255, 'Your own reference, an order number say.')),
  },
  { additionalProperties: false },
);

export const Redemption = Type.Object({
  id: Id('rdm'),
  externalUserId: ExternalUserId,
  tokens: Tokens,
  idempotencyKey: IdempotencyKey,
  reference: Type.Optional(Type.String()),
  transactionIds: Type.Array(Id('txn')),
  createdAt: Timestamp,
});
export type Redemption = Static<typeof Redemption>;
