import { openPoolAccounts } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';

export interface CreatedPool {
  /** Row id; `publicId('pool', …)` is what partners see. */
  poolId: string;
  isDefault: boolean;
}

/**
 * Creates an empty token pool. The first one of a partner and environment becomes the default, which actions draw from, and opens the
 * environment's book. Throws when there is no such partner.
 */
export async function createPool(tx: Tx, ids: Ids, pool: Tenant & { name: string }, now: Date): Promise<CreatedPool> {
  const { partnerId, environment, name } = pool;
  // Two first pools at once would both want to be the default; the partner's row makes them take turns.
  const [partner] = await tx`select id from partners where id = ${partnerId} for no key update`;
  if (partner === undefined) throw new Error(`there is no partner ${partnerId}`);
  const poolId = ids.uuid();
  const [created] = await tx<{ isDefault: boolean }[]>`
    insert into token_pools (partner_id, id, environment, name, is_default, created_at)
    select ${partnerId}, ${poolId}, ${environment}, ${name}, not exists (
      select from token_pools p where p.partner_id = ${partnerId} and p.environment = ${environment} and p.is_default
    ), ${now}
    returning is_default as "isDefault"`;
  await openPoolAccounts(tx, { partnerId, environment, poolId }, now);
  return { poolId, isDefault: created?.isDefault ?? false };
}
