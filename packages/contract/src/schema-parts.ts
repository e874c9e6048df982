import Type, { type TSchema } from 'typebox';
import { environments } from './common.ts';

// What several schemas of people and partners are made of. Not exported by the package.

/** Of objects that take no other members. */
export const closed = { additionalProperties: false };
export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const partnerStatuses = ['PENDING_APPROVAL', 'ACTIVE', 'SUSPENDED'] as const;
export const tiers = ['STANDARD', 'PROFESSIONAL', 'ENTERPRISE'] as const;
export const EnvironmentName = Type.Enum([...environments]);
