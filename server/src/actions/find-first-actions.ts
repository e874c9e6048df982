import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';

/** When a tenant's first action was rewarded. */
export async function findFirstCompletedAction(sql: Queryable, tenant: Tenant): Promise<Date | undefined> {
  const [row] = await sql<{ createdAt: Date }[]>`
    select created_at as "createdAt" from actions
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and status <> 'FAILED'
    order by id limit 1`;
  return row?.createdAt;
}

/** When a tenant's first reversal was made. */
export async function findFirstReversal(sql: Queryable, tenant: Tenant): Promise<Date | undefined> {
  const [row] = await sql<{ createdAt: Date }[]>`
    select created_at as "createdAt" from reversals
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}
    order by id limit 1`;
  return row?.createdAt;
}
