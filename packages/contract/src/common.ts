import Type, { type Static, type TSchema } from 'typebox';
import { errorCodes } from './error-catalog.ts';

export const environments = ['sandbox', 'production'] as const;
export type Environment = (typeof environments)[number];

/** Text without control characters, with a length that suits a name. */
export const ShortText = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f]*$', description });

export const IdempotencyKey = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^[\\x20-\\x7e]+$',
  description:
    'Yours, unique for ever: a retry with the same key never does the work twice. 1–255 printable ASCII characters.',
});

export const ExternalUserId = ShortText(255, 'Your own stable id of the user.');

export const Email = Type.String({ maxLength: 254, format: 'email' });

export const Tokens = Type.Integer({ description: 'SIR tokens, a whole number.' });

export const Timestamp = Type.String({ format: 'date-time', description: 'RFC 3339, UTC, with milliseconds.' });

/** A public id: its prefix, an underscore, 26 digits of base 32 (TypeID). */
export const Id = (prefix: string) =>
  Type.String({ pattern: `^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`, description: `\`${prefix}_…\`` });

const MetadataValue = Type.Union([Type.String({ maxLength: 500 }), Type.Number(), Type.Boolean()]);

/** `propertyNames` judges the keys: a record's own pattern says nothing about their length and passes over line breaks. */
export const Metadata = Type.Record(Type.String(), MetadataValue, {
  maxProperties: 50,
  propertyNames: { minLength: 1, maxLength: 40, pattern: '^[^\\u0000-\\u001f\\u007f\\u2028\\u2029]*$' },
  description: 'Your own notes: at most 50 keys of 40 characters, values of 500.',
});

export const Pagination = Type.Object({
  limit: Type.Integer(),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
  hasMore: Type.Boolean(),
  page: Type.Optional(Type.Integer()),
  total: Type.Optional(Type.Integer()),
  totalPages: Type.Optional(Type.Integer()),
});

export const ListOf = <T extends TSchema>(item: T) => Type.Object({ data: Type.Array(item), pagination: Pagination });

const CreatedLimit = (description: string) => Type.String({ format: 'date-time', description });

/** The query parameters that every list takes. Windows are half-open, so that windows side by side miss nothing and hold nothing twice. */
export const listQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
  cursor: Type.Optional(Type.String({ maxLength: 500, description: '`pagination.nextCursor` of the page before.' })),
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: 'Page number, instead of a cursor.' })),
  createdAfter: Type.Optional(CreatedLimit('Created at this time or later (RFC 3339).')),
  createdBefore: Type.Optional(CreatedLimit('Created before this time, not at it (RFC 3339).')),
};

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Enum(errorCodes),
    requestId: Type.String(),
    retryable: Type.Boolean(),
    errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
  },
  { description: 'Problem details, RFC 9457.' },
);

export type ListQuery = Static<ReturnType<typeof Type.Object<typeof listQuery>>>;
