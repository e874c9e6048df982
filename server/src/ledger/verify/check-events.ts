import type { Environment } from '@sirgiving/contract';
import type { Tx } from '../../platform/db.ts';
import { type IdPrefix, publicId } from '../../platform/ids.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';
import { readInParts } from './read-in-parts.ts';

/** I9: the positions of a partner and environment are 1, 2, 3 … up to its counter. */
async function checkPositions(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  await addAll(
    found,
    tx`
    select 'I9' as invariant, v.partner_id as "partnerId", v.environment,
      format('event position %s follows %s', v.position, v.position_before) as detail
    from (
      select v.partner_id, v.environment, v.position,
        lag(v.position, 1, 0::bigint) over (partition by v.partner_id, v.environment order by v.position) as position_before
      from events v
      where ${within(tx, scope, 'v')}
    ) v
    where v.position <> v.position_before + 1`,
  );
  await addAll(
    found,
    tx`
    select 'I9' as invariant, coalesce(c.partner_id, v.partner_id) as "partnerId", coalesce(c.environment, v.environment) as environment,
      format('the event counter stands at %s, and the last event is %s', c.position, v.position) as detail
    from (select * from event_counters c where ${within(tx, scope, 'c')}) c
    full join (
      select v.partner_id, v.environment, max(v.position) as position from events v
      where ${within(tx, scope, 'v')}
      group by v.partner_id, v.environment
    ) v on v.partner_id = c.partner_id and v.environment = c.environment
    where coalesce(c.position, 0) <> coalesce(v.position, 0)`,
  );
}

/** A thing that has happened, or the event that tells of it. `detail` tells two events of one type about one thing apart. */
interface Told {
  partnerId: string;
  environment: Environment;
  type: string;
  /** Public id of what it is about. */
  subject: string;
  detail: string;
}

/** A fact as the tables hold it. */
interface Fact extends Omit<Told, 'subject'> {
  prefix: IdPrefix;
  id: string;
}

/** What must have been told; each once, but for a failure, which may be told again. */
async function* readFacts(tx: Tx, scope: Scope): AsyncGenerator<Told[]> {
  const query = tx`
    select f.partner_id as "partnerId", f.environment, f.type, f.prefix, f.id, f.detail
    from (
      select a.partner_id, a.environment, 'action.completed' as type, 'act' as prefix, a.id, '' as detail
      from actions a where a.status <> 'FAILED' and ${within(tx, scope, 'a')}
      union all
      -- An action is processed anew only after it failed.
      select a.partner_id, a.environment, 'action.failed', 'act', a.id, ''
      from actions a where (a.status = 'FAILED' or a.attempts > 1) and ${within(tx, scope, 'a')}
      union all
      select r.partner_id, r.environment, 'action.reversed', 'act', r.action_id, r.answer->>'reversedTokens'
      from reversals r where ${within(tx, scope, 'r')}
      union all
      select r.partner_id, r.environment, 'reward.redeemed', 'rdm', r.id, ''
      from redemptions r where ${within(tx, scope, 'r')}
      union all
      select t.partner_id, t.environment, case when t.kind = 'ALLOCATION' then 'token_pool.funded' else 'transaction.completed' end,
        'txn', t.id, ''
      from ledger_transactions t
      where t.kind in ('ALLOCATION', 'REWARD', 'REVERSAL', 'REDEMPTION', 'EXPIRATION') and ${within(tx, scope, 't')}
      union all
      select q.partner_id, q.environment, 'token_pool.request.' || lower(q.status), 'preq', q.id, ''
      from token_pool_requests q where q.status <> 'PENDING' and ${within(tx, scope, 'q')}
      union all
      select u.partner_id, u.environment, 'user.created', 'usr', u.id, ''
      from partner_users u where ${within(tx, scope, 'u')}
    ) f
    order by f.partner_id, f.prefix collate "C", f.id, f.type collate "C", f.detail collate "C"`;
  for await (const facts of readInParts<Fact>(tx, 'facts', query)) {
    yield facts.map(({ partnerId, environment, type, prefix, id, detail }) => ({
      partnerId,
      environment,
      type,
      subject: publicId(prefix, id),
      detail,
    }));
  }
}

/** What was told, in the same order: a TypeID sorts like the UUID that it is made of. */
function readEvents(tx: Tx, scope: Scope): AsyncIterable<Told[]> {
  return readInParts<Told>(
    tx,
    'told',
    tx`
    select v.partner_id as "partnerId", v.environment, v.type, v.subject, v.detail
    from (
      select v.partner_id, v.environment, v.type,
        coalesce(v.data->>(case v.type
          when 'reward.redeemed' then 'redemptionId'
          when 'token_pool.funded' then 'transactionId'
          when 'token_pool.request.approved' then 'requestId'
          when 'token_pool.request.denied' then 'requestId'
          when 'transaction.completed' then 'transactionId'
          when 'user.created' then 'id'
          else 'actionId' end), '') as subject,
        case when v.type = 'action.reversed' then coalesce(v.data->>'reversedTokens', '') else '' end as detail
      from events v
      where v.type in ('action.completed', 'action.failed', 'action.reversed', 'reward.redeemed', 'token_pool.funded',
          'token_pool.request.approved', 'token_pool.request.denied', 'transaction.completed', 'user.created') and ${within(tx, scope, 'v')}
    ) v
    order by v.partner_id, v.subject collate "C", v.type collate "C", v.detail collate "C"`,
  );
}

/** Rows that come in parts, looked at one by one, each with its place in the common order of facts and events. */
class Reading {
  row: Told | undefined;
  place = '';
  private readonly parts: AsyncIterator<Told[]>;
  private part: readonly Told[] = [];
  private at = 0;

  constructor(parts: AsyncIterable<Told[]>) {
    this.parts = parts[Symbol.asyncIterator]();
  }

  /** Passes on, and answers whether that has to be awaited: a promise for each of some million rows would take seconds. */
  advance(): Promise<void> | undefined {
    this.at += 1;
    if (this.at >= this.part.length) return this.fill();
    this.look();
    return undefined;
  }

  async fill(): Promise<void> {
    const { value, done } = await this.parts.next();
    this.part = done === true ? [] : value;
    this.at = 0;
    this.look();
  }

  private look(): void {
    const row = this.part[this.at];
    this.row = row;
    // Sorts behind every other place.
    this.place = row === undefined ? '~' : `${row.partnerId} ${row.subject} ${row.type} ${row.detail}`;
  }
}

/**
 * I9: everything that happened has its event and every event something that happened, and of I11 that the two are of one environment.
 * They are read side by side in one order, so that nothing has to be kept.
 */
async function checkTold(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  const facts = new Reading(readFacts(tx, scope));
  const told = new Reading(readEvents(tx, scope));
  await facts.fill();
  await told.fill();
  const report = (invariant: 'I9' | 'I11', { partnerId, environment }: Told, detail: string) =>
    found.add({ invariant, partnerId, environment, detail });
  let last = '';
  while (facts.row !== undefined || told.row !== undefined) {
    const { row: fact } = facts;
    const { row: event } = told;
    let waiting: Promise<unknown> | undefined;
    if (event !== undefined && told.place === last) {
      if (event.type !== 'action.failed') report('I9', event, `${event.type} of ${event.subject} was told twice`);
      waiting = told.advance();
    } else if (fact !== undefined && facts.place < told.place) {
      report('I9', fact, `${fact.type} of ${fact.subject} was never told`);
      waiting = facts.advance();
    } else if (event !== undefined && told.place < facts.place) {
      report('I9', event, `${event.type} tells of ${event.subject || 'nothing'}, of which it is not true`);
      waiting = told.advance();
    } else {
      if (fact !== undefined && event !== undefined && fact.environment !== event.environment) {
        report('I11', fact, `${fact.type} of ${fact.subject} of ${fact.environment} was told to ${event.environment}`);
      }
      last = told.place;
      const [factsWait, toldWait] = [facts.advance(), told.advance()];
      waiting =
        factsWait !== undefined && toldWait !== undefined
          ? Promise.all([factsWait, toldWait])
          : (factsWait ?? toldWait);
    }
    if (waiting !== undefined) await waiting;
  }
}

/** What happened against what was told. */
export const checkEvents: LedgerCheck = {
  invariants: ['I9', 'I11'],
  run: async (tx, scope, found) => {
    await checkPositions(tx, scope, found);
    await checkTold(tx, scope, found);
  },
};
