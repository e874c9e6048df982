import type { CreateUser, User } from '@sirgiving/contract';
import type { Static } from 'typebox';
import { openUserAccounts } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { presentUser, type UserRow } from './present-user.ts';
import { userColumns } from './queries.ts';

/**
 * Creates a user with an empty account and reports it as `user.created`. Throws 409 `USER_EXISTS`, also when another request creates
 * the same user at this moment.
 */
export async function createUser(
  tx: Tx,
  ids: Ids,
  tenant: Tenant,
  user: Static<typeof CreateUser>,
  now: Date,
): Promise<User> {
  const { partnerId, environment } = tenant;
  const [row] = await tx<UserRow[]>`
    insert into partner_users (partner_id, id, environment, external_user_id, email, first_name, last_name, metadata, created_at, updated_at)
    values (${partnerId}, ${ids.uuid()}, ${environment}, ${user.externalUserId}, ${user.email ?? null}, ${user.firstName ?? null},
      ${user.lastName ?? null}, ${tx.json(user.metadata ?? {})}, ${now}, ${now})
    on conflict (partner_id, environment, external_user_id) do nothing
    returning ${userColumns(tx)}`;
  if (row === undefined) {
    throw problem('USER_EXISTS', 'A user with this `externalUserId` exists already; read or patch it.');
  }
  const presented = presentUser(row);
  await openUserAccounts(tx, [{ partnerId, environment, userId: row.id }], now);
  const data = { ...presented };
  await recordEvents(tx, [{ partnerId, environment, id: ids.uuid(), type: 'user.created', data, createdAt: now }]);
  return presented;
}
