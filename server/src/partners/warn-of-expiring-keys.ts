import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Clock } from '../platform/clock.ts';
import type { Queryable, Sql, Tx } from '../platform/db.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import type { MailOutbox } from '../platform/mail-outbox.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { keyExpiringMail } from './mail-texts.ts';
import { contactAddresses } from './team/list-members.ts';

export interface WarningDependencies {
  sql: Sql;
  environment: Environment;
  clock: Clock;
  ids: Ids;
  /** Left out: no mails; the events are told all the same. */
  mailOutbox?: Pick<MailOutbox, 'queue' | 'isConfigured'> | undefined;
  log: Pick<Logger, 'error'>;
}

interface ExpiringKey {
  partnerId: string;
  id: string;
  name: string;
  publicKey: string;
  expiresAt: Date;
  /** The notice that is due: 30, 7 or 1 days. */
  noticeDays: number;
}

const KEYS_AT_ONCE = 100;

/**
 * Tells partners, by `api_key.expiring` and by mail, of keys that stop working in 30, 7 and 1 days: each notice once, and none that the
 * key's life is too short for. A key that was rotated goes as it should. What is due is read from the tables, so nothing is lost with
 * a process. Answers how many notices were given.
 */
export async function warnOfExpiringKeys(deps: WarningDependencies): Promise<number> {
  const { sql, environment, clock, log } = deps;
  let given = 0;
  for (;;) {
    const due = await sql<{ partnerId: string; id: string }[]>`
      select k.partner_id as "partnerId", k.id from (${noticesDue(sql, environment, clock.now())}) k
      order by k.partner_id, k.id limit ${KEYS_AT_ONCE}`;
    let failed = 0;
    for (const key of due) {
      try {
        if (await inTransaction(sql, (tx) => warn(tx, deps, key))) given += 1;
      } catch (error) {
        failed += 1;
        log.error({ err: error, keyId: publicId('key', key.id) }, 'a notice of an expiring key failed');
      }
    }
    // What failed is due again at the next run.
    if (due.length < KEYS_AT_ONCE || failed > 0) return given;
  }
}

/** Keys with a notice that is due and was not given; `k` of the inner query has the columns of `api_keys`. */
function noticesDue(sql: Queryable, environment: Environment, now: Date) {
  return sql`
    select k.partner_id, k.id, k.name, k.public_key, k.expires_at, k.days
    from (
      select k.*,
        case when k.expires_at <= ${now}::timestamptz + interval '1 day' then 1
          when k.expires_at <= ${now}::timestamptz + interval '7 days' then 7 else 30 end as days
      from api_keys k
      where k.environment = ${environment} and k.expires_at > ${now} and k.expires_at <= ${now}::timestamptz + interval '30 days'
        and k.revoked_at is null and k.is_active
    ) k
    where (k.expiry_notice_days is null or k.expiry_notice_days > k.days)
      and coalesce(k.expiry_set_at, k.created_at) < k.expires_at - make_interval(days => k.days)
      and not exists (select from api_keys s where s.partner_id = k.partner_id and s.rotated_from = k.id)`;
}

async function warn(tx: Tx, deps: WarningDependencies, { partnerId, id }: { partnerId: string; id: string }) {
  const { environment, clock, ids } = deps;
  const now = clock.now();
  await tx`select from api_keys where partner_id = ${partnerId} and id = ${id} for no key update`;
  // Looked at again under the lock: another worker may have told it.
  const [key] = await tx<ExpiringKey[]>`
    select k.partner_id as "partnerId", k.id, k.name, k.public_key as "publicKey", k.expires_at as "expiresAt",
      k.days as "noticeDays"
    from (${noticesDue(tx, environment, now)}) k where k.partner_id = ${partnerId} and k.id = ${id}`;
  if (key === undefined) return false;
  await tx`
    update api_keys set expiry_notice_days = ${key.noticeDays} where partner_id = ${partnerId} and id = ${id}`;
  await mailContacts(tx, deps, key, now);
  const data = {
    keyId: publicId('key', id),
    name: key.name,
    publicKey: key.publicKey,
    expiresAt: key.expiresAt.toISOString(),
    daysLeft: key.noticeDays,
  };
  await recordEvents(tx, [{ partnerId, environment, id: ids.uuid(), type: 'api_key.expiring', data, createdAt: now }]);
  return true;
}

async function mailContacts(tx: Tx, deps: WarningDependencies, key: ExpiringKey, now: Date): Promise<void> {
  const { environment, mailOutbox } = deps;
  if (mailOutbox?.isConfigured !== true) return;
  const { name, publicKey, expiresAt, noticeDays: days } = key;
  for (const address of await contactAddresses(tx, key.partnerId)) {
    const mail = keyExpiringMail(address, { name, publicKey, environment, expiresAt, days });
    await mailOutbox.queue(tx, mail, { now, expiresAt });
  }
}
