import type { UpdateUser, User } from '@sirgiving/contract';
import type { Static } from 'typebox';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { presentUser, type UserRow } from './present-user.ts';
import { getUser, noSuchUser, userColumns } from './queries.ts';

/**
 * Changes what the body names: null clears a field, `metadata` is replaced as a whole. A body that names nothing changes nothing, not
 * even `updatedAt`. Throws 404 `NOT_FOUND`.
 */
export async function updateUser(
  tx: Tx,
  tenant: Tenant,
  externalUserId: string,
  changes: Static<typeof UpdateUser>,
  now: Date,
): Promise<User> {
  const columns = {
    ...(changes.email === undefined ? {} : { email: changes.email }),
    ...(changes.firstName === undefined ? {} : { first_name: changes.firstName }),
    ...(changes.lastName === undefined ? {} : { last_name: changes.lastName }),
    ...(changes.metadata === undefined ? {} : { metadata: tx.json(changes.metadata) }),
  };
  if (Object.keys(columns).length === 0) return getUser(tx, tenant, externalUserId);
  const [row] = await tx<UserRow[]>`
    update partner_users set ${tx({ ...columns, updated_at: now })}
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and external_user_id = ${externalUserId}
      and erased_at is null
    returning ${userColumns(tx)}`;
  if (row === undefined) throw noSuchUser();
  return presentUser(row);
}
