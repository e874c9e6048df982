import type { ChecklistItem } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';

/** What an integration has shown once; it stays shown when the rows that proved it are deleted. */
export type Milestone = Extract<
  ChecklistItem,
  'SIGNED_REQUEST' | 'ACTION_COMPLETED' | 'RETRY_REPLAYED' | 'ACTION_REVERSED' | 'WEBHOOK_ANSWERED' | 'WIDGET_LOADED'
>;

export interface ReachedMilestone extends Tenant {
  milestone: Milestone;
  reachedAt: Date;
}

/** Writes down milestones; those that are written already keep their time. */
export async function recordMilestones(sql: Queryable, reached: readonly ReachedMilestone[]): Promise<void> {
  if (reached.length === 0) return;
  await sql`
    insert into integration_milestones (partner_id, environment, milestone, reached_at)
    select n.partner_id, n.environment, n.milestone, n.reached_at::timestamptz
    from unnest(
      ${reached.map(({ partnerId }) => partnerId)}::uuid[], ${reached.map(({ environment }) => environment)}::text[],
      ${reached.map(({ milestone }) => milestone)}::text[], ${reached.map(({ reachedAt }) => reachedAt.toISOString())}::text[]
    ) as n (partner_id, environment, milestone, reached_at)
    order by n.partner_id, n.environment, n.milestone collate "C"
    on conflict (partner_id, environment, milestone) do nothing`;
}

/** When a partner's milestones of an environment were reached. */
export async function findMilestones(sql: Queryable, tenant: Tenant): Promise<Map<Milestone, Date>> {
  const rows = await sql<{ milestone: Milestone; reachedAt: Date }[]>`
    select milestone, reached_at as "reachedAt" from integration_milestones
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}`;
  return new Map(rows.map(({ milestone, reachedAt }) => [milestone, reachedAt]));
}
