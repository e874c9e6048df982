import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answered } from '../platform/answer-request.ts';
import { isDatabaseUnavailable } from '../platform/database-faults.ts';
import type { Sql } from '../platform/db.ts';
import { rowId } from '../platform/ids.ts';
import { Problem } from '../platform/problem-json.ts';
import type { ErrorLog } from '../platform/render-problem.ts';
import { storableJson } from '../platform/storable-json.ts';
import { Redaction } from './redact-request.ts';

const FLUSH_MILLISECONDS = 1_000;
const MAX_WAITING = 5_000;
const MAX_ROWS_A_FLUSH = 3_000;
/** So many are cut and written at once: some milliseconds, after which requests have their turn. */
const ROWS_AT_ONCE = 200;
const DROPPED_AT_ONCE = 500;
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
 * The request log's writing side. On the path of a request it only notes what is there anyway; every second what has gathered is cut
 * (`Redaction`) and written in sets. It is bounded: where requests come faster than it may write, the oldest are dropped and counted,
 * since answering comes first. What a process had noted is lost when it is killed.
 */
export class RequestLog {
  readonly #sql: Sql;
  readonly #log: ErrorLog;
  readonly #redaction = new Redaction();
  readonly #timer: NodeJS.Timeout;
  #waiting: Answered[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #dropped = 0;
  #toldDropped = 0;

  constructor({ sql, log }: RequestLogDependencies) {
    this.#sql = sql;
    this.#log = log;
    this.#timer = setInterval(() => void this.flush(), FLUSH_MILLISECONDS);
    this.#timer.unref();
  }

  /** How many requests were not logged, since more came than may be written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Notes an answer to a proven caller. */
  readonly onAnswered = (answered: Answered): void => {
    if (!('tenant' in answered.caller) || answered.route.startsWith(UNLOGGED)) return;
    this.#waiting.push(answered);
    if (this.#waiting.length > MAX_WAITING) this.#drop(DROPPED_AT_ONCE);
  };

  /** Writes what has gathered, at most 3,000 rows. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush());
    return this.#flushing;
  }

  /** Writes the rest and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
    await this.flush();
  }

  #drop(count: number): void {
    this.#waiting.splice(0, count);
    this.#dropped += count;
  }

  async #flush(): Promise<void> {
    try {
      for (let written = 0; written < MAX_ROWS_A_FLUSH && this.#waiting.length > 0; written += ROWS_AT_ONCE) {
        const part = this.#waiting.slice(0, ROWS_AT_ONCE);
        this.#waiting = this.#waiting.slice(ROWS_AT_ONCE);
        await writeRows(
          this.#sql,
          part.flatMap((answered) => rowOf(answered, this.#redaction) ?? []),
        );
        await nextTurn();
      }
      if (this.#dropped > this.#toldDropped) {
        const err = new Error(`${this.#dropped - this.#toldDropped} requests were not logged`);
        this.#toldDropped = this.#dropped;
        this.#log.error({ requestId: '', err }, 'more requests came than the request log may write');
      }
    } catch (err) {
      // What it had in hand is lost: a log is not worth a queue that grows while the database is away.
      this.#dropped += ROWS_AT_ONCE;
      this.#toldDropped = this.#dropped;
      this.#log.error({ requestId: '', err }, 'requests could not be logged');
    }
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
  ignored_fields: readonly string[];
  body_bytes: number;
  body: unknown;
  error: unknown;
  created_at: string;
}

function rowOf(answered: Answered, redaction: Redaction): Row | undefined {
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
    ignored_fields: answered.ignoredFields,
    body_bytes: request.rawBody.length,
    body: bodyOf(answered, redaction),
    error: failure === undefined ? null : { detail: failure.detail, errors: failure.errors },
    created_at: answered.answeredAt.toISOString(),
  };
}

/** Undefined, so left out, where there is none, where it is long, and where it is not JSON. */
function bodyOf({ request: { rawBody }, body }: Answered, redaction: Redaction): unknown {
  if (rawBody.length === 0 || rawBody.length > MAX_BODY_BYTES) return undefined;
  if (body !== undefined) return redaction.body(body);
  try {
    return redaction.body(JSON.parse(rawBody.toString()));
  } catch {
    return undefined;
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

/** One parameter for all rows: the driver's arrays would cost more than the rows. */
async function writeRows(sql: Sql, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into request_log (partner_id, id, environment, method, route, path, status, code, duration_milliseconds, caller, api_key_id,
      ip, replayed, ignored_fields, body_bytes, body, error, created_at)
    select partner_id, id, environment, method, route, path, status, code, duration_milliseconds, caller, api_key_id, ip, replayed,
      ignored_fields, body_bytes, body, error, created_at
    from json_to_recordset(${storableJson(rows)}::text::json) as r (
      partner_id uuid, id uuid, environment text, method text, route text, path text, status smallint, code text,
      duration_milliseconds integer, caller text, api_key_id uuid, ip text, replayed boolean, ignored_fields json, body_bytes integer,
      body json, error json, created_at timestamptz
    )
    on conflict do nothing`;
}
