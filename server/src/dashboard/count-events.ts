import type { Environment } from '@sirgiving/contract';
import type { Sql, Tx } from '../platform/db.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { plainArray } from '../platform/plain-array.ts';

/** What one transaction may count, spread over its partners. */
const EVENTS_AT_ONCE = 10_000;
const PARTNERS_AT_ONCE = 500;
/** What one run may count: the other jobs have their turn after it. */
const MAX_ROUNDS = 40;

/** What one transaction counted. */
interface Counted {
  events: number;
  /** Some partner has more events than its share. */
  more: boolean;
}

interface Cursor {
  partnerId: string;
  position: number;
}

/**
 * Counts new events into the hours of the dashboard. They come in the order of their positions, gap-free and never late, and the
 * cursor moves in the transaction that counts: each is counted once, however many workers run and wherever one dies. The hot path
 * writes nothing for it. Answers how many events were counted.
 */
export async function countEvents({ sql, environment }: { sql: Sql; environment: Environment }): Promise<number> {
  let total = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const behind = await partnersBehind(sql, environment);
    if (behind.length === 0) break;
    const { events, more } = await countTogether(sql, environment, behind);
    total += events;
    if (!more && behind.length < PARTNERS_AT_ONCE) break;
    // All that is left is in the hands of another worker.
    if (events === 0) break;
  }
  return total;
}

/** Those behind for the longest come first. */
async function partnersBehind(sql: Sql, environment: Environment): Promise<string[]> {
  const rows = await sql<{ partnerId: string }[]>`
    select c.partner_id as "partnerId"
    from event_counters c
    left join dashboard_cursors d on d.partner_id = c.partner_id and d.environment = c.environment
    where c.environment = ${environment} and c.position > coalesce(d.position, 0)
    order by coalesce(d.counted_until, '-infinity'), c.partner_id
    limit ${PARTNERS_AT_ONCE}`;
  return rows.map((row) => row.partnerId);
}

/** All in one transaction; apart where that fails, so that one partner's trouble does not keep the others waiting. */
async function countTogether(sql: Sql, environment: Environment, partnerIds: readonly string[]): Promise<Counted> {
  try {
    return await inTransaction(sql, (tx) => countNext(tx, environment, partnerIds));
  } catch (error) {
    if (partnerIds.length === 1) throw error;
  }
  const apart: Counted = { events: 0, more: false };
  const errors: unknown[] = [];
  for (const partnerId of partnerIds) {
    await countTogether(sql, environment, [partnerId]).then(
      ({ events, more }) => {
        apart.events += events;
        apart.more ||= more;
      },
      (error) => errors.push(error),
    );
  }
  if (errors.length > 0) throw new AggregateError(errors, 'the events of some partners could not be counted');
  return apart;
}

/** Counts the next events of partners; leaves out those that another worker is at. */
async function countNext(tx: Tx, environment: Environment, partnerIds: readonly string[]): Promise<Counted> {
  await tx`
    insert into dashboard_cursors (partner_id, environment, position)
    select partner_id, ${environment}, 0 from unnest(${[...partnerIds]}::uuid[]) as n (partner_id)
    order by partner_id
    on conflict do nothing`;
  const cursors = await tx<Cursor[]>`
    select partner_id as "partnerId", position from dashboard_cursors
    where partner_id = any(${[...partnerIds]}::uuid[]) and environment = ${environment}
    order by partner_id
    for no key update skip locked`;
  if (cursors.length === 0) return { events: 0, more: false };
  const share = Math.ceil(EVENTS_AT_ONCE / cursors.length);
  const [counted] = await tx<{ events: number; most: number }[]>`
    with part as materialized (
      select c.partner_id, e.position, e.type, e.data, e.created_at
      from unnest(
        ${plainArray(cursors, (c) => c.partnerId)}::uuid[], ${plainArray(cursors, (c) => c.position)}::bigint[]
      ) as c (partner_id, position)
      cross join lateral (
        select position, type, data, created_at from events
        where partner_id = c.partner_id and environment = ${environment} and position > c.position
        order by position limit ${share}
      ) e
    ),
    figures as (
      select partner_id, date_trunc('hour', created_at, 'UTC') as hour,
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
      select partner_id, ${environment}, hour, figure, dimension, sum(amount)::bigint
      from figures where figure is not null
      group by partner_id, hour, figure, dimension
      on conflict (partner_id, environment, hour, figure, dimension) do update set amount = h.amount + excluded.amount
    ),
    moved as (
      update dashboard_cursors d
      set position = p.position, counted_until = p.created_at
      from (select distinct on (partner_id) partner_id, position, created_at from part order by partner_id, position desc) p
      where d.partner_id = p.partner_id and d.environment = ${environment}
    )
    select coalesce(sum(count), 0)::bigint as events, coalesce(max(count), 0) as most
    from (select count(*) from part group by partner_id) of_partners`;
  return { events: counted?.events ?? 0, more: (counted?.most ?? 0) >= share };
}
