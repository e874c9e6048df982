import { randomBytes } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import { signRequest } from '@sirgiving/signature';
import {
  type Access,
  createAuthentication,
  createKey,
  createPartner,
  type IssuedKey,
  type PartnerStatus,
  type RequestToAuthenticate,
} from '../src/partners/index.ts';
import type { KeyCaller } from '../src/platform/caller.ts';
import { type Clock, systemClock } from '../src/platform/clock.ts';
import type { Sql } from '../src/platform/db.ts';
import { randomIds } from '../src/platform/ids.ts';
import { createSecretBox, type SecretBox } from '../src/platform/secret-box.ts';

export const baseUrls = { sandbox: 'https://devapi.example.org', production: 'https://api.example.org' };

/** A master key of this test file's own. */
export const testSecretBox: SecretBox = createSecretBox(randomBytes(32).toString('hex'));

export type TestKey = IssuedKey & { partnerId: string; environment: Environment };

/** A partner with one key pair. */
export async function newPartnerWithKey(
  sql: Sql,
  options: { environment?: Environment; status?: PartnerStatus } = {},
): Promise<TestKey> {
  const { environment = 'sandbox', status = 'ACTIVE' } = options;
  const createdAt = systemClock.now();
  return sql.begin(async (tx) => {
    const partner = await createPartner(tx, randomIds, { name: 'Test', status, createdAt });
    const wanted = { partnerId: partner.id, environment, name: 'Test key', createdAt };
    return { ...(await createKey(tx, randomIds, testSecretBox, wanted)), partnerId: partner.id, environment };
  });
}

/** Authentication of requests that are signed. */
export type AuthenticateKey = (request: RequestToAuthenticate, access: Access) => KeyCaller | Promise<KeyCaller>;

/** Authentication as one process has it, with a cache of its own. */
export function authenticationOf(
  sql: Sql,
  environment: Environment = 'sandbox',
  clock: Clock = systemClock,
): AuthenticateKey {
  const authenticate = createAuthentication({
    sql,
    clock,
    environment,
    laptop: false,
    secretBox: testSecretBox,
    verifyAccessToken: () => Promise.reject(new Error('this test has no access tokens')),
    baseUrls,
  });
  return (request, access) => authenticate(request, access) as KeyCaller | Promise<KeyCaller>;
}

export interface RequestChanges {
  key?: string;
  hmacSecret?: string;
  method?: string;
  target?: string;
  body?: string;
  timestamp?: string;
  ip?: string;
  host?: string;
  /** Over the signed ones; undefined takes a header away. */
  headers?: Record<string, string | undefined>;
}

/** A request signed with a key pair: by default a read with the secret key. */
export function signedRequest(key: IssuedKey, changes: RequestChanges = {}): RequestToAuthenticate {
  const { method = 'GET', target = '/v1/partner/users', body, hmacSecret = key.hmacSecret } = changes;
  const timestamp = changes.timestamp ?? String(Math.floor(systemClock.now().getTime() / 1000));
  return {
    method,
    target,
    headers: {
      'x-partner-key': changes.key ?? key.secretKey,
      'x-timestamp': timestamp,
      'x-signature': signRequest({ hmacSecret, timestamp, method, path: target, body }),
      ...changes.headers,
    },
    rawBody: body === undefined ? undefined : Buffer.from(body),
    ip: changes.ip ?? '127.0.0.1',
    host: changes.host ?? 'devapi.example.org',
  };
}

export const toRead: Access = { scope: 'reads', mutates: false };
export const toWrite: Access = { scope: 'writes', mutates: true };
