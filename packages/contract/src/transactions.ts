import Type, { type Static } from 'typebox';
import { ExternalUserId, Id, ListOf, listQuery, Timestamp } from './common.ts';

export const transactionKinds = [
  'ALLOCATION',
  'WITHDRAWAL',
  'REWARD',
  'VESTING',
  'REVERSAL',
  'EXPIRATION',
  'REDEMPTION',
] as const;
export type TransactionKind = (typeof transactionKinds)[number];

export const Transaction = Type.Object({
  id: Id('txn'),
  kind: Type.Enum([...transactionKinds]),
  tokens: Type.Integer({ description: 'Signed as the user sees it; an allocation as the pool sees it.' }),
  externalUserId: Type.Optional(ExternalUserId),
  actionId: Type.Optional(Id('act')),
  actionType: Type.Optional(Type.String()),
  poolId: Id('pool'),
  reversesId: Type.Optional(Id('txn')),
  createdAt: Timestamp,
});
export type Transaction = Static<typeof Transaction>;

export const TransactionList = ListOf(Transaction);
const kindFilter = { kind: Type.Optional(Type.Enum([...transactionKinds])) };
export const TransactionListQuery = Type.Object(
  {
    ...listQuery,
    ...kindFilter,
    externalUserId: Type.Optional(ExternalUserId),
    actionId: Type.Optional(Id('act')),
    poolId: Type.Optional(Id('pool')),
  },
  { additionalProperties: false },
);
/** Of one user or one pool: the rest is said by the path. */
export const OwnedTransactionListQuery = Type.Object({ ...listQuery, ...kindFilter }, { additionalProperties: false });
export const TransactionParams = Type.Object({ id: Id('txn') });
