import Type, { type Static } from 'typebox';
import { environments, Id, ListOf, listQuery, Timestamp } from './common.ts';

const methods = ['GET', 'POST', 'PATCH', 'DELETE'] as const;

const entryMembers = {
  id: Type.String({ description: 'The `X-Request-Id` of the answer.' }),
  environment: Type.Enum([...environments]),
  method: Type.String(),
  path: Type.String({ description: 'With the query; values that may be personal are shown as `[redacted …]`.' }),
  route: Type.String({ description: 'The path as this reference writes it.' }),
  status: Type.Integer(),
  code: Type.Optional(Type.String({ description: 'The code of the problem, where the answer was one.' })),
  durationMilliseconds: Type.Integer(),
  caller: Type.Enum(['apiKey', 'member', 'widget']),
  apiKeyId: Type.Optional(Id('key')),
  ip: Type.Optional(Type.String({ description: 'Of your servers and team; none of those who use a Widget.' })),
  replayed: Type.Boolean({ description: 'Whether an earlier answer was given again.' }),
  ignoredFields: Type.Array(Type.String(), { description: 'JSON Pointers, as in `X-SIR-Ignored-Fields`.' }),
  createdAt: Timestamp,
};

export const RequestLogEntry = Type.Object(entryMembers);
export type RequestLogEntry = Static<typeof RequestLogEntry>;

export const RequestLogDetail = Type.Object({
  ...entryMembers,
  bodyBytes: Type.Integer(),
  body: Type.Optional(
    Type.Unknown({
      description:
        'What was sent, with `[redacted …]` in place of secrets, personal data and whatever is not known to be neither; equal markers of ' +
        'one time stand for equal values. Left out where there was none, or more than 8 kB, or where hundreds of requests came in a second.',
    }),
  ),
  error: Type.Optional(
    Type.Object({
      detail: Type.String(),
      errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
    }),
  ),
});
export type RequestLogDetail = Static<typeof RequestLogDetail>;

export const RequestLogList = ListOf(RequestLogEntry);
export const RequestLogListQuery = Type.Object(
  {
    limit: listQuery.limit,
    cursor: listQuery.cursor,
    createdAfter: listQuery.createdAfter,
    createdBefore: listQuery.createdBefore,
    status: Type.Optional(Type.Integer({ minimum: 200, maximum: 599, description: 'The status of the answer.' })),
    method: Type.Optional(Type.Enum([...methods])),
    code: Type.Optional(Type.String({ maxLength: 60, description: 'The code of the problem.' })),
    apiKeyId: Type.Optional(Id('key')),
  },
  { additionalProperties: false },
);
export const RequestLogParams = Type.Object({ id: Id('req') });
