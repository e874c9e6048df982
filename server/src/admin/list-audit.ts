import type { AuditLogEntry, AuditLogQuery, Environment } from '@sirgiving/contract';
import { findPeople } from '../accounts/index.ts';
import { createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';

interface AuditRow {
  sequence: number;
  id: string;
  actorKind: 'ADMIN' | 'OPERATOR';
  actorAccountId: string | null;
  action: string;
  environment: Environment;
  partnerId: string | null;
  target: string;
  reason: string | null;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  requestId: string | null;
  createdAt: Date;
  hash: Buffer;
}

/** What people of SIR Giving changed in an environment, newest first. A filter that names nothing finds nothing. */
export async function listAudit(
  sql: Queryable,
  environment: Environment,
  filter: AuditLogQuery,
  request: PageRequest,
): Promise<Page<AuditLogEntry>> {
  const partnerId = filter.partnerId === undefined ? undefined : rowId('ptn', filter.partnerId);
  const actorId = filter.actorId === undefined ? undefined : rowId('acc', filter.actorId);
  const matching = sql`
    from audit_log where environment = ${environment} ${createdWithin(sql, filter)}
      ${partnerId === undefined ? sql`` : sql`and partner_id = ${partnerId}`}
      ${actorId === undefined ? sql`` : sql`and actor_account_id = ${actorId}`}
      ${filter.target === undefined ? sql`` : sql`and target = ${filter.target}`}`;
  const [rows, counted] = await Promise.all([
    sql<AuditRow[]>`
      select sequence, id, actor_kind as "actorKind", actor_account_id as "actorAccountId", action, environment,
        partner_id as "partnerId", target, reason, before_change as before, after_change as after, request_id as "requestId",
        created_at as "createdAt", hash
      ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  const people = await findPeople(
    sql,
    rows.flatMap((row) => row.actorAccountId ?? []),
  );
  return pageOf(
    request,
    rows,
    (row) => presentEntry(row, people.get(row.actorAccountId ?? '')?.email ?? null),
    counted[0]?.total,
  );
}

function presentEntry(row: AuditRow, email: string | null): AuditLogEntry {
  return {
    sequence: row.sequence,
    actor: {
      kind: row.actorKind,
      accountId: row.actorAccountId === null ? null : publicId('acc', row.actorAccountId),
      email,
    },
    action: row.action,
    environment: row.environment,
    partnerId: row.partnerId === null ? null : publicId('ptn', row.partnerId),
    target: row.target,
    reason: row.reason,
    before: row.before,
    after: row.after,
    requestId: row.requestId,
    createdAt: row.createdAt.toISOString(),
    hash: row.hash.toString('hex'),
  };
}
