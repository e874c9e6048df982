import Type, { type Static } from 'typebox';
import { Id, ListOf, listQuery, Timestamp, Tokens } from './common.ts';

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
  restrictions: Type.Object({}, { additionalProperties: true }),
  lowBalance: Type.Object({ thresholds: Type.Array(Type.Unknown()) }),
  createdAt: Timestamp,
});
export type TokenPool = Static<typeof TokenPool>;

export const TokenPoolList = ListOf(TokenPool);
export const TokenPoolListQuery = Type.Object(
  { ...listQuery, status: Type.Optional(Type.Enum(['ACTIVE', 'CLOSED'])) },
  { additionalProperties: false },
);
export const TokenPoolParams = Type.Object({ id: Id('pool') });
