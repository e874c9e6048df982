import type { IncomingHttpHeaders } from 'node:http';
import type { Environment, PartnerFeature } from '@sirgiving/contract';
import type { AccountCaller, KeyCaller, WidgetCaller } from '../platform/caller.ts';
import type { ChangeWatch } from '../platform/change-watch.ts';
import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ProvenScope } from './scopes.ts';

/** A request before anything in it is believed. */
export interface RequestToAuthenticate {
  /** Upper case, as HTTP has it. */
  method: string;
  /** The raw request target as it was sent, query included. */
  target: string;
  headers: IncomingHttpHeaders;
  /** The exact bytes of the body; undefined: none. */
  rawBody: Buffer | undefined;
  /** The client's address: behind trusted proxies the one that they tell. */
  ip: string;
  /** The Host header. */
  host: string | undefined;
}

/** What a route demands of its callers. One object per route, made at start. */
export interface Access {
  scope: ProvenScope;
  /** Whether it changes anything: suspended partners only read, and so do in production those that wait for their approval. */
  mutates: boolean;
  /** Whether a partner that waits for its approval may call it in production all the same (contract §2). */
  unapprovedMayCall?: boolean;
  /** What SIR Giving must have enabled for the partner. */
  feature?: PartnerFeature;
  /** Whether it is for who still has a first password too. */
  takesFirstPassword?: boolean;
}

export interface AuthenticationDeps {
  sql: Sql;
  clock: Clock;
  environment: Environment;
  /** Laptop mode: sandbox data only (contract §1). */
  laptop: boolean;
  secretBox: SecretBox;
  /** Judges access tokens, their sessions included. */
  verifyAccessToken: VerifyAccessToken;
  /** The process's look at the change counter, shared with its other caches; one of its own when left out. */
  changes?: ChangeWatch;
  /** Base URL of each environment's host, from configuration: told to callers with a key of the other one. */
  baseUrls: Readonly<Record<Environment, string>>;
  /** Told of each accepted request of a key. Must be cheap: it is on the path of every request. */
  onKeyUse?: (caller: KeyCaller | WidgetCaller, ip: string) => void;
}

/** Answers whose token it is. Throws or rejects with 401 INVALID_ACCESS_TOKEN, and with 503 where the session cannot be looked up. */
export type VerifyAccessToken = (jwt: string) => AccountCaller | Promise<AccountCaller>;
