import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorCode } from '@sirgiving/contract';
import type { Static, TSchema } from 'typebox';
import type { Caller, Tenant } from './caller.ts';
import type { Tx } from './db.ts';

export type { Tenant } from './caller.ts';

/** One authenticated and validated request. */
export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  tenant: Tenant;
  /** Undefined on routes that anyone may call. */
  caller: Caller | undefined;
  params: Params;
  query: Query;
  body: Body;
  headers: IncomingHttpHeaders;
  /** The client's address: behind trusted proxies the one that they tell. */
  ip: string;
  requestId: string;
  now: Date;
  setHeader(name: string, value: string): void;
}

interface Description {
  /** One line for the list of endpoints. */
  summary: string;
  /** What a developer needs to know beyond the schema; Markdown. */
  description?: string;
  params?: TSchema;
  query?: TSchema;
  body?: TSchema;
  /** Status of success: 200, 201 or 204. */
  status: 200 | 201 | 204;
  /** Schema of the answer; none for 204. */
  answer?: TSchema;
  /** Codes of this endpoint beyond those of authentication, validation and rate limits. */
  errors: readonly ErrorCode[];
  /**
   * Documented endpoints accept, ignore and name unknown fields, since existing clients must go on working (contract §4). The body
   * schemas of the others are closed.
   */
  ignoresUnknownFields?: boolean;
  bodyLimitBytes?: number;
  /** How many calls one request counts for in the rate limit (a batch counts for its size); 1 when left out. */
  cost?: (body: unknown) => number;
}

type StaticOf<T> = T extends TSchema ? Static<T> : undefined;

/** Reads, and writes that have their own idempotency key in the body. */
export interface PlainEndpoint extends Description {
  kind: 'plain';
  /** A read that may take longer than one that is given up, since the database must be hanging. */
  takesItsTime?: boolean;
  handle(call: Call): Promise<unknown>;
}

/**
 * Writes whose retries are recognised by the `Idempotency-Key` header or by the signature itself: effect, kept answer and key commit
 * in the one transaction that the handler is given (contract §3, §4).
 */
export interface KeyedEndpoint extends Description {
  kind: 'keyed';
  /** Members of the answer that are shown once, such as `secret`. */
  shownOnce?: readonly string[];
  /**
   * What must happen on the network before the transaction opens, such as looking up a host name; may throw a problem. Not run for a
   * request whose kept answer is given again.
   */
  before?(call: Call): Promise<void>;
  handle(tx: Tx, call: Call): Promise<unknown>;
}

export type Endpoint = PlainEndpoint | KeyedEndpoint;

type Typed<D extends Description> = Call<StaticOf<D['params']>, StaticOf<D['query']>, StaticOf<D['body']>>;

/** Declares a read, or a write with an idempotency key in its body. The handler's types come from the schemas. */
export function endpoint<const D extends Description & { takesItsTime?: boolean }>(
  description: D,
  handle: (call: Typed<D>) => Promise<unknown>,
): PlainEndpoint {
  return { ...description, kind: 'plain', handle: handle as PlainEndpoint['handle'] };
}

/**
 * Declares a write without a key in its body; it runs inside one transaction together with its kept answer. `before` is for what must
 * not happen inside a transaction.
 */
export function keyedEndpoint<const D extends Description & { shownOnce?: readonly string[] }>(
  description: D,
  handle: (tx: Tx, call: Typed<D>) => Promise<unknown>,
  before?: (call: Typed<D>) => Promise<void>,
): KeyedEndpoint {
  return {
    ...description,
    kind: 'keyed',
    handle: handle as KeyedEndpoint['handle'],
    ...(before === undefined ? {} : { before: before as NonNullable<KeyedEndpoint['before']> }),
  };
}
