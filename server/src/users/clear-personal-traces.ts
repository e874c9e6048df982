import type { Queryable, Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';

/** Who is being erased. */
export interface Person {
  /** Row id of the user. */
  userId: string;
  externalUserId: string;
  /** Stands in place of the external id. */
  marker: string;
}

/** Up to where everything about a person is gone: what came later, the last transaction clears. */
export interface ClearedTraces {
  person: Person;
  /** Every action with an id up to this one was looked at. */
  actionsUntil: string;
  /** Every event up to this position was looked at. */
  eventPosition: number;
  /** Rows of kept answers that show the user. They go in the last transaction: until then the user is there. */
  keptAnswerIds: string[];
  /** Every kept answer with an id up to this one was looked at. */
  keptAnswersUntil: string;
}

/**
 * Rows that one transaction looks through. 50,000 actions of one person, with their 155,000 events, took 3.7 s while others were
 * rewarded, the slowest of them after 0.34 s (two cores); in one transaction the pool was held for 2 s of 3.1.
 */
const PORTION_ROWS = 5_000;
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
 * The long part of erasing a person: clears what names them in actions and events, in portions that commit by themselves. None holds a
 * pool, so rewarding goes on meanwhile. Neither events nor actions have an index by user, since every reward would pay for it: all of
 * the tenant's since the user was created are looked through. One that was cut off is simply called again. Answers undefined where
 * there is no such user; throws 503 `UNAVAILABLE` and `OUTCOME_UNKNOWN`.
 */
export async function clearPersonalTraces(
  sql: Sql,
  ids: Ids,
  tenant: Tenant,
  externalUserId: string,
): Promise<ClearedTraces | undefined> {
  const person = await beginErasure(sql, ids, tenant, externalUserId);
  if (person === undefined) return undefined;
  const since = idBefore(person.userId, CLOCK_SLACK_MILLISECONDS);
  const until = idBefore(ids.uuid(), LATE_COMMIT_MILLISECONDS);

  const keptAnswerIds: string[] = [];
  await inPortions(sql, tenant, 'idempotent_requests', since, async (tx, range) => {
    keptAnswerIds.push(...(await keptAnswersAbout(tx, tenant, person, range)));
  });
  await inPortions(sql, tenant, 'actions', since, (tx, range) => forgetLeafHashes(tx, tenant, person, range));
  const eventPosition = await clearEvents(sql, tenant, person, since);
  return { person, actionsUntil: until, eventPosition, keptAnswerIds, keptAnswersUntil: until };
}

/** The marker is committed first: every portion of every attempt writes the same. */
async function beginErasure(
  sql: Sql,
  ids: Ids,
  { partnerId, environment }: Tenant,
  externalUserId: string,
): Promise<Person | undefined> {
  const marker = `erased:${publicId('usr', ids.uuid())}`;
  const [person] = await inTransaction(
    sql,
    (tx) => tx<Person[]>`
      update partner_users set erasing_as = coalesce(erasing_as, ${marker})
      where partner_id = ${partnerId} and environment = ${environment} and external_user_id = ${externalUserId} and erased_at is null
      returning id as "userId", external_user_id as "externalUserId", erasing_as as marker`,
  );
  return person;
}

interface IdRange {
  after: string;
  /** Undefined: open. */
  until: string | undefined;
}

/** Works through a partner's rows in the order of their ids, each portion in a transaction of its own; the last is open. */
async function inPortions(
  sql: Sql,
  { partnerId }: Tenant,
  table: 'actions' | 'idempotent_requests',
  since: string,
  work: (tx: Tx, range: IdRange) => Promise<void>,
): Promise<void> {
  const portion = async (tx: Tx, after: string): Promise<string | undefined> => {
    const [last] = await tx<{ id: string }[]>`
      select id from ${tx(table)} where partner_id = ${partnerId} and id > ${after}
      order by id offset ${PORTION_ROWS - 1} limit 1`;
    await work(tx, { after, until: last?.id });
    return last?.id;
  };
  for (let after: string | undefined = since; after !== undefined; ) {
    const from: string = after;
    after = await inTransaction(sql, (tx) => portion(tx, from));
  }
}

const within = (sql: Queryable, { after, until }: IdRange) =>
  sql`id > ${after} ${until === undefined ? sql`` : sql`and id <= ${until}`}`;

/**
 * Deletes the hashes that would tell the person's fields in a retry, of the actions in a range of ids. A stakeholder is stored by row
 * id; the hash of `partnerUserId` is there until this has run. Rows are locked in the order of their keys, as every writer does.
 */
export async function forgetLeafHashes(tx: Tx, tenant: Tenant, { userId }: Person, range: IdRange): Promise<void> {
  await tx`
    with locked as (
      select id, stakeholders, fingerprint_leaves from actions
      where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and ${within(tx, range)}
        and strpos(stakeholders::text, ${userId}) > 0
        and exists (
          select from json_array_elements(stakeholders) with ordinality as s (stakeholder, number)
          where s.stakeholder->>'userId' = ${userId}
            and fingerprint_leaves->('/stakeholders/' || s.number - 1 || '/partnerUserId') is not null
        )
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

/** Answers the position up to which nothing names the person; less than a portion was told beyond it. */
async function clearEvents(sql: Sql, tenant: Tenant, person: Person, since: string): Promise<number> {
  const { partnerId, environment } = tenant;
  let { position, counter } = await inTransaction(sql, async (tx) => {
    // The slack of `since` is longer than an event may be on its way, so that nothing about the user stands before this one.
    const [first] = await tx<{ position: number }[]>`
      select position from events where partner_id = ${partnerId} and environment = ${environment} and id > ${since}
      order by id limit 1`;
    return { position: (first?.position ?? 1) - 1, counter: await lastPosition(tx, tenant) };
  });
  for (; position + PORTION_ROWS <= counter; position += PORTION_ROWS) {
    const range = { after: position, until: position + PORTION_ROWS };
    counter = await inTransaction(sql, async (tx) => {
      await blankEvents(tx, tenant, person, range);
      return lastPosition(tx, tenant);
    });
  }
  return position;
}

async function lastPosition(tx: Tx, { partnerId, environment }: Tenant): Promise<number> {
  const [counter] = await tx<{ position: number }[]>`
    select position from event_counters where partner_id = ${partnerId} and environment = ${environment}`;
  return counter?.position ?? 0;
}

/** The members that name a user in events, as they are written there: the text of an event is `JSON.stringify`'s. */
const namesOf = (externalUserId: string) => {
  const value = JSON.stringify(externalUserId);
  return { stakeholder: `"partnerUserId":${value}`, user: `"externalUserId":${value}` };
};

/** Puts the marker in place of the external id, and takes the person out of `user.created`, after a position and up to another. */
export async function blankEvents(
  tx: Tx,
  tenant: Tenant,
  { userId, externalUserId, marker }: Person,
  { after, until }: { after: number; until: number | undefined },
): Promise<void> {
  const [was, is] = [namesOf(externalUserId), namesOf(marker)];
  await tx`
    update events set data = case type
      when 'user.created' then json_build_object('id', data->'id', 'externalUserId', ${marker}::text, 'metadata', '{}'::json,
        'createdAt', data->'createdAt', 'updatedAt', data->'updatedAt')
      else replace(replace(data::text, ${was.stakeholder}, ${is.stakeholder}), ${was.user}, ${is.user})::json
    end
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and position > ${after}
      ${until === undefined ? tx`` : tx`and position <= ${until}`}
      and case type
        when 'user.created' then data->>'id' = ${publicId('usr', userId)}
        else strpos(data::text, ${was.stakeholder}) > 0 or strpos(data::text, ${was.user}) > 0
      end`;
}

/** Rows of kept answers in a range of ids that show the user. */
export async function keptAnswersAbout(
  sql: Queryable,
  tenant: Tenant,
  { userId }: Person,
  range: IdRange,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from idempotent_requests
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and ${within(sql, range)}
      and strpos(answer::text, ${publicId('usr', userId)}) > 0`;
  return rows.map(({ id }) => id);
}
