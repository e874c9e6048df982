import type { Action, SubmittedAction } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';
import { presentSubmitted, readExternalIds, type StoredDistribution, type StoredTrace } from './stored-action.ts';

/** An action as its table holds it; decimals as text. */
export interface ActionRow {
  id: string;
  partnerId: string;
  idempotencyKey: string;
  status: Action['status'];
  failureCode: string | null;
  actionType: string;
  amount: string | null;
  currency: string | null;
  quantity: string | null;
  unit: string | null;
  occurredAt: Date | null;
  campaignId: string | null;
  metadata: Action['metadata'];
  stakeholders: { stakeholderTypeCode: string; userId: string }[];
  poolId: string | null;
  tokens: number;
  reversedTokens: number;
  distributions: StoredDistribution[];
  evaluatorVersion: number;
  trace: StoredTrace;
  attempts: number;
  createdAt: Date;
}

/** The columns of an ActionRow. */
export const actionColumns = (sql: Queryable) => sql`
  a.id, a.partner_id as "partnerId", a.idempotency_key as "idempotencyKey", a.status, a.failure_code as "failureCode",
  a.action_type as "actionType", trim_scale(a.amount)::text as amount, a.currency, trim_scale(a.quantity)::text as quantity, a.unit,
  a.occurred_at as "occurredAt", a.campaign_id as "campaignId", a.metadata, a.stakeholders, a.pool_id as "poolId", a.tokens,
  a.reversed_tokens as "reversedTokens", a.distributions, a.evaluator_version as "evaluatorVersion", a.trace, a.attempts,
  a.created_at as "createdAt"`;

export const noSuchAction = () => problem('NOT_FOUND', 'There is no action with this id.');

/** Reads one action of the partner's own API. Throws 404 `NOT_FOUND`; `lock` keeps it from changing until the transaction ends. */
export async function readAction(
  sql: Queryable,
  tenant: Tenant,
  id: string,
  lock: 'unlocked' | 'locked' = 'unlocked',
): Promise<ActionRow> {
  const [row] = await sql<ActionRow[]>`
    select ${actionColumns(sql)} from actions a
    where a.partner_id = ${tenant.partnerId} and a.environment = ${tenant.environment} and a.id = ${id}
    ${lock === 'locked' ? sql`for no key update` : sql``}`;
  if (row === undefined) throw noSuchAction();
  return row;
}

/** The partner's own ids of every user that stands in these actions. */
export function externalIdsOf(sql: Queryable, rows: readonly ActionRow[]): Promise<Map<string, string>> {
  const users = rows.flatMap((row) => row.stakeholders.map(({ userId }) => ({ partnerId: row.partnerId, userId })));
  return users.length === 0 ? Promise.resolve(new Map()) : readExternalIds(sql, users);
}

/** An action as the contract shows it: the answer of submit, the request's fields, and what became of it. */
export function presentAction(row: ActionRow, externalIds: ReadonlyMap<string, string>): Action {
  const submitted: SubmittedAction = presentSubmitted(row, externalIds);
  return {
    ...submitted,
    status: row.status,
    actionType: row.actionType,
    ...(row.amount === null ? {} : { amount: Number(row.amount) }),
    ...(row.currency === null ? {} : { currency: row.currency }),
    ...(row.quantity === null ? {} : { quantity: Number(row.quantity) }),
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.occurredAt === null ? {} : { occurredAt: row.occurredAt.toISOString() }),
    stakeholders: row.stakeholders.map(({ stakeholderTypeCode, userId }) => ({
      stakeholderTypeCode,
      partnerUserId: externalIds.get(userId) ?? '',
    })),
    metadata: row.metadata,
    ...(row.failureCode === null ? {} : { failureCode: row.failureCode }),
    reversedTokens: row.reversedTokens,
    attempts: row.attempts,
  };
}
