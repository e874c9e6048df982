import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answered } from '../platform/answer-request.ts';
import { isDatabaseUnavailable } from '../platform/database-faults.ts';
import type { Sql } from '../platform/db.ts';
import { rowId } from '../platform/ids.ts';
import { jsonArray, plainArray } from '../platform/plain-array.ts';
import { Problem } from '../platform/problem-json.ts';
import type { ErrorLog } from '../platform/render-problem.ts';
import { storableJson, storableText } from '../platform/storable-json.ts';
import { Redaction } from './redact-request.ts';

const FLUSH_MILLISECONDS = 1_000;
/** Ours, per process: 120,000 requests a minute is more than any tier allows a partner. */
const MAX_ROWS_A_SECOND = 2_000;
/** Further ones of a second are logged without their bodies: cutting those is much of what a row costs. */
const MAX_BODIES_A_SECOND = 500;
/** What may wait while the database does not answer. */
const MAX_WAITING = 5_000;
/** So many are cut and written at once: less than a millisecond, after which requests and batches have their turn. */
const ROWS_AT_ONCE = 50;
const MAX_BODY_BYTES = 8 * 1024;
const MAX_TARGET_CHARACTERS = 2_000;
/** Reading the log is not logged. */
const UNLOGGED = '/v1/partner/requests';

export interface RequestLogDependencies {
  /** A connection of its own: the hot path never waits for the log. */
  sql: Sql;
  log: ErrorLog;
}

/**
 * The request log's writing side. On the path of a request it only notes what is there anyway; every second, and whenever enough has
 * gathered, that is cut (`Redaction`) and written in sets. It is bounded: what comes faster than it may write is dropped and counted,
 * since answering comes first. What a process had noted is lost when it is killed.
 */
export class RequestLog {
  readonly #sql: Sql;
  readonly #log: ErrorLog;
  readonly #redaction = new Redaction();
  readonly #timer: NodeJS.Timeout;
  #waiting: { answered: Answered; withBody: boolean }[] = [];
  #writing: Promise<void> | undefined;
  /** How many more may be noted in this second. */
  #room = MAX_ROWS_A_SECOND;
  #dropped = 0;
  #toldDropped = 0;

  constructor({ sql, log }: RequestLogDependencies) {
    this.#sql = sql;
    this.#log = log;
    this.#timer = setInterval(() => {
      this.#room = MAX_ROWS_A_SECOND;
      void this.flush();
    }, FLUSH_MILLISECONDS);
    this.#timer.unref();
  }

  /** How many requests were not logged, since more came than may be written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Notes an answer to a proven caller. */
  readonly onAnswered = (answered: Answered): void => {
    if (!('tenant' in answered.caller) || answered.route.startsWith(UNLOGGED)) return;
    if (this.#room === 0 || this.#waiting.length >= MAX_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#room -= 1;
    this.#waiting.push({ answered, withBody: MAX_ROWS_A_SECOND - this.#room <= MAX_BODIES_A_SECOND });
    // Written while they are young: a second's worth of requests kept alive is most of what the garbage collector has to copy.
    if (this.#waiting.length >= ROWS_AT_ONCE && this.#writing === undefined) void this.#write(ROWS_AT_ONCE);
  };

  /** Writes what has gathered. Never rejects. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#write(1);
    this.#tellDropped();
  }

  /** Writes the rest and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Writes what waits now, in sets of which only the last may be smaller, and that not below `atLeast`. */
  #write(atLeast: number): Promise<void> {
    this.#writing ??= this.#writeSets(atLeast).finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeSets(atLeast: number): Promise<void> {
    for (let left = this.#waiting.length; left >= atLeast; left -= ROWS_AT_ONCE) {
      const part = this.#waiting.slice(0, ROWS_AT_ONCE);
      this.#waiting = this.#waiting.slice(ROWS_AT_ONCE);
      try {
        await writeRows(
          this.#sql,
          part.flatMap(({ answered, withBody }) => rowOf(answered, this.#redaction, withBody) ?? []),
        );
      } catch (err) {
        // What it had in hand is lost: a log is not worth a queue that grows while the database is away.
        this.#dropped += part.length;
        this.#toldDropped += part.length;
        this.#log.error({ requestId: '', err }, 'requests could not be logged');
        return;
      }
      await nextTurn();
    }
  }

  #tellDropped(): void {
    if (this.#dropped === this.#toldDropped) return;
    const err = new Error(`${this.#dropped - this.#toldDropped} requests were not logged`);
    this.#toldDropped = this.#dropped;
    this.#log.error({ requestId: '', err }, 'more requests came than the request log may write');
  }
}

interface Row {
  partner_id: string;
  id: string;
  environment: string;
  method: string;
  route: string;
  path: string;
  status: number;
  code: string | null;
  duration_milliseconds: number;
  caller: string;
  api_key_id: string | null;
  ip: string | null;
  replayed: boolean;
  /** These three are JSON. */
  ignored_fields: string;
  body: string | null;
  error: string | null;
  body_bytes: number;
  created_at: string;
}

function rowOf(answered: Answered, redaction: Redaction, withBody: boolean): Row | undefined {
  const { caller, request, route, error } = answered;
  const id = rowId('req', answered.requestId);
  if (!('tenant' in caller) || id === undefined) return undefined;
  const failure = error === undefined ? undefined : failureOf(error);
  return {
    partner_id: caller.tenant.partnerId,
    id,
    environment: caller.tenant.environment,
    method: request.method,
    route,
    path: redaction.target(request.target.slice(0, MAX_TARGET_CHARACTERS), route),
    status: failure?.status ?? answered.status,
    code: failure?.code ?? null,
    duration_milliseconds: Math.round(answered.durationMilliseconds),
    caller: caller.kind,
    api_key_id: 'apiKeyId' in caller ? caller.apiKeyId : null,
    // The address of somebody who looks at a page is theirs, not the partner's.
    ip: caller.kind === 'widget' ? null : request.ip,
    replayed: answered.replayed,
    ignored_fields: storableJson(answered.ignoredFields),
    body_bytes: request.rawBody.length,
    body: withBody ? bodyOf(answered, redaction) : null,
    error: failure === undefined ? null : storableJson({ detail: failure.detail, errors: failure.errors }),
    created_at: answered.answeredAt.toISOString(),
  };
}

/** Null where there is none, where it is long, and where it is not JSON. */
function bodyOf({ request: { rawBody }, body }: Answered, redaction: Redaction): string | null {
  if (rawBody.length === 0 || rawBody.length > MAX_BODY_BYTES) return null;
  try {
    return storableText(redaction.body(body ?? JSON.parse(rawBody.toString())));
  } catch {
    return null;
  }
}

/** In place of details that name somebody. */
const IMPERSONAL_DETAILS: Readonly<Record<string, string>> = {
  USER_NOT_FOUND: 'There is no such user, and autoCreateUsers is false.',
};

/** As the answer said it (platform/render-problem.ts). */
function failureOf(error: unknown) {
  if (error instanceof Problem) {
    const detail = IMPERSONAL_DETAILS[error.code] ?? error.detail;
    return { status: error.status, code: error.code, detail, errors: error.options.errors };
  }
  return isDatabaseUnavailable(error)
    ? { status: 503, code: 'UNAVAILABLE', detail: 'The database could not be asked.', errors: undefined }
    : { status: 500, code: 'INTERNAL_ERROR', detail: 'This was not your mistake.', errors: undefined };
}

async function writeRows(sql: Sql, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into request_log (partner_id, id, environment, method, route, path, status, code, duration_milliseconds, caller, api_key_id,
      ip, replayed, ignored_fields, body_bytes, body, error, created_at)
    select partner_id, id, environment, method, route, path, status, code, duration_milliseconds, caller, api_key_id, ip, replayed,
      ignored_fields::json, body_bytes, body::json, error::json, created_at
    from unnest(
      ${plainArray(rows, (r) => r.partner_id)}::uuid[], ${plainArray(rows, (r) => r.id)}::uuid[],
      ${plainArray(rows, (r) => r.environment)}::text[], ${plainArray(rows, (r) => r.method)}::text[],
      ${plainArray(rows, (r) => r.route)}::text[], ${rows.map((r) => r.path)}::text[],
      ${plainArray(rows, (r) => r.status)}::smallint[], ${plainArray(rows, (r) => r.code)}::text[],
      ${plainArray(rows, (r) => r.duration_milliseconds)}::integer[], ${plainArray(rows, (r) => r.caller)}::text[],
      ${plainArray(rows, (r) => r.api_key_id)}::uuid[], ${plainArray(rows, (r) => r.ip)}::text[],
      ${plainArray(rows, (r) => (r.replayed ? 't' : 'f'))}::boolean[], ${jsonArray(rows, (r) => r.ignored_fields)}::text[],
      ${plainArray(rows, (r) => r.body_bytes)}::integer[], ${jsonArray(rows, (r) => r.body)}::text[],
      ${jsonArray(rows, (r) => r.error)}::text[], ${plainArray(rows, (r) => r.created_at)}::timestamptz[]
    ) as r (partner_id, id, environment, method, route, path, status, code, duration_milliseconds, caller, api_key_id, ip, replayed,
      ignored_fields, body_bytes, body, error, created_at)
    on conflict do nothing`;
}
