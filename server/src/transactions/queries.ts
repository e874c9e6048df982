import type { Transaction, TransactionKind } from '@sirgiving/contract';
import type { Fragment } from 'postgres';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';

interface TransactionRow {
  id: string;
  kind: TransactionKind;
  tokens: number;
  externalUserId: string | null;
  actionId: string | null;
  actionType: string | null;
  poolId: string;
  reversesId: string | null;
  createdAt: Date;
}

function presentTransaction(row: TransactionRow): Transaction {
  return {
    id: publicId('txn', row.id),
    kind: row.kind,
    tokens: row.tokens,
    ...(row.externalUserId === null ? {} : { externalUserId: row.externalUserId }),
    ...(row.actionId === null ? {} : { actionId: publicId('act', row.actionId) }),
    ...(row.actionType === null ? {} : { actionType: row.actionType }),
    poolId: publicId('pool', row.poolId),
    ...(row.reversesId === null ? {} : { reversesId: publicId('txn', row.reversesId) }),
    createdAt: row.createdAt.toISOString(),
  };
}

/** The rows that `page` selects from ledger_transactions, with the names of their user and action; joined once the page is cut. */
const named = (sql: Queryable, { partnerId, environment }: Tenant, page: Fragment, order: Fragment) => sql<
  TransactionRow[]
>`
  select t.id, t.kind, t.tokens, u.external_user_id as "externalUserId", t.action_id as "actionId", a.action_type as "actionType",
    t.pool_id as "poolId", t.reverses_id as "reversesId", t.created_at as "createdAt"
  from (${page}) t
  left join partner_users u on u.partner_id = ${partnerId} and u.environment = ${environment} and u.id = t.user_id
  left join actions a on a.partner_id = ${partnerId} and a.environment = ${environment} and a.id = t.action_id
  ${order}`;

const ofTenant = (sql: Queryable, tenant: Tenant) =>
  sql`from ledger_transactions where partner_id = ${tenant.partnerId} and environment = ${tenant.environment}`;

/** One ledger transaction by its public id. Throws 404 `NOT_FOUND`. */
export async function getTransaction(sql: Queryable, tenant: Tenant, transactionId: string): Promise<Transaction> {
  const id = rowId('txn', transactionId);
  const [row] =
    id === undefined ? [] : await named(sql, tenant, sql`select * ${ofTenant(sql, tenant)} and id = ${id}`, sql``);
  if (row === undefined) throw problem('NOT_FOUND', 'There is no transaction with this id.');
  return presentTransaction(row);
}

/** Cuts a page by id, newest first, out of the rows that fulfil `conditions`. */
async function pageById(
  sql: Queryable,
  tenant: Tenant,
  conditions: Fragment,
  request: PageRequest,
): Promise<Page<Transaction>> {
  const matching = sql`${ofTenant(sql, tenant)} ${conditions}`;
  const page = sql`
    select * ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
    order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`;
  const [rows, total] = await Promise.all([
    named(sql, tenant, page, sql`order by t.id desc`),
    countFor(sql, request, matching),
  ]);
  return pageOf(request, rows, presentTransaction, total);
}

async function countFor(sql: Queryable, request: PageRequest, matching: Fragment): Promise<number | undefined> {
  if (request.page === undefined) return undefined;
  const [row] = await sql<{ total: number }[]>`select count(*) as total ${matching}`;
  return row?.total;
}

const empty = (request: PageRequest) => pageOf(request, [], presentTransaction, 0);

const ofKind = (sql: Queryable, kind: TransactionKind | undefined) =>
  kind === undefined ? sql`` : sql`and kind = ${kind}`;

async function userIdOf(sql: Queryable, tenant: Tenant, externalUserId: string): Promise<string | undefined> {
  const [user] = await sql<{ id: string }[]>`
    select id from partner_users
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and external_user_id = ${externalUserId}`;
  return user?.id;
}

/**
 * The rows that an action wrote. The ledger has no index by action, which every reward would pay for: the action's distributions name
 * its rewards, and its reversals name what took them back.
 */
async function transactionIdsOf(sql: Queryable, tenant: Tenant, actionId: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select d.value ->> 'transactionId' as id
    from actions a cross join json_array_elements(a.distributions) d
    where a.partner_id = ${tenant.partnerId} and a.environment = ${tenant.environment} and a.id = ${actionId}
      and d.value ->> 'transactionId' is not null
    union all
    select unnest(r.transaction_ids)::text
    from reversals r
    where r.partner_id = ${tenant.partnerId} and r.environment = ${tenant.environment} and r.action_id = ${actionId}`;
  return rows.map((row) => row.id);
}

export interface TransactionFilter extends CreatedWindow {
  kind?: TransactionKind;
  externalUserId?: string;
  /** Public ids. */
  actionId?: string;
  poolId?: string;
}

/** The ledger transactions of a tenant, newest first. Filters are joined by "and"; an id that is nobody's or another's finds nothing. */
export async function listTransactions(
  sql: Queryable,
  tenant: Tenant,
  filter: TransactionFilter,
  request: PageRequest,
): Promise<Page<Transaction>> {
  const conditions = [ofKind(sql, filter.kind), createdWithin(sql, filter)];
  if (filter.externalUserId !== undefined) {
    const userId = await userIdOf(sql, tenant, filter.externalUserId);
    if (userId === undefined) return empty(request);
    conditions.push(sql`and user_id = ${userId}`);
  }
  if (filter.poolId !== undefined) {
    const poolId = rowId('pool', filter.poolId);
    if (poolId === undefined) return empty(request);
    conditions.push(sql`and pool_id = ${poolId}`);
  }
  if (filter.actionId !== undefined) {
    const actionId = rowId('act', filter.actionId);
    const ids = actionId === undefined ? [] : await transactionIdsOf(sql, tenant, actionId);
    if (ids.length === 0) return empty(request);
    conditions.push(sql`and id = any(${ids}::uuid[])`);
  }
  return pageById(sql, tenant, sql`${conditions}`, request);
}

/** What is asked of one user's or one pool's transactions. */
export interface OwnedFilter extends CreatedWindow {
  kind?: TransactionKind;
}

/** The ledger transactions of a user, newest first. Throws 404 `NOT_FOUND` for an unknown user. */
export async function listUserTransactions(
  sql: Queryable,
  tenant: Tenant,
  externalUserId: string,
  filter: OwnedFilter,
  request: PageRequest,
): Promise<Page<Transaction>> {
  const userId = await userIdOf(sql, tenant, externalUserId);
  if (userId === undefined) throw problem('NOT_FOUND', 'There is no user with this `externalUserId`.');
  const conditions = sql`and user_id = ${userId} ${ofKind(sql, filter.kind)} ${createdWithin(sql, filter)}`;
  return pageById(sql, tenant, conditions, request);
}

/**
 * The ledger transactions of a pool by their place in its hash chain, newest first. Throws 404 `NOT_FOUND` for an unknown pool, 400
 * `INVALID_CURSOR` for a cursor of another list.
 */
export async function listPoolTransactions(
  sql: Queryable,
  tenant: Tenant,
  poolId: string,
  filter: OwnedFilter,
  request: PageRequest,
): Promise<Page<Transaction>> {
  const id = rowId('pool', poolId);
  const before = request.before ?? null;
  const [pool] =
    id === undefined
      ? []
      : await sql<{ headSequence: number; below: number | null }[]>`
          select p.head_sequence as "headSequence", t.sequence as below
          from token_pools p
          left join ledger_transactions t on t.partner_id = ${tenant.partnerId} and t.pool_id = ${id} and t.id = ${before}
          where p.partner_id = ${tenant.partnerId} and p.environment = ${tenant.environment} and p.id = ${id}`;
  if (id === undefined || pool === undefined) throw problem('NOT_FOUND', 'There is no token pool with this id.');
  if (before !== null && pool.below === null) {
    throw problem('INVALID_CURSOR', 'This cursor was not given out by this list.');
  }
  const matching = sql`${ofTenant(sql, tenant)} and pool_id = ${id} ${ofKind(sql, filter.kind)} ${createdWithin(sql, filter)}`;
  const page = sql`
    select * ${matching} ${pool.below === null ? sql`` : sql`and sequence < ${pool.below}`}
    order by sequence desc limit ${request.limit + 1} offset ${pageOffset(request)}`;
  const unfiltered =
    filter.kind === undefined && filter.createdAfter === undefined && filter.createdBefore === undefined;
  const [rows, total] = await Promise.all([
    named(sql, tenant, page, sql`order by t.sequence desc`),
    // The chain is gap-free: its head is the number of its rows.
    unfiltered ? pool.headSequence : countFor(sql, request, matching),
  ]);
  return pageOf(request, rows, presentTransaction, total);
}
