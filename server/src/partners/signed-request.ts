import { hashBody, verifyRequestSignature } from '@sirgiving/signature';
import type { KeyCaller } from '../platform/caller.ts';
import { CallerRefused, refusalOf } from '../platform/caller-refused.ts';
import { problem } from '../platform/problem-json.ts';
import type { WatchedCache } from '../platform/watched-cache.ts';
import type { Access, AuthenticationDeps, RequestToAuthenticate } from './access.ts';
import { isAllowed } from './allow-list.ts';
import { type Credential, isUsable } from './credential.ts';
import { judgePartner } from './judge-partner.ts';
import {
  invalidKey,
  type PresentedHeaders,
  type Refusal,
  readPresentedHeaders,
  refusalByShape,
} from './presented-headers.ts';
import { signedBy } from './scopes.ts';
import { createSignatureHints, type SignatureHints } from './signature-hint.ts';

const WRONG_SIGNATURE: Refusal = {
  problem: (options) => problem('INVALID_SIGNATURE', 'The signature does not fit this request and this key.', options),
  deservesHint: true,
};

/** Judges signed requests: at once while the cache is warm. */
export type JudgeSigned = (request: RequestToAuthenticate, access: Access) => KeyCaller | Promise<KeyCaller>;

/**
 * First comes what the request tells by itself, then whether the key works, then the signature over the raw bytes; only a caller whose
 * signature fits is told what else stands in the way (contract §3).
 */
export function createSignedRequests(deps: AuthenticationDeps, cache: WatchedCache<Credential>): JudgeSigned {
  const { sql, clock, environment, secretBox, baseUrls } = deps;
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
): KeyCaller | Promise<never> {
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
  const { tenant, apiKeyId, kind: credentialKind, requestsPerMinute } = credential;
  const caller: KeyCaller = {
    kind: 'apiKey',
    tenant,
    apiKeyId,
    credentialKind,
    requestsPerMinute,
    signature,
    timestamp: Number(timestamp),
  };
  judgeAddress(credential, caller, request.ip);
  try {
    judgeRights(credential, access);
  } catch (error) {
    throw refusalOf(caller, error);
  }
  return caller;
}

/** Who has found a secret cannot use it from elsewhere. */
function judgeAddress({ allowList }: Credential, caller: KeyCaller, ip: string): void {
  if (allowList === undefined || isAllowed(allowList, ip)) return;
  const detail = `This key’s list of allowed addresses does not hold ${ip}.`;
  throw new CallerRefused(problem('IP_NOT_ALLOWED', detail), caller, 'address');
}

/** What a caller who has proved to have the secret may still lack. */
function judgeRights(credential: Credential, access: Access): void {
  if (signedBy(access.scope) === 'secret' && credential.kind !== 'secret') {
    throw problem('SECRET_KEY_REQUIRED', 'Sign this request with the secret key (sk_…) of the pair, on your server.');
  }
  judgePartner(credential.partner, credential.tenant.environment, access);
}

/** A malformed request earns a hint only when its key works; whether that is so shows in nothing else. */
async function refuseShape(
  hints: SignatureHints,
  cache: WatchedCache<Credential>,
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
