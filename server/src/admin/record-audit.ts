import type { Environment } from '@sirgiving/contract';
import type { Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { auditHash, type ChainedEntry } from './audit-chain.ts';

/** A change that somebody of SIR Giving made. Neither `before` nor `after` may hold secrets or personal data. */
export interface AuditEntry {
  /** Row id of the account; undefined: an operator at the console of a sandbox. */
  actor: { kind: 'ADMIN' | 'OPERATOR'; accountId?: string | undefined };
  /** What was done, such as `pool_request.approve`. */
  action: string;
  environment: Environment;
  /** Row id; left out where it is about none. */
  partnerId?: string | undefined;
  /** The public id of what was changed. */
  target: string;
  reason?: string | undefined;
  before?: object | undefined;
  after?: object | undefined;
  requestId?: string | undefined;
}

/**
 * Adds an entry to the end of the audit log, in the transaction of the change itself. Entries take turns on one row until COMMIT, so
 * it comes behind everything else that locks.
 */
export async function recordAudit(tx: Tx, ids: Ids, entry: AuditEntry, now: Date): Promise<void> {
  const [head] = await tx<
    { sequence: number; hash: Buffer }[]
  >`select sequence, hash from audit_head for no key update`;
  if (head === undefined) throw new Error('the audit log has lost its head');
  const chained: ChainedEntry = {
    sequence: head.sequence + 1,
    id: ids.uuid(),
    actorKind: entry.actor.kind,
    actorAccountId: entry.actor.accountId ?? null,
    action: entry.action,
    environment: entry.environment,
    partnerId: entry.partnerId ?? null,
    target: entry.target,
    reason: entry.reason ?? null,
    before: entry.before === undefined ? null : JSON.stringify(entry.before),
    after: entry.after === undefined ? null : JSON.stringify(entry.after),
    requestId: entry.requestId ?? null,
    createdAt: now,
  };
  const hash = auditHash(head.hash, chained);
  await tx`
    insert into audit_log (sequence, id, actor_kind, actor_account_id, action, environment, partner_id, target, reason, before_change,
      after_change, request_id, created_at, previous_hash, hash)
    values (${chained.sequence}, ${chained.id}, ${chained.actorKind}, ${chained.actorAccountId}, ${chained.action},
      ${chained.environment}, ${chained.partnerId}, ${chained.target}, ${chained.reason}, ${chained.before}::text::json,
      ${chained.after}::text::json, ${chained.requestId}, ${now}, ${head.hash}, ${hash})`;
  await tx`update audit_head set sequence = ${chained.sequence}, hash = ${hash}`;
}
