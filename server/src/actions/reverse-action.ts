import { createHash } from 'node:crypto';
import type { Action, ReverseAction, ReversedAction } from '@sirgiving/contract';
import { type Book, lockAccounts, lockBook, postTransactions, type TransactionDraft } from '../ledger/index.ts';
import type { Queryable, Sql, Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { inTransaction } from '../platform/in-transaction.ts';
import { type FieldError, problem } from '../platform/problem-json.ts';
import { poolBalances, settlePoolAlerts } from '../pools/index.ts';
import { type NewEvent, recordEvents } from '../webhooks/record-events.ts';
import { type ActionRow, externalIdsOf, presentAction, readAction } from './action-row.ts';
import { planReversal, type ReversiblePart } from './reversal-plan.ts';

/** What a reversal changed: with the action's own facts it makes the answer, the same at every replay. */
interface ReversalResult {
  status: Action['status'];
  reversedTokens: number;
  reversal: { tokens: number; transactionIds: string[]; debt: number };
}

interface ReversalRow {
  idempotencyKey: string | null;
  fingerprint: Buffer;
  transactionIds: string[];
  answer: ReversalResult;
}

export interface ReversalOutcome {
  action: ReversedAction;
  replayed: boolean;
}

interface ReversalContext {
  ids: Ids;
  tenant: Tenant;
  request: ReverseAction;
  now: Date;
}

function assertRequest(request: ReverseAction): void {
  const errors: FieldError[] = [];
  if (request.tokens !== undefined && request.distributions !== undefined) {
    errors.push({ path: '/distributions', message: 'not together with tokens' });
  }
  const needsKey =
    request.tokens !== undefined || request.distributions !== undefined || request.onInsufficientBalance === 'partial';
  if (needsKey && request.idempotencyKey === undefined && request.dryRun !== true) {
    errors.push({ path: '/idempotencyKey', message: 'is required with tokens, distributions or mode partial' });
  }
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'The body does not fit the schema.', { errors });
}

function fingerprintOf({ reason, tokens, distributions, onInsufficientBalance }: ReverseAction): Buffer {
  const parts = distributions?.map((d) => [d.stakeholderTypeCode, d.partnerUserId, d.tokens]) ?? null;
  const asked = [1, reason, tokens ?? null, parts, onInsufficientBalance ?? 'negative'];
  return createHash('sha256').update(JSON.stringify(asked)).digest();
}

/** The action's reversals, oldest first. Read after the action's row is locked, nobody adds one. */
function readReversals(tx: Queryable, tenant: Tenant, actionId: string): Promise<ReversalRow[]> {
  return tx<ReversalRow[]>`
    select idempotency_key as "idempotencyKey", fingerprint, transaction_ids as "transactionIds", answer
    from reversals
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and action_id = ${actionId}
    order by id`;
}

function earlierAnswer(
  reversals: readonly ReversalRow[],
  row: ActionRow,
  request: ReverseAction,
): ReversalResult | undefined {
  const key = request.idempotencyKey;
  const same = key === undefined ? undefined : reversals.find((reversal) => reversal.idempotencyKey === key);
  if (same !== undefined && !same.fingerprint.equals(fingerprintOf(request))) {
    throw problem('IDEMPOTENCY_KEY_REUSED', 'This `idempotencyKey` belongs to another reversal of the action.', {
      errors: [{ path: '', message: 'differs from the first request with this key' }],
    });
  }
  if (same !== undefined) return same.answer;
  const asksForAll = request.tokens === undefined && request.distributions === undefined;
  return row.status === 'REVERSED' && asksForAll ? reversals.at(-1)?.answer : undefined;
}

async function reversibleParts(
  tx: Tx,
  row: ActionRow,
  reversals: readonly ReversalRow[],
  externalIds: ReadonlyMap<string, string>,
): Promise<ReversiblePart[]> {
  const ledgerIds = reversals.flatMap((reversal) => reversal.transactionIds);
  const taken = new Map<number, number>();
  if (ledgerIds.length > 0) {
    const rows = await tx<{ index: number; tokens: number }[]>`
      select distribution_index as index, -sum(tokens)::bigint as tokens from ledger_transactions
      where partner_id = ${row.partnerId} and id = any(${ledgerIds}::uuid[])
      group by distribution_index`;
    for (const { index, tokens } of rows) taken.set(index, tokens);
  }
  return row.distributions.map(({ stakeholderTypeCode, userId, transactionId, tokens }, index) => ({
    stakeholderTypeCode,
    externalUserId: externalIds.get(userId) ?? '',
    userId,
    transactionId,
    remaining: tokens - (taken.get(index) ?? 0),
  }));
}

function reversalDrafts(
  context: ReversalContext,
  row: ActionRow,
  parts: readonly ReversiblePart[],
  takes: readonly number[],
  reversalId: string,
) {
  const { ids, tenant } = context;
  return parts.flatMap((part, distributionIndex): TransactionDraft[] => {
    const take = takes[distributionIndex] ?? 0;
    if (take === 0 || row.poolId === null || part.transactionId === null) return [];
    return [
      {
        partnerId: tenant.partnerId,
        environment: tenant.environment,
        id: ids.uuid(),
        kind: 'REVERSAL',
        poolId: row.poolId,
        tokens: -take,
        userId: part.userId,
        actionId: row.id,
        distributionIndex,
        reversesId: part.transactionId,
        reversalId,
        entries: [
          { accountId: part.userId, amount: -take },
          { accountId: row.poolId, amount: take },
        ],
      },
    ];
  });
}

function reversalEvents(
  { ids, tenant, request, now }: ReversalContext,
  row: ActionRow,
  result: ReversalResult,
  drafts: readonly TransactionDraft[],
  externalIds: ReadonlyMap<string, string>,
): NewEvent[] {
  const actionId = publicId('act', row.id);
  const common = { partnerId: tenant.partnerId, environment: tenant.environment, createdAt: now };
  return [
    {
      ...common,
      id: ids.uuid(),
      type: 'action.reversed',
      data: {
        actionId,
        idempotencyKey: row.idempotencyKey,
        actionType: row.actionType,
        reason: request.reason,
        ...result,
        metadata: row.metadata,
      },
    },
    ...drafts.map(
      (draft): NewEvent => ({
        ...common,
        id: ids.uuid(),
        type: 'transaction.completed',
        data: {
          transactionId: publicId('txn', draft.id),
          kind: draft.kind,
          tokens: draft.tokens,
          externalUserId: externalIds.get(draft.userId ?? ''),
          actionId,
          actionType: row.actionType,
          poolId: publicId('pool', draft.poolId),
        },
      }),
    ),
  ];
}

/** Answers the alerts of the pool that the tokens went back to. */
async function writeReversal(
  tx: Tx,
  context: ReversalContext,
  book: Book,
  row: ActionRow,
  result: ReversalResult,
  drafts: readonly TransactionDraft[],
  reversalId: string,
): Promise<NewEvent[]> {
  const { ids, tenant, request, now } = context;
  const balances = poolBalances(book);
  await postTransactions(tx, book, drafts, now);
  const alerts = settlePoolAlerts(tx, book, balances, {}, ids, now);
  await alerts.saved;
  const updated = await tx`
    update actions set status = ${result.status}, reversed_tokens = ${result.reversedTokens}, updated_at = ${now}
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and id = ${row.id}
      and reversed_tokens = ${row.reversedTokens}`;
  if (updated.count !== 1) throw new Error(`action ${row.id} changed under its lock`);
  await tx`
    insert into reversals (partner_id, id, environment, action_id, idempotency_key, fingerprint, reason, mode, tokens, debt,
      transaction_ids, answer, created_at)
    values (${tenant.partnerId}, ${reversalId}, ${tenant.environment}, ${row.id}, ${request.idempotencyKey ?? null},
      ${fingerprintOf(request)}, ${request.reason}, ${request.onInsufficientBalance ?? 'negative'}, ${result.reversal.tokens},
      ${result.reversal.debt}, ${drafts.map((draft) => draft.id)}::uuid[], ${JSON.stringify(result)}::text::json, ${now})`;
  return alerts.events;
}

async function reverse(tx: Tx, context: ReversalContext, actionId: string): Promise<ReversalOutcome> {
  const { ids, tenant, request } = context;
  const { partnerId } = tenant;
  const planned = await readAction(tx, tenant, actionId);
  const pools = planned.poolId === null ? [] : [{ partnerId, id: planned.poolId }];
  const book = await lockBook(tx, { pools });
  const row = await readAction(tx, tenant, actionId, 'locked');
  const [reversals, externalIds] = await Promise.all([readReversals(tx, tenant, actionId), externalIdsOf(tx, [row])]);
  const answerWith = (result: ReversalResult, replayed: boolean): ReversalOutcome => ({
    action: { ...presentAction(row, externalIds), ...result },
    replayed,
  });

  const earlier = earlierAnswer(reversals, row, request);
  if (earlier !== undefined) return answerWith(earlier, true);
  if (row.status === 'FAILED')
    throw problem('ACTION_NOT_REVERSIBLE', 'The action failed: there is nothing to take back.');
  if (row.poolId !== planned.poolId)
    throw problem('UNAVAILABLE', 'The action was just processed anew.', { headers: { 'Retry-After': '1' } });

  const parts = await reversibleParts(tx, row, reversals, externalIds);
  await lockAccounts(
    tx,
    book,
    [...new Set(parts.map((part) => part.userId))].map((id) => ({ partnerId, id })),
  );
  const balances = new Map(parts.map(({ userId }) => [userId, book.accounts.get(userId)?.balance ?? 0]));
  const { takes, debt } = planReversal(request, parts, balances);
  const reversalId = ids.uuid();
  const drafts = reversalDrafts(context, row, parts, takes, reversalId);
  const tokens = takes.reduce((sum, take) => sum + take, 0);
  const reversedTokens = row.reversedTokens + tokens;
  const result: ReversalResult = {
    status: reversedTokens === row.tokens ? 'REVERSED' : 'PARTIALLY_REVERSED',
    reversedTokens,
    reversal: { tokens, transactionIds: drafts.map((draft) => publicId('txn', draft.id)), debt },
  };
  if (request.dryRun === true) {
    const shown = { ...result, reversal: { ...result.reversal, transactionIds: [] } };
    return { action: { ...answerWith(shown, false).action, dryRun: true }, replayed: false };
  }
  const alerts = await writeReversal(tx, context, book, row, result, drafts, reversalId);
  await recordEvents(tx, [...reversalEvents(context, row, result, drafts, externalIds), ...alerts]);
  return answerWith(result, false);
}

/**
 * Takes tokens of an action back into the pool that they came from: new ledger rows, the original ones stay. Locks the pool, the
 * action, the users' accounts and the event counter, in this order. A key is unique for ever per action; without one the request
 * means all that remains, and on a REVERSED action it answers with the last reversal. Throws 404 `NOT_FOUND`, 422
 * `ACTION_NOT_REVERSIBLE`, `REVERSAL_EXCEEDS_REMAINING`, `IDEMPOTENCY_KEY_REUSED`, 402 `INSUFFICIENT_BALANCE`.
 */
export async function reverseAction(
  deps: { sql: Sql; ids: Ids },
  tenant: Tenant,
  actionId: string,
  request: ReverseAction,
  now: Date,
): Promise<ReversalOutcome> {
  assertRequest(request);
  return inTransaction(deps.sql, (tx) => reverse(tx, { ids: deps.ids, tenant, request, now }, actionId));
}
