import type { Environment } from '@sirgiving/contract';
import type { Queryable, Tx } from '../platform/db.ts';

/** A user as an action's stakeholder names it: the partner's own id, and what to fill in where nothing is known yet. */
export interface StakeholderUser {
  partnerId: string;
  environment: Environment;
  externalUserId: string;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
}

export interface KnownUser extends StakeholderUser {
  id: string;
}

const keys = (
  tx: Queryable,
  users: readonly { partnerId: string; environment: string; externalUserId: string }[],
) => tx`
  unnest(
    ${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.environment)}::text[], ${users.map((u) => u.externalUserId)}::text[]
  ) as k (partner_id, environment, external_user_id)`;

/** The users among `wanted` that exist, as they are now, without a lock. */
export function readStakeholderUsers(
  tx: Queryable,
  wanted: readonly { partnerId: string; environment: Environment; externalUserId: string }[],
): Promise<KnownUser[]> {
  return tx<KnownUser[]>`
    select u.partner_id as "partnerId", u.environment, u.external_user_id as "externalUserId", u.id, u.email,
      u.first_name as "firstName", u.last_name as "lastName"
    from ${keys(tx, wanted)}
    join partner_users u on u.partner_id = k.partner_id and u.environment = k.environment and u.external_user_id = k.external_user_id`;
}

/** Inserts users under the ids given; one that another transaction was quicker with is left as it is. Answers the ids that were new. */
export async function createStakeholderUsers(
  tx: Tx,
  users: readonly KnownUser[],
  createdAt: Date,
): Promise<Set<string>> {
  const rows = await tx<{ id: string }[]>`
    insert into partner_users (partner_id, id, environment, external_user_id, email, first_name, last_name, created_at, updated_at)
    select n.partner_id, n.id, n.environment, n.external_user_id, n.email, n.first_name, n.last_name, ${createdAt}, ${createdAt}
    from unnest(
      ${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.id)}::uuid[], ${users.map((u) => u.environment)}::text[],
      ${users.map((u) => u.externalUserId)}::text[], ${users.map((u) => u.email)}::text[], ${users.map((u) => u.firstName)}::text[],
      ${users.map((u) => u.lastName)}::text[]
    ) as n (partner_id, id, environment, external_user_id, email, first_name, last_name)
    order by n.partner_id, n.environment, n.external_user_id collate "C"
    on conflict (partner_id, environment, external_user_id) do nothing
    returning id`;
  return new Set(rows.map((row) => row.id));
}

/** Fills what is empty and never overwrites what is filled (contract §6); nothing of who was erased meanwhile. Rows are locked in the order of their keys. */
export async function fillEmptyFields(tx: Tx, users: readonly KnownUser[], updatedAt: Date): Promise<void> {
  await tx`
    with locked as (
      select u.partner_id, u.id
      from unnest(${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.id)}::uuid[]) as k (partner_id, id)
      join partner_users u on u.partner_id = k.partner_id and u.id = k.id
      where u.erased_at is null
      order by u.partner_id, u.environment, u.external_user_id
      for no key update of u
    )
    update partner_users u
    set email = coalesce(u.email, n.email), first_name = coalesce(u.first_name, n.first_name),
      last_name = coalesce(u.last_name, n.last_name), updated_at = ${updatedAt}
    from locked
    join unnest(
      ${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.id)}::uuid[], ${users.map((u) => u.email)}::text[],
      ${users.map((u) => u.firstName)}::text[], ${users.map((u) => u.lastName)}::text[]
    ) as n (partner_id, id, email, first_name, last_name) on n.partner_id = locked.partner_id and n.id = locked.id
    where u.partner_id = locked.partner_id and u.id = locked.id`;
}
