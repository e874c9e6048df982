import type { IncomingHttpHeaders } from 'node:http';
import type { Environment } from '@sirgiving/contract';
import { hashBody, verifyRequestSignature } from '@sirgiving/signature';
import { ChangeWatch } from '../platform/change-watch.ts';
import type { Clock } from '../platform/clock.ts';
import { readChangeCounter } from '../platform/credential-changes.ts';
import type { Sql } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { problem } from '../platform/problem-json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { WatchedCache } from '../platform/watched-cache.ts';
import { isAllowed } from './allow-list.ts';
import type { Credential, CredentialKind } from './credential.ts';
import { findCredentials } from './find-credentials.ts';
import type { Tier } from './partner.ts';
import {
  invalidKey,
  type PresentedHeaders,
  type Refusal,
  readPresentedHeaders,
  refusalByShape,
} from './presented-headers.ts';
import { createSignatureHints, type SignatureHints } from './signature-hint.ts';

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
  /** `signed`: any key pair may read. `secretKey`: every mutation (contract §3). */
  scope: 'signed' | 'secretKey';
  /** Submit and batch answer partners that wait for their approval by themselves, with 402 NO_ACTIVE_POOL (contract §2). */
  unapprovedMayCall?: boolean;
}

/** Who has called. */
export interface Caller {
  tenant: Tenant;
  apiKeyId: string;
  credentialKind: CredentialKind;
  tier: Tier;
  /** 64 hex digits; no second request has it by chance. */
  signature: string;
  /** Unix seconds. The signature is accepted while the whole seconds since then are at most 300. */
  timestamp: number;
}

export interface AuthenticationDeps {
  sql: Sql;
  clock: Clock;
  environment: Environment;
  secretBox: SecretBox;
  /** The process's look at the change counter, shared with its other caches; one of its own when left out. */
  changes?: ChangeWatch;
  /** Base URL of each environment's host, from configuration: told to callers with a key of the other one. */
  baseUrls: Readonly<Record<Environment, string>>;
}

type Cache = WatchedCache<Credential>;

const WRONG_SIGNATURE: Refusal = {
  problem: (options) => problem('INVALID_SIGNATURE', 'The signature does not fit this request and this key.', options),
  deservesHint: true,
};

/**
 * Answers at once while the cache is warm, else later. Throws or rejects with a Problem. The member `hint` of a refusal is for its
 * sender only and must not be logged.
 */
export type Authenticate = (request: RequestToAuthenticate, access: Access) => Caller | Promise<Caller>;

/**
 * The one room in which requests prove who sends them (contract §2, §3). First comes what the request tells by itself, then whether the
 * key works, then the signature over the raw bytes; only a caller whose signature fits is told what else stands in the way.
 */
export function createAuthentication(deps: AuthenticationDeps): Authenticate {
  const { sql, clock, environment, secretBox, baseUrls } = deps;
  const changes = deps.changes ?? new ChangeWatch(() => readChangeCounter(sql));
  const cache: Cache = new WatchedCache(changes, (keys) => findCredentials(sql, secretBox, environment, keys));
  const hints = environment === 'sandbox' ? createSignatureHints({ sql, secretBox }) : undefined;

  return (request, access) => {
    const presented = readPresentedHeaders(request, environment, baseUrls);
    const nowMilliseconds = clock.now().getTime();
    const refusal = refusalByShape(presented, nowMilliseconds);
    if (refusal !== undefined) {
      if (hints === undefined || !refusal.deservesHint) throw refusal.problem({});
      return refuseShape(hints, cache, request, presented, refusal, nowMilliseconds);
    }
    const found = cache.find(presented.key);
    if (found instanceof Promise) {
      return found.then((credential) => judge(hints, request, access, presented, credential, clock.now().getTime()));
    }
    return judge(hints, request, access, presented, found, nowMilliseconds);
  };
}

function judge(
  hints: SignatureHints | undefined,
  request: RequestToAuthenticate,
  access: Access,
  presented: PresentedHeaders,
  credential: Credential | undefined,
  nowMilliseconds: number,
): Caller | Promise<never> {
  if (!isUsable(credential, nowMilliseconds)) throw invalidKey();
  const { timestamp, signature } = presented;
  const signed = {
    hmacSecret: credential.hmacSecret,
    timestamp,
    method: request.method,
    path: request.target,
    bodyHash: hashBody(request.rawBody),
    signature,
  };
  if (!verifyRequestSignature(signed)) {
    if (hints === undefined) throw WRONG_SIGNATURE.problem({});
    return refuse(hints, request, presented, credential, WRONG_SIGNATURE);
  }
  judgeRights(credential, access, request.ip);
  const { tenant, apiKeyId, kind: credentialKind, tier } = credential;
  return { tenant, apiKeyId, credentialKind, tier, signature, timestamp: Number(timestamp) };
}

function isUsable(credential: Credential | undefined, nowMilliseconds: number): credential is Credential {
  if (credential === undefined || !credential.isActive) return false;
  return credential.expiresAt === undefined || nowMilliseconds < credential.expiresAt;
}

/** What a caller who has proved to have the secret may still lack. */
function judgeRights(credential: Credential, access: Access, ip: string): void {
  if (credential.allowList !== undefined && !isAllowed(credential.allowList, ip)) {
    throw problem('IP_NOT_ALLOWED', `This key’s list of allowed addresses does not hold ${ip}.`);
  }
  if (access.scope === 'signed') return;
  if (credential.kind !== 'secret') {
    throw problem('SECRET_KEY_REQUIRED', 'Sign this request with the secret key (sk_…) of the pair, on your server.');
  }
  if (credential.partnerStatus === 'SUSPENDED') {
    throw problem('PARTNER_SUSPENDED', 'The partner is suspended: reads go on, changes do not.');
  }
  const waits = credential.partnerStatus === 'PENDING_APPROVAL' && credential.tenant.environment === 'production';
  if (waits && access.unapprovedMayCall !== true) {
    throw problem('PARTNER_NOT_APPROVED', 'The partner is not approved for production yet: live keys can only read.');
  }
}

/** A malformed request earns a hint only when its key works; whether that is so shows in nothing else. */
async function refuseShape(
  hints: SignatureHints,
  cache: Cache,
  request: RequestToAuthenticate,
  presented: PresentedHeaders,
  refusal: Refusal,
  nowMilliseconds: number,
): Promise<never> {
  // The request is refused either way, so that an unreachable database makes no difference.
  const credential = await Promise.resolve(cache.find(presented.key)).catch(() => undefined);
  if (!isUsable(credential, nowMilliseconds)) throw refusal.problem({});
  return refuse(hints, request, presented, credential, refusal);
}

async function refuse(
  hints: SignatureHints,
  request: RequestToAuthenticate,
  presented: PresentedHeaders,
  credential: Credential,
  refusal: Refusal,
): Promise<never> {
  const { allowList } = credential;
  if (allowList !== undefined && !isAllowed(allowList, request.ip)) throw refusal.problem({});
  const { key: presentedKey, signature, timestamp } = presented;
  const { method, target: path, rawBody, ip } = request;
  const hint = await hints.hintFor({
    parts: { timestamp, method, path, bodyHash: hashBody(rawBody) },
    signature,
    rawBody,
    presentedKey,
    ip,
    credential,
    mistake: refusal.mistake,
  });
  throw refusal.problem(hint === undefined ? {} : { extensions: { hint } });
}
