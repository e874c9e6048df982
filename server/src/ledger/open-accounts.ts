import type { Tx } from '../platform/db.ts';
import { randomIds } from '../platform/ids.ts';
import type { TenantKey } from './lock-book.ts';

/** Opens the available accounts of users, each with the user's own id. Ids that are no user, and open accounts, are left alone. */
export async function openUserAccounts(
  tx: Tx,
  users: readonly (TenantKey & { userId: string })[],
  createdAt: Date,
): Promise<void> {
  await tx`
    insert into ledger_accounts (partner_id, id, environment, kind, created_at)
    select n.partner_id, n.id, n.environment, 'user.available', ${createdAt}
    from unnest(
      ${users.map((u) => u.partnerId)}::uuid[], ${users.map((u) => u.userId)}::uuid[], ${users.map((u) => u.environment)}::text[]
    ) as n (partner_id, id, environment)
    join partner_users u on u.partner_id = n.partner_id and u.id = n.id
    order by n.partner_id, n.id
    on conflict (partner_id, id) do nothing`;
}

/** Opens a pool's account, and the environment's `issuance` and `redeemed` accounts with its first pool. */
export async function openPoolAccounts(tx: Tx, pool: TenantKey & { poolId: string }, createdAt: Date): Promise<void> {
  await tx`
    insert into ledger_accounts (partner_id, id, environment, kind, created_at)
    values (${pool.partnerId}, ${pool.poolId}, ${pool.environment}, 'pool', ${createdAt})`;
  await tx`
    insert into ledger_accounts (partner_id, id, environment, kind, created_at)
    select ${pool.partnerId}::uuid, n.id, ${pool.environment}::text, n.kind, ${createdAt}::timestamptz
    from unnest(${[randomIds.uuid(), randomIds.uuid()]}::uuid[], ${['issuance', 'redeemed']}::text[]) as n (id, kind)
    on conflict (partner_id, environment, kind) where kind in ('issuance', 'redeemed') do nothing`;
}
