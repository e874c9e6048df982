import { createHash } from 'node:crypto';
import type { Redemption } from '@sirgiving/contract';
import { lockBook, postTransactions, singletonAccount } from '../ledger/index.ts';
import type { Queryable, Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { type FieldError, problem } from '../platform/problem-json.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { noSuchUser } from './queries.ts';

/** What a redemption asks for; `tokens` is a whole number above 0. */
export interface RedemptionRequest {
  externalUserId: string;
  tokens: number;
  idempotencyKey: string;
  reference?: string;
}

/** A redemption, and whether it was made by an earlier request with the same key. */
export interface RedemptionOutcome {
  redemption: Redemption;
  replayed: boolean;
}

interface RedemptionRow {
  id: string;
  externalUserId: string;
  tokens: number;
  idempotencyKey: string;
  fingerprint: Buffer;
  reference: string | null;
  transactionIds: string[];
  createdAt: Date;
}

const FINGERPRINT_VERSION = 1;

/** SHA-256 over whose tokens and what was asked for; the key itself is what finds it. */
function fingerprintOf(request: RedemptionRequest): Buffer {
  const asked = [FINGERPRINT_VERSION, request.externalUserId, request.tokens, request.reference ?? null];
  return createHash('sha256').update(JSON.stringify(asked)).digest();
}

async function findRedemption(sql: Queryable, tenant: Tenant, key: string): Promise<RedemptionRow | undefined> {
  const [row] = await sql<RedemptionRow[]>`
    select r.id, u.external_user_id as "externalUserId", r.tokens, r.idempotency_key as "idempotencyKey", r.fingerprint, r.reference,
      r.transaction_ids as "transactionIds", r.created_at as "createdAt"
    from redemptions r
    join partner_users u on u.partner_id = ${tenant.partnerId} and u.environment = ${tenant.environment} and u.id = r.user_id
    where r.partner_id = ${tenant.partnerId} and r.environment = ${tenant.environment} and r.idempotency_key = ${key}`;
  return row;
}

function presentRedemption(row: Omit<RedemptionRow, 'fingerprint'>): Redemption {
  return {
    id: publicId('rdm', row.id),
    externalUserId: row.externalUserId,
    tokens: row.tokens,
    idempotencyKey: row.idempotencyKey,
    ...(row.reference === null ? {} : { reference: row.reference }),
    transactionIds: row.transactionIds.map((id) => publicId('txn', id)),
    createdAt: row.createdAt.toISOString(),
  };
}

/** The first answer again for the same request; throws 422 `IDEMPOTENCY_KEY_REUSED` naming what differs for another one. */
function replay(row: RedemptionRow, request: RedemptionRequest): RedemptionOutcome {
  if (row.fingerprint.equals(fingerprintOf(request))) return { redemption: presentRedemption(row), replayed: true };
  const errors: FieldError[] = [];
  const differs = (path: string) => errors.push({ path, message: 'differs from the first request with this key' });
  if (row.externalUserId !== request.externalUserId) differs('externalId');
  if (row.tokens !== request.tokens) differs('/tokens');
  if (row.reference !== (request.reference ?? null)) differs('/reference');
  throw problem('IDEMPOTENCY_KEY_REUSED', 'This `idempotencyKey` belongs to another redemption.', { errors });
}

async function userIdOf(sql: Queryable, tenant: Tenant, externalUserId: string): Promise<string> {
  const [user] = await sql<{ id: string }[]>`
    select id from partner_users
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and external_user_id = ${externalUserId}
      and erased_at is null`;
  if (user === undefined) throw noSuchUser();
  return user.id;
}

/** The pool whose chain redemptions without lots go into, also when it is closed. Throws 402 `NO_ACTIVE_POOL`. */
async function defaultPoolId(tx: Tx, tenant: Tenant): Promise<string> {
  const [pool] = await tx<{ id: string }[]>`
    select id from token_pools
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and is_default`;
  if (pool === undefined) throw problem('NO_ACTIVE_POOL', 'There is no token pool in this environment yet.');
  return pool.id;
}

/** Takes the key, or answers undefined when another redemption has it. */
async function claim(tx: Tx, tenant: Tenant, userId: string, request: RedemptionRequest, ids: Ids, now: Date) {
  const id = ids.uuid();
  const transactionIds = [ids.uuid()];
  const claimed = await tx`
    insert into redemptions (partner_id, id, environment, user_id, idempotency_key, fingerprint, tokens, reference, transaction_ids, created_at)
    values (${tenant.partnerId}, ${id}, ${tenant.environment}, ${userId}, ${request.idempotencyKey}, ${fingerprintOf(request)},
      ${request.tokens}, ${request.reference ?? null}, ${transactionIds}::uuid[], ${now})
    on conflict (partner_id, environment, idempotency_key) do nothing`;
  if (claimed.count === 0) return undefined;
  return { ...request, id, reference: request.reference ?? null, transactionIds, createdAt: now };
}

async function redeem(tx: Tx, ids: Ids, tenant: Tenant, userId: string, request: RedemptionRequest, now: Date) {
  const { partnerId, environment } = tenant;
  const { tokens, externalUserId } = request;
  const poolId = await defaultPoolId(tx, tenant);
  const book = await lockBook(tx, {
    pools: [{ partnerId, id: poolId }],
    users: [{ partnerId, id: userId }],
    singletons: { partnerId, environment, kinds: ['redeemed'] },
  });
  // Under the pool's lock nobody is erased: whoever was a moment ago is gone.
  if ((await userIdOf(tx, tenant, externalUserId)) !== userId) throw noSuchUser();
  const claimed = await claim(tx, tenant, userId, request, ids, now);
  if (claimed === undefined) {
    const earlier = await findRedemption(tx, tenant, request.idempotencyKey);
    if (earlier === undefined) throw new Error('a redemption key is taken by a row that is not there');
    return replay(earlier, request);
  }
  const available = book.accounts.get(userId)?.balance ?? 0;
  if (available < tokens) {
    throw problem('INSUFFICIENT_BALANCE', `The user has ${available} available tokens; ${tokens} were to be spent.`);
  }
  const [transactionId = ''] = claimed.transactionIds;
  const entries = [
    { accountId: userId, amount: -tokens },
    { accountId: singletonAccount(book, 'redeemed').id, amount: tokens },
  ];
  const draft = { partnerId, environment, id: transactionId, kind: 'REDEMPTION', poolId, tokens: -tokens } as const;
  await postTransactions(tx, book, [{ ...draft, userId, redemptionId: claimed.id, entries }], now);
  const redemption = presentRedemption(claimed);
  const event = { partnerId, environment, createdAt: now };
  const thin = { transactionId: publicId('txn', transactionId), kind: 'REDEMPTION', tokens: -tokens, externalUserId };
  const { id: redemptionId, ...told } = redemption;
  await recordEvents(tx, [
    { ...event, id: ids.uuid(), type: 'transaction.completed', data: { ...thin, poolId: publicId('pool', poolId) } },
    {
      ...event,
      id: ids.uuid(),
      type: 'reward.redeemed',
      data: { redemptionId, ...told, available: available - tokens },
    },
  ]);
  return { redemption, replayed: false };
}

/**
 * Spends available tokens of a user. The key is the partner's, in this environment, for ever: the same request again answers with the
 * first redemption, another one with 422 `IDEMPOTENCY_KEY_REUSED`; a request that wrote nothing uses no key up. Locks are taken in the
 * order of every writer (pool, accounts, event counter), so that a balance is never spent twice. Throws 404 `NOT_FOUND`, 402
 * `INSUFFICIENT_BALANCE`, 402 `NO_ACTIVE_POOL`, and what `inTransaction` throws.
 */
export async function redeemTokens(
  deps: { sql: Sql; ids: Ids },
  tenant: Tenant,
  request: RedemptionRequest,
  now: Date,
): Promise<RedemptionOutcome> {
  const [userId, earlier] = await Promise.all([
    userIdOf(deps.sql, tenant, request.externalUserId),
    findRedemption(deps.sql, tenant, request.idempotencyKey),
  ]);
  if (earlier !== undefined) return replay(earlier, request);
  return inTransaction(deps.sql, (tx) => redeem(tx, deps.ids, tenant, userId, request, now));
}
