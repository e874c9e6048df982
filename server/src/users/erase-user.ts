import type { Fragment } from 'postgres';
import { lockBook } from '../ledger/index.ts';
import type { Queryable, Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { noSuchUser } from './queries.ts';

/** Where a person stands apart from the user's own row; row ids. */
export interface PersonalTraces {
  userId: string;
  /** Ids are made before they are committed: below this one everything was seen. */
  actionsAfter: string;
  actionIds: string[];
  /** Events up to this position were seen. */
  eventPosition: number;
  eventIds: string[];
}

const SLICE_ROWS = 20_000;
/** Users, actions and events get their ids from clocks that may differ by this much. */
const CLOCK_SLACK_MILLISECONDS = 3_600_000;
/** No transaction takes longer between making an id and committing it, whatever the clocks say. */
const LATE_COMMIT_MILLISECONDS = 600_000;
const TIME_DIGITS = 12;

/** The lowest UUIDv7 of so many milliseconds before another. */
function idBefore(uuid: string, milliseconds: number): string {
  const time = Number.parseInt(uuid.replaceAll('-', '').slice(0, TIME_DIGITS), 16) - milliseconds;
  const digits = Math.max(0, time).toString(16).padStart(TIME_DIGITS, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}-0000-0000-000000000000`;
}

/**
 * Looks for everything about a user that names the person, without a lock and in slices, since neither events nor actions have an
 * index by user: erasing somebody is rare, and rewarding is not to pay for it. Throws 404 `NOT_FOUND`.
 */
export async function findPersonalTraces(
  sql: Sql,
  ids: Ids,
  tenant: Tenant,
  externalUserId: string,
): Promise<PersonalTraces> {
  const { partnerId, environment } = tenant;
  const [user] = await sql<{ id: string }[]>`
    select id from partner_users
    where partner_id = ${partnerId} and environment = ${environment} and external_user_id = ${externalUserId} and erased_at is null`;
  if (user === undefined) throw noSuchUser();
  const actionsAfter = idBefore(ids.uuid(), LATE_COMMIT_MILLISECONDS);
  const [counter] = await sql<{ position: number }[]>`
    select position from event_counters where partner_id = ${partnerId} and environment = ${environment}`;
  const found = { userId: user.id, actionsAfter, eventPosition: counter?.position ?? 0 };
  const since = idBefore(user.id, CLOCK_SLACK_MILLISECONDS);
  const actionIds: string[] = [];
  for await (const slice of slices(sql, tenant, 'actions', since)) {
    actionIds.push(...(await actionsOf(sql, tenant, user.id, slice)));
  }
  const eventIds: string[] = [];
  for await (const slice of slices(sql, tenant, 'events', since)) {
    const within = sql`and id > ${slice.after} ${slice.until === undefined ? sql`` : sql`and id <= ${slice.until}`}`;
    eventIds.push(...(await eventsAbout(sql, tenant, user.id, externalUserId, within)));
  }
  return { ...found, actionIds, eventIds };
}

interface Slice {
  after: string;
  until: string | undefined;
}

/** Ranges of ids of at most 20,000 rows of the partner each; the last is open. */
async function* slices(
  sql: Sql,
  { partnerId }: Tenant,
  table: 'actions' | 'events',
  since: string,
): AsyncGenerator<Slice> {
  for (let after = since; ; ) {
    const [last] = await sql<{ id: string }[]>`
      select id from ${sql(table)} where partner_id = ${partnerId} and id > ${after}
      order by id offset ${SLICE_ROWS - 1} limit 1`;
    yield { after, until: last?.id };
    if (last === undefined) return;
    after = last.id;
  }
}

/** Actions in which the user has a part. A stakeholder is stored by row id. */
async function actionsOf(sql: Queryable, tenant: Tenant, userId: string, slice: Slice): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from actions
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id > ${slice.after}
      ${slice.until === undefined ? sql`` : sql`and id <= ${slice.until}`}
      and strpos(stakeholders::text, ${userId}) > 0`;
  return rows.map(({ id }) => id);
}

/** The members that name a user in events, as they are written there: the text of an event is `JSON.stringify`'s. */
const namesOf = (externalUserId: string) => {
  const value = JSON.stringify(externalUserId);
  return { stakeholder: `"partnerUserId":${value}`, user: `"externalUserId":${value}` };
};

async function eventsAbout(
  sql: Queryable,
  tenant: Tenant,
  userId: string,
  externalUserId: string,
  within: Fragment,
): Promise<string[]> {
  const names = namesOf(externalUserId);
  const rows = await sql<{ id: string }[]>`
    select id from events
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} ${within}
      and case type
        when 'user.created' then data->>'id' = ${publicId('usr', userId)}
        else strpos(data::text, ${names.stakeholder}) > 0 or strpos(data::text, ${names.user}) > 0
      end`;
  return rows.map(({ id }) => id);
}

/**
 * Erases a person and keeps the books (docs/ledger.md): the user's row loses e-mail, names, metadata and the partner's own id, which is
 * free again; events name a marker in its place; the hashes that would tell the person's fields in a retry and the kept answers that
 * show them are deleted. Balances, ledger, traces and chains are untouched: they know the user by row id.
 *
 * Every writer that names a user in events holds a pool of the tenant, so all of them are locked first; then actions, then the user,
 * in the order of every writer. What came after the search is looked for again under these locks. Throws 404 `NOT_FOUND`, also when
 * another request erased the user meanwhile.
 */
export async function eraseUser(
  tx: Tx,
  ids: Ids,
  tenant: Tenant,
  externalUserId: string,
  traces: PersonalTraces,
  now: Date,
): Promise<void> {
  const { partnerId, environment } = tenant;
  const { userId } = traces;
  const pools = await tx<{ partnerId: string; id: string }[]>`
    select partner_id as "partnerId", id from token_pools where partner_id = ${partnerId} and environment = ${environment}`;
  await lockBook(tx, { pools });
  const lateActions = await actionsOf(tx, tenant, userId, { after: traces.actionsAfter, until: undefined });
  await forgetLeafHashes(tx, tenant, userId, [...new Set([...traces.actionIds, ...lateActions])]);

  const marker = `erased:${publicId('usr', ids.uuid())}`;
  const erased = await tx`
    update partner_users
    set external_user_id = ${marker}, email = null, first_name = null, last_name = null, metadata = '{}', erased_at = ${now},
      updated_at = ${now}
    where partner_id = ${partnerId} and environment = ${environment} and id = ${userId} and external_user_id = ${externalUserId}
      and erased_at is null`;
  if (erased.count === 0) throw noSuchUser();
  // A new statement: what waited for the user's row is seen now.
  const lateEvents = await eventsAbout(tx, tenant, userId, externalUserId, tx`and position > ${traces.eventPosition}`);
  await blankEvents(tx, tenant, [...traces.eventIds, ...lateEvents], externalUserId, marker);
  await forgetKeptAnswers(tx, tenant, userId);
}

async function forgetLeafHashes(tx: Tx, tenant: Tenant, userId: string, actionIds: readonly string[]): Promise<void> {
  if (actionIds.length === 0) return;
  await tx`
    with locked as (
      select id, stakeholders, fingerprint_leaves from actions
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = any(${[...actionIds]}::uuid[])
      order by partner_id, environment, source, idempotency_key
      for no key update
    ),
    kept as (
      select k.id, coalesce((
        select json_object_agg(leaf.key, leaf.value)
        from json_each_text(k.fingerprint_leaves) leaf
        where not exists (
          select from json_array_elements(k.stakeholders) with ordinality as s (stakeholder, number)
          where s.stakeholder->>'userId' = ${userId} and leaf.key in (
            '/stakeholders/' || s.number - 1 || '/partnerUserId', '/stakeholders/' || s.number - 1 || '/userEmail',
            '/stakeholders/' || s.number - 1 || '/userFirstName', '/stakeholders/' || s.number - 1 || '/userLastName')
        )
      ), '{}') as leaves
      from locked k
    )
    update actions a set fingerprint_leaves = kept.leaves
    from kept
    where a.partner_id = ${tenant.partnerId} and a.id = kept.id`;
}

async function blankEvents(
  tx: Tx,
  tenant: Tenant,
  eventIds: readonly string[],
  externalUserId: string,
  marker: string,
): Promise<void> {
  if (eventIds.length === 0) return;
  const [was, is] = [namesOf(externalUserId), namesOf(marker)];
  await tx`
    update events set data = case type
      when 'user.created' then json_build_object('id', data->'id', 'externalUserId', ${marker}::text, 'metadata', '{}'::json,
        'createdAt', data->'createdAt', 'updatedAt', data->'updatedAt')
      else replace(replace(data::text, ${was.stakeholder}, ${is.stakeholder}), ${was.user}, ${is.user})::json
    end
    where partner_id = ${tenant.partnerId} and id = any(${[...eventIds]}::uuid[])`;
}

/** Answers that show the user, and the signatures that stand for them. */
async function forgetKeptAnswers(tx: Tx, tenant: Tenant, userId: string): Promise<void> {
  await tx`
    with shown as (
      select id from idempotent_requests
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}
        and strpos(answer::text, ${publicId('usr', userId)}) > 0
    )
    delete from idempotent_requests
    where partner_id = ${tenant.partnerId} and (id in (select id from shown) or replays_id in (select id from shown))`;
}
