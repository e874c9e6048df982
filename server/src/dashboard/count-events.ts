import type { Environment } from '@sirgiving/contract';
import type { Queryable, Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { inTransaction } from '../platform/in-transaction.ts';

const EVENTS_AT_ONCE = 5_000;
/** What one run may count: the others have their turn after it. */
const MAX_ROUNDS = 40;
const MAX_TENANTS = 500;

/**
 * Counts new events into the hours of the dashboard. They come in the order of their positions, gap-free and never late, and the
 * cursor moves in the transaction that counts: each is counted once, however many workers run and wherever one dies. The hot path
 * writes nothing for it. Answers how many events were counted.
 */
export async function countEvents({ sql, environment }: { sql: Sql; environment: Environment }): Promise<number> {
  let total = 0;
  const errors: unknown[] = [];
  for (const tenant of await tenantsBehind(sql, environment)) {
    // One partner's trouble does not keep the others waiting.
    await countTenant(sql, tenant).then(
      (counted) => {
        total += counted;
      },
      (error) => errors.push(error),
    );
  }
  if (errors.length > 0) throw new AggregateError(errors, 'the events of some partners could not be counted');
  return total;
}

async function countTenant(sql: Sql, tenant: Tenant): Promise<number> {
  let total = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const counted = await inTransaction(sql, (tx) => countNext(tx, tenant));
    total += counted;
    if (counted < EVENTS_AT_ONCE) break;
  }
  return total;
}

function tenantsBehind(sql: Queryable, environment: Environment): Promise<Tenant[]> {
  return sql<Tenant[]>`
    select c.partner_id as "partnerId", c.environment
    from event_counters c
    left join dashboard_cursors d on d.partner_id = c.partner_id and d.environment = c.environment
    where c.environment = ${environment} and c.position > coalesce(d.position, 0)
    order by coalesce(d.counted_until, '-infinity'), c.partner_id
    limit ${MAX_TENANTS}`;
}

/** Counts the next events of a tenant; 0 also where another worker is at it. */
async function countNext(tx: Tx, { partnerId, environment }: Tenant): Promise<number> {
  await tx`
    insert into dashboard_cursors (partner_id, environment, position) values (${partnerId}, ${environment}, 0)
    on conflict do nothing`;
  const [cursor] = await tx<{ position: number }[]>`
    select position from dashboard_cursors
    where partner_id = ${partnerId} and environment = ${environment}
    for no key update skip locked`;
  if (cursor === undefined) return 0;
  const [counted] = await tx<{ count: number }[]>`
    with part as materialized (
      select position, type, data, created_at from events
      where partner_id = ${partnerId} and environment = ${environment} and position > ${cursor.position}
      order by position limit ${EVENTS_AT_ONCE}
    ),
    figures as (
      select date_trunc('hour', created_at, 'UTC') as hour,
        case type
          when 'action.completed' then 'actions.completed'
          when 'action.failed' then 'actions.failed'
          when 'action.reversed' then 'actions.reversed'
          when 'user.created' then 'users.created'
          when 'token_pool.funded' then 'tokens.allocated'
          when 'transaction.completed' then case d.kind
            when 'REWARD' then 'tokens.issued' when 'REVERSAL' then 'tokens.reversed' when 'REDEMPTION' then 'tokens.redeemed' end
        end as figure,
        case
          when type = 'action.failed' then coalesce(d."failureCode", '')
          when type in ('action.completed', 'action.reversed', 'transaction.completed') then coalesce(d."actionType", '')
          else ''
        end as dimension,
        case
          when type = 'token_pool.funded' then d.tokens::bigint
          when type = 'transaction.completed' then abs(d.tokens::bigint)
          else 1
        end as amount
      from part
      -- Read once for all members: parsing is what this costs.
      cross join lateral json_to_record(data) as d (kind text, "failureCode" text, "actionType" text, tokens text)
    ),
    added as (
      insert into dashboard_hours as h (partner_id, environment, hour, figure, dimension, amount)
      select ${partnerId}::uuid, ${environment}, hour, figure, dimension, sum(amount)::bigint
      from figures where figure is not null
      group by hour, figure, dimension
      on conflict (partner_id, environment, hour, figure, dimension) do update set amount = h.amount + excluded.amount
    ),
    moved as (
      update dashboard_cursors
      set position = p.position, counted_until = p.created_at
      from (select position, created_at from part order by position desc limit 1) p
      where partner_id = ${partnerId} and environment = ${environment}
    )
    select count(*) as count from part`;
  return counted?.count ?? 0;
}
