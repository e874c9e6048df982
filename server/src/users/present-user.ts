import type { User } from '@sirgiving/contract';
import { publicId } from '../platform/ids.ts';

/** A user as the tables hold it. */
export interface UserRow {
  id: string;
  externalUserId: string;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
  metadata: User['metadata'];
  createdAt: Date;
  updatedAt: Date;
}

/** A user as the contract shows it, in answers and in `user.created`: what is not known is left out. */
export function presentUser(row: UserRow): User {
  return {
    id: publicId('usr', row.id),
    externalUserId: row.externalUserId,
    ...(row.email === null ? {} : { email: row.email }),
    ...(row.firstName === null ? {} : { firstName: row.firstName }),
    ...(row.lastName === null ? {} : { lastName: row.lastName }),
    metadata: row.metadata,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
