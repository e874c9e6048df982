import {
  type AutoRefill,
  type BalanceThreshold,
  RATE_DECIMALS,
  type TokenPool,
  type UpdateTokenPool,
} from '@sirgiving/contract';
import { type Book, type LockedPool, lockBook } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, rowId } from '../platform/ids.ts';
import { type FieldError, problem } from '../platform/problem-json.ts';
import { decimalText } from '../platform/strict-json.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { withThresholds } from './low-balance.ts';
import { poolBalances, settlePoolAlerts } from './pool-alerts.ts';
import { SANDBOX_SELF_APPROVAL_TOKENS } from './pool-request.ts';
import { findDefaultPoolId, noSuchPool, readPool } from './queries.ts';

/** What the JSON schema cannot say of a change. */
function faultsOf({ environment }: Tenant, { rates, lowBalance, autoRefill }: UpdateTokenPool): FieldError[] {
  const faults: FieldError[] = [];
  for (const [currency, rate] of Object.entries(rates ?? {})) {
    const decimals = decimalText(String(rate)).split('.')[1]?.length ?? 0;
    if (decimals > RATE_DECIMALS) {
      faults.push({ path: `/rates/${currency}`, message: `must have at most ${RATE_DECIMALS} decimals` });
    }
  }
  return [
    ...faults,
    ...thresholdFaults(lowBalance?.thresholds ?? []),
    ...(autoRefill == null ? [] : autoRefillFaults(environment, autoRefill)),
  ];
}

function thresholdFaults(thresholds: readonly BalanceThreshold[]): FieldError[] {
  const seen = new Set<string>();
  return thresholds.flatMap(({ percent, tokens }, index): FieldError[] => {
    const path = `/lowBalance/thresholds/${index}`;
    if ((percent === undefined) === (tokens === undefined)) return [{ path, message: 'is either percent or tokens' }];
    const key = `${percent} ${tokens}`;
    if (seen.has(key)) return [{ path, message: 'stands here twice' }];
    seen.add(key);
    return [];
  });
}

function autoRefillFaults(environment: Tenant['environment'], { amount, monthlyCeiling }: AutoRefill): FieldError[] {
  if (amount > monthlyCeiling) return [{ path: '/autoRefill/monthlyCeiling', message: 'must be at least the amount' }];
  if (environment === 'sandbox' && amount > SANDBOX_SELF_APPROVAL_TOKENS) {
    return [{ path: '/autoRefill/amount', message: `must be <= ${SANDBOX_SELF_APPROVAL_TOKENS} in the sandbox` }];
  }
  return [];
}

/**
 * Changes a pool; what is left out stays. Everything holds from the next action on, under the pool's lock. Thresholds that stay keep
 * what was told of them; a new one that is reached already is told at once. Throws 400 `INVALID_REQUEST`, 404 `NOT_FOUND`, 409
 * `POOL_CLOSED`.
 */
export async function updatePool(
  tx: Tx,
  ids: Ids,
  tenant: Tenant,
  poolId: string,
  change: UpdateTokenPool,
  now: Date,
): Promise<TokenPool> {
  const errors = faultsOf(tenant, change);
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'The body does not fit the schema.', { errors });
  const { pool, book } = await lockPool(tx, tenant, poolId, change.isDefault === true);
  if (change.isDefault === true) await makeDefault(tx, tenant, pool.id);
  await saveFields(tx, pool, change, now);
  if (change.lowBalance !== undefined) await changeThresholds(tx, ids, book, pool, change.lowBalance.thresholds, now);
  return readPool(tx, tenant, pool.id, now);
}

/** Locks the pool, and for a switch the default one too, in the order of all writers. */
async function lockPool(
  tx: Tx,
  tenant: Tenant,
  poolId: string,
  withDefault: boolean,
): Promise<{ pool: LockedPool; book: Book }> {
  const { partnerId, environment } = tenant;
  const id = rowId('pool', poolId);
  if (id === undefined) throw noSuchPool();
  const defaultId = withDefault ? await findDefaultPoolId(tx, tenant) : undefined;
  const book = await lockBook(tx, {
    pools: [...new Set([id, defaultId ?? id])].map((one) => ({ partnerId, id: one })),
  });
  const pool = book.pools.get(id);
  if (pool === undefined || pool.environment !== environment) throw noSuchPool();
  if (pool.status === 'CLOSED')
    throw problem('POOL_CLOSED', 'The token pool is closed: nothing of it changes any more.');
  return { pool, book };
}

async function makeDefault(tx: Tx, { partnerId, environment }: Tenant, id: string): Promise<void> {
  await tx`
    update token_pools set is_default = false
    where partner_id = ${partnerId} and environment = ${environment} and is_default and id <> ${id}`;
  await tx`
    update token_pools set is_default = true
    where partner_id = ${partnerId} and environment = ${environment} and id = ${id}`;
}

async function saveFields(
  tx: Tx,
  { partnerId, id }: LockedPool,
  { name, rates, restrictions, autoRefill, reprocessFailed }: UpdateTokenPool,
  now: Date,
): Promise<void> {
  const json = (value: unknown) => JSON.stringify(value);
  const fields = [
    ...(name === undefined ? [] : [tx`name = ${name}`]),
    ...(rates === undefined ? [] : [tx`rates = ${json(rates)}::text::jsonb`]),
    ...(restrictions === undefined ? [] : [tx`restrictions = ${json(restrictions)}::text::jsonb`]),
    ...(autoRefill === undefined
      ? []
      : [tx`auto_refill = ${autoRefill === null ? null : json(autoRefill)}::text::jsonb`]),
    // Turned on again, it counts from when it was turned on first.
    ...(reprocessFailed === undefined
      ? []
      : [
          reprocessFailed.actions
            ? tx`reprocess_actions_since = coalesce(reprocess_actions_since, ${now})`
            : tx`reprocess_actions_since = null`,
        ]),
  ];
  if (fields.length === 0) return;
  const assignments = fields.reduce((list, field) => tx`${list}, ${field}`);
  await tx`update token_pools set ${assignments} where partner_id = ${partnerId} and id = ${id}`;
}

async function changeThresholds(
  tx: Tx,
  ids: Ids,
  book: Book,
  pool: LockedPool,
  thresholds: readonly BalanceThreshold[],
  now: Date,
): Promise<void> {
  pool.alerts = withThresholds(pool.alerts, thresholds);
  await tx`
    update token_pools
    set low_balance_thresholds = ${JSON.stringify(thresholds)}::text::jsonb, alerted_thresholds = ${pool.alerts.alertedThresholds}
    where partner_id = ${pool.partnerId} and id = ${pool.id}`;
  const here = new Map([...poolBalances(book)].filter(([id]) => id === pool.id));
  const { events, saved } = settlePoolAlerts(tx, book, here, {}, ids, now);
  await saved;
  await recordEvents(tx, events);
}
