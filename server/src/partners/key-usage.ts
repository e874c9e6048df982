import type { Caller, KeyCaller, WidgetCaller } from '../platform/caller.ts';
import type { Clock } from '../platform/clock.ts';
import type { Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import type { ErrorLog } from '../platform/render-problem.ts';
import { type Milestone, type ReachedMilestone, recordMilestones } from './milestones.ts';

interface Use {
  partnerId: string;
  apiKeyId: string;
  at: Date;
  ip: string;
}

const FLUSH_MILLISECONDS = 5_000;
/** Some 100 bytes each. */
const MAX_KNOWN_MILESTONES = 100_000;

/**
 * Remembers when and from where keys were used, and what an integration did for the first time. On the path of a request it only
 * notes that in memory; every 5 s one transaction writes what has gathered. What a process had noted is lost when it is killed.
 */
export class KeyUsage {
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #log: ErrorLog;
  readonly #timer: NodeJS.Timeout;
  /** By key and kind of use, so that the first use of each kind in a round is seen as that. */
  #uses = new Map<string, Use>();
  #reached = new Map<string, ReachedMilestone>();
  /** Milestones that this process has written. */
  readonly #written = new Set<string>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(sql: Sql, clock: Clock, log: ErrorLog) {
    this.#sql = sql;
    this.#clock = clock;
    this.#log = log;
    this.#timer = setInterval(() => void this.flush(), FLUSH_MILLISECONDS);
    this.#timer.unref();
  }

  /** Notes an accepted request of a key. */
  readonly onUse = (caller: KeyCaller | WidgetCaller, ip: string): void => {
    const { tenant, apiKeyId } = caller;
    const isSigned = caller.kind === 'apiKey';
    const id = isSigned ? apiKeyId : `widget ${apiKeyId}`;
    const at = this.#clock.now();
    const use = this.#uses.get(id);
    if (use === undefined) {
      this.#uses.set(id, { partnerId: tenant.partnerId, apiKeyId, at, ip });
      this.#reach(tenant, isSigned ? 'SIGNED_REQUEST' : 'WIDGET_LOADED', at);
    } else {
      use.at = at;
      use.ip = ip;
    }
  };

  /** Notes that a request was answered with an earlier answer. */
  readonly onReplay = (caller: Caller): void => {
    if (caller.kind === 'apiKey') this.#reach(caller.tenant, 'RETRY_REPLAYED', this.#clock.now());
  };

  /** Writes what has gathered. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush());
    return this.#flushing;
  }

  /** Writes the rest and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #reach(tenant: Tenant, milestone: Milestone, reachedAt: Date): void {
    const id = `${tenant.partnerId} ${tenant.environment} ${milestone}`;
    if (!this.#written.has(id) && !this.#reached.has(id)) this.#reached.set(id, { ...tenant, milestone, reachedAt });
  }

  async #flush(): Promise<void> {
    const [uses, reached] = [this.#uses, this.#reached];
    if (uses.size === 0 && reached.size === 0) return;
    this.#uses = new Map();
    this.#reached = new Map();
    try {
      await inTransaction(this.#sql, async (tx) => {
        await recordMilestones(tx, [...reached.values()]);
        await writeUses(tx, [...uses.values()]);
      });
      if (this.#written.size > MAX_KNOWN_MILESTONES) this.#written.clear();
      for (const id of reached.keys()) this.#written.add(id);
    } catch (err) {
      this.#log.error({ requestId: '', err }, 'the use of keys could not be written; it is tried again');
      // What was noted meanwhile is newer.
      this.#uses = new Map([...uses, ...this.#uses]);
      this.#reached = new Map([...this.#reached, ...reached]);
    }
  }
}

/**
 * Rows are locked in the order of their keys, since several processes write the same ones. A row that somebody has locked is left
 * out: another process tells of the same moments, and the next round comes soon.
 */
async function writeUses(tx: Tx, uses: readonly Use[]): Promise<void> {
  if (uses.length === 0) return;
  const partnerIds = uses.map(({ partnerId }) => partnerId);
  const keyIds = uses.map(({ apiKeyId }) => apiKeyId);
  const locked = await tx<{ id: string }[]>`
    select k.id from api_keys k
    where (k.partner_id, k.id) in (select * from unnest(${partnerIds}::uuid[], ${keyIds}::uuid[]))
    order by k.partner_id, k.id
    for no key update skip locked`;
  await tx`
    update api_keys k set last_used_at = u.at, last_used_ip = u.ip
    from (
      select distinct on (n.partner_id, n.id) n.partner_id, n.id, n.at::timestamptz as at, n.ip
      from unnest(
        ${partnerIds}::uuid[], ${keyIds}::uuid[], ${uses.map(({ at }) => at.toISOString())}::text[],
        ${uses.map(({ ip }) => ip)}::text[]
      ) as n (partner_id, id, at, ip)
      where n.id = any (${locked.map(({ id }) => id)}::uuid[])
      order by n.partner_id, n.id, n.at desc
    ) u
    where k.partner_id = u.partner_id and k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`;
}
