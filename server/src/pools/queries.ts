import type { AutoRefill, BalanceThreshold, TokenPool } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId, rowId } from '../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import { alertStateOf } from './low-balance.ts';
import { readRunway } from './runway.ts';

interface PoolRow {
  id: string;
  name: string;
  status: TokenPool['status'];
  isDefault: boolean;
  balance: number;
  allocated: number;
  issued: number;
  reversed: number;
  rates: TokenPool['rates'];
  restrictions: TokenPool['restrictions'];
  thresholds: BalanceThreshold[];
  lastAllocationBalance: number;
  alertedThresholds: number;
  depletedAtBalance: number | null;
  autoRefill: AutoRefill | null;
  reprocessesActions: boolean;
  createdAt: Date;
}

function presentPool(row: PoolRow): TokenPool {
  const { thresholds, lastAllocationBalance, alertedThresholds, depletedAtBalance, ...rest } = row;
  const { autoRefill, reprocessesActions, createdAt, ...shown } = rest;
  return {
    ...shown,
    id: publicId('pool', row.id),
    lowBalance: { thresholds, state: alertStateOf({ alertedThresholds, depletedAtBalance }), lastAllocationBalance },
    ...(autoRefill === null ? {} : { autoRefill }),
    reprocessFailed: { actions: reprocessesActions },
    createdAt: createdAt.toISOString(),
  };
}

const poolsWithFigures = (sql: Queryable, tenant: Tenant) => sql`
  select p.id, p.name, p.status, p.is_default as "isDefault", a.balance, a.allocated, a.rewarded as issued, a.reversed, p.rates,
    p.restrictions, p.low_balance_thresholds as thresholds, p.last_allocation_balance as "lastAllocationBalance",
    p.alerted_thresholds as "alertedThresholds", p.depleted_at_balance as "depletedAtBalance", p.auto_refill as "autoRefill",
    p.reprocess_actions_since is not null as "reprocessesActions", p.created_at as "createdAt"
  from token_pools p
  join ledger_accounts a on a.partner_id = ${tenant.partnerId} and a.environment = ${tenant.environment} and a.id = p.id
  where p.partner_id = ${tenant.partnerId} and p.environment = ${tenant.environment}`;

/** 404 for a pool that is not the tenant's, whether or not it is somebody else's. */
export const noSuchPool = () => problem('NOT_FOUND', 'There is no token pool with this id.');

/** One pool by its row id, with the figures of its account and its runway. Throws 404 `NOT_FOUND`. */
export async function readPool(sql: Queryable, tenant: Tenant, id: string, now: Date): Promise<TokenPool> {
  const [row] = await sql<PoolRow[]>`${poolsWithFigures(sql, tenant)} and p.id = ${id}`;
  if (row === undefined) throw noSuchPool();
  const runway = await readRunway(sql, tenant, row, now);
  const { createdAt, ...shown } = presentPool(row);
  return { ...shown, runway, createdAt };
}

/** One pool by its public id, with the figures of its account and its runway. Throws 404 `NOT_FOUND`. */
export function getPool(sql: Queryable, tenant: Tenant, poolId: string, now: Date): Promise<TokenPool> {
  const id = rowId('pool', poolId);
  return id === undefined ? Promise.reject(noSuchPool()) : readPool(sql, tenant, id, now);
}

/** The pools of a tenant, newest first. */
export async function listPools(
  sql: Queryable,
  tenant: Tenant,
  filter: CreatedWindow & { status?: TokenPool['status'] },
  request: PageRequest,
): Promise<Page<TokenPool>> {
  const matching = sql`
    select id from token_pools
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} ${createdWithin(sql, filter)}
      ${filter.status === undefined ? sql`` : sql`and status = ${filter.status}`}`;
  const [rows, counted] = await Promise.all([
    sql<PoolRow[]>`
      ${poolsWithFigures(sql, tenant)} and p.id in (
        ${matching} ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
        order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}
      )
      order by p.id desc`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total from (${matching}) m`,
  ]);
  return pageOf(request, rows, presentPool, counted[0]?.total);
}

/** The row id of the pool that a partner's actions draw from, if it has one in the environment. */
export async function findDefaultPoolId(sql: Queryable, tenant: Tenant): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    select id from token_pools
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and is_default`;
  return row?.id;
}
