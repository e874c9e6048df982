import { createHash } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import type { Clock } from './clock.ts';
import { type Sql, sqlState, type Tx } from './db.ts';
import type { Tenant } from './endpoint.ts';
import type { Ids } from './ids.ts';
import { inTransaction } from './in-transaction.ts';
import { type Problem, problem } from './problem-json.ts';
import type { SecretBox } from './secret-box.ts';

/** How long a retry finds the first answer, by its Idempotency-Key (contract §4). */
export const KEPT_ANSWER_DAYS = 30;
/** How long a kept answer shows secrets that are shown once. */
export const KEPT_SECRETS_HOURS = 24;
/**
 * Rows that only remember a signature. The time window refuses a signature 300 s after its timestamp, which may itself lie 300 s ahead
 * (contract §3), so an hour is long past what is needed.
 */
const KEPT_SIGNATURE_HOURS = 1;
const MAX_WAIT_MILLISECONDS = 2_000;
const HOUR_MILLISECONDS = 3_600_000;
const LOCK_NOT_AVAILABLE = '55P03';
const KEY_PATTERN = /^[\x20-\x7e]{1,255}$/;

export interface IdempotencyDependencies {
  sql: Sql;
  ids: Ids;
  secretBox: SecretBox;
}

/** What tells one request from another. */
export interface KeyedRequest {
  /** Within what keys are told apart. For who calls in no partner's name, the account's id takes the place of the partner's. */
  tenant: Tenant;
  /** Method and path pattern, such as `POST /v1/partner/webhooks`: keys of different routes never meet. */
  route: string;
  /** The `Idempotency-Key` header. */
  key: string | undefined;
  /** The request's signature, 64 hex digits; undefined: it was not signed, and only its key tells a retry. */
  signature: string | undefined;
  /** See `requestHash`. */
  hash: Buffer;
  /** Status of success. */
  status: number;
  shownOnce: readonly string[];
  now: Date;
}

export interface KeyedAnswer {
  status: number;
  answer: unknown;
  replayed: boolean;
}

/** Reads the `Idempotency-Key` header: 1–255 printable characters. Throws 400 `INVALID_REQUEST`. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && KEY_PATTERN.test(header)) return header;
  const message = 'must be 1 to 255 printable ASCII characters';
  throw problem('INVALID_REQUEST', `Idempotency-Key ${message}.`, { errors: [{ path: 'Idempotency-Key', message }] });
}

/**
 * What a repeated request must have in common with the first: its path (the route's pattern does not name the resource) and its body
 * as JSON, whatever the order of its keys.
 */
export function requestHash(path: string, body: unknown): Buffer {
  return createHash('sha256')
    .update(`${path}\n${body === undefined ? '' : sortedJson(body)}`)
    .digest();
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * Runs a write at most once per Idempotency-Key and per signature. Row, effect and answer commit in the one transaction that `effect`
 * is given, so that a crash leaves nothing behind; what throws is not kept. A repeated request gets the first answer. `before` runs
 * outside of any transaction, and not for a request that was answered before. Throws 422 `IDEMPOTENCY_KEY_REUSED` for another body,
 * 401 `SIGNATURE_REUSED` for a used signature under another key, 409 `REQUEST_IN_PROGRESS` when the first has not ended after 2 s, and
 * what `inTransaction`, `before` and `effect` throw.
 */
export async function runOnce(
  deps: IdempotencyDependencies,
  request: KeyedRequest,
  effect: (tx: Tx) => Promise<unknown>,
  before?: () => Promise<void>,
): Promise<KeyedAnswer> {
  if (request.key === undefined && request.signature === undefined) {
    // Nothing tells a retry from a second request.
    await before?.();
    const answer = await inTransaction(deps.sql, effect);
    return { status: request.status, answer, replayed: false };
  }
  if (before !== undefined) {
    const kept = await inTransaction(deps.sql, (tx) => findKept(tx, deps, request));
    if (kept !== undefined) return kept;
    await before();
  }
  return inTransaction(deps.sql, async (tx) => {
    const id = await claim(tx, deps.ids, request);
    if (id === undefined) {
      const kept = await findKept(tx, deps, request);
      // The row that was in the way is gone again: removed between our two statements.
      if (kept === undefined) throw stillRunning();
      return kept;
    }
    const answer = await effect(tx);
    await keep(tx, deps.secretBox, request, id, answer);
    return { status: request.status, answer, replayed: false };
  });
}

/** No signature stands in a table in the clear (contract §10): what is kept of it recognises it and cannot be sent again. */
function signatureHash(signature: string): Buffer {
  return createHash('sha256').update(signature).digest();
}

function stillRunning(): Problem {
  return problem('REQUEST_IN_PROGRESS', 'The same request has not ended yet.', { headers: { 'Retry-After': '1' } });
}

/** Takes key and signature for this transaction. Undefined when they were used before; waits for one that is under way. */
async function claim(tx: Tx, ids: Ids, request: KeyedRequest): Promise<string | undefined> {
  const { tenant, route, key, signature, hash, status, now } = request;
  const id = ids.uuid();
  try {
    const [, rows] = await Promise.all([
      tx`select set_config('lock_timeout', ${String(MAX_WAIT_MILLISECONDS)}, true)`,
      tx`
        insert into idempotent_requests
          (partner_id, id, environment, route, idempotency_key, signature_hash, body_hash, status, created_at)
        values
          (${tenant.partnerId}, ${id}, ${tenant.environment}, ${route}, ${key ?? null}, ${signature === undefined ? null : signatureHash(signature)},
           ${hash}, ${status}, ${now})
        on conflict do nothing
        returning id`,
    ]);
    return rows.length === 1 ? id : undefined;
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw stillRunning();
  }
}

async function keep(tx: Tx, secretBox: SecretBox, request: KeyedRequest, id: string, answer: unknown): Promise<void> {
  const { tenant, shownOnce } = request;
  const { shown, secrets } = splitSecrets(answer, shownOnce);
  const sealed = secrets === undefined ? null : secretBox.seal(placeOf(tenant, id), JSON.stringify(secrets));
  // As text: the driver's own JSON parameter is a jsonb, which would put the members in another order.
  await tx`
    update idempotent_requests
    set answer = ${shown === undefined ? null : JSON.stringify(shown)}::text::json, secrets_encrypted = ${sealed}
    where partner_id = ${tenant.partnerId} and id = ${id}`;
}

function placeOf(tenant: Tenant, id: string) {
  return { purpose: 'kept-answer', environment: tenant.environment, rowId: `${tenant.partnerId}/${id}` } as const;
}

/** Takes the members that are shown once out of an answer; a null holds their place. */
function splitSecrets(answer: unknown, shownOnce: readonly string[]) {
  if (typeof answer !== 'object' || answer === null) return { shown: answer, secrets: undefined };
  const members = answer as Record<string, unknown>;
  const names = shownOnce.filter((name) => members[name] !== undefined);
  if (names.length === 0) return { shown: answer, secrets: undefined };
  return {
    shown: { ...members, ...Object.fromEntries(names.map((name) => [name, null])) },
    secrets: Object.fromEntries(names.map((name) => [name, members[name]])),
  };
}

interface KeptRow {
  id: string;
  idempotency_key: string | null;
  body_hash: Buffer;
  status: number;
  answer: unknown;
  secrets_encrypted: Buffer | null;
  created_at: Date;
}

/** The first answer of a request that was answered before, by its signature or its key. */
async function findKept(
  tx: Tx,
  deps: IdempotencyDependencies,
  request: KeyedRequest,
): Promise<KeyedAnswer | undefined> {
  const bySignature = await findBySignature(tx, request);
  if (bySignature !== undefined) {
    refuseOtherKey(bySignature, request);
    // Whoever sends the very same bytes again may have copied them: that is not enough to be shown a secret.
    return { status: bySignature.status, answer: withSecrets(bySignature, request, undefined), replayed: true };
  }
  const first = await findByKey(tx, request);
  if (first === undefined) return undefined;
  if (!first.body_hash.equals(request.hash)) {
    throw problem(
      'IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key came with another request before. Use a new key for each.',
    );
  }
  await rememberSignature(tx, deps.ids, request, first.id);
  const isFresh = request.now.getTime() - first.created_at.getTime() < KEPT_SECRETS_HOURS * HOUR_MILLISECONDS;
  const secrets =
    isFresh && first.secrets_encrypted !== null
      ? (JSON.parse(deps.secretBox.open(placeOf(request.tenant, first.id), first.secrets_encrypted)) as object)
      : undefined;
  return { status: first.status, answer: withSecrets(first, request, secrets), replayed: true };
}

function refuseOtherKey(row: KeptRow, { key }: KeyedRequest): void {
  if (key !== undefined && key !== row.idempotency_key) {
    throw problem(
      'SIGNATURE_REUSED',
      'This signature came with another Idempotency-Key before. Sign each request anew.',
    );
  }
}

/** The row that a signature belongs to: its own, or the first one of the key that it repeated. */
async function findBySignature(tx: Tx, { tenant, signature }: KeyedRequest): Promise<KeptRow | undefined> {
  if (signature === undefined) return undefined;
  const [row] = await tx<KeptRow[]>`
    select seen.id, coalesce(first.idempotency_key, seen.idempotency_key) as idempotency_key,
      seen.body_hash, seen.status, coalesce(first.answer, seen.answer) as answer, null as secrets_encrypted, seen.created_at
    from idempotent_requests seen
    left join idempotent_requests first on first.partner_id = ${tenant.partnerId} and first.id = seen.replays_id
    where seen.partner_id = ${tenant.partnerId} and seen.environment = ${tenant.environment}
      and seen.signature_hash = ${signatureHash(signature)}`;
  return row;
}

async function findByKey(tx: Tx, { tenant, route, key }: KeyedRequest): Promise<KeptRow | undefined> {
  if (key === undefined) return undefined;
  const [row] = await tx<KeptRow[]>`
    select id, idempotency_key, body_hash, status, answer, secrets_encrypted, created_at
    from idempotent_requests
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and route = ${route}
      and idempotency_key = ${key}`;
  return row;
}

/** A retry has a signature of its own, which from now on stands for a request that was answered. */
async function rememberSignature(tx: Tx, ids: Ids, request: KeyedRequest, firstId: string): Promise<void> {
  const { tenant, route, signature, hash, status, now } = request;
  if (signature === undefined) return;
  await tx`
    insert into idempotent_requests (partner_id, id, environment, route, signature_hash, body_hash, status, created_at, replays_id)
    values (${tenant.partnerId}, ${ids.uuid()}, ${tenant.environment}, ${route}, ${signatureHash(signature)}, ${hash},
      ${status}, ${now}, ${firstId})
    on conflict do nothing`;
}

/** The kept answer with its secrets, or without the members that would hold them. */
function withSecrets(row: KeptRow, { shownOnce }: KeyedRequest, secrets: object | undefined): unknown {
  if (typeof row.answer !== 'object' || row.answer === null) return row.answer ?? undefined;
  const answer = { ...row.answer, ...secrets } as Record<string, unknown>;
  if (secrets === undefined) for (const name of shownOnce) delete answer[name];
  return answer;
}

/**
 * Housekeeping for the worker of one environment, once an hour: blanks secrets after 24 h and deletes what is past its time. Answers
 * how many rows were deleted.
 */
export async function purgeIdempotentRequests(sql: Sql, clock: Clock, environment: Environment): Promise<number> {
  const ago = (hours: number) => new Date(clock.now().getTime() - hours * HOUR_MILLISECONDS);
  await sql`
    update idempotent_requests set secrets_encrypted = null
    where environment = ${environment} and secrets_encrypted is not null and created_at < ${ago(KEPT_SECRETS_HOURS)}`;
  const deleted = await sql`
    delete from idempotent_requests
    where environment = ${environment} and (created_at < ${ago(KEPT_ANSWER_DAYS * 24)}
      or (idempotency_key is null and created_at < ${ago(KEPT_SIGNATURE_HOURS)}))`;
  return deleted.count;
}
