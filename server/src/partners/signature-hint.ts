import type { SignedParts } from '@sirgiving/signature';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { askDatabase } from '../platform/ask-database.ts';
import type { Sql } from '../platform/db.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { addressToCount } from '../platform/trusted-proxy.ts';
import type { Credential } from './credential.ts';
import { hmacSecretPlace } from './hmac-secret-place.ts';
import { findSignatureMistake, type SignatureMistake } from './signature-mistakes.ts';

/** The member `hint` of a refused signature in the sandbox. It holds nothing that the sender does not know, and never the expected signature. */
export interface SignatureHint {
  /** The parts of the canonical string as the server saw them: they are joined without separators and signed. */
  saw: { timestamp: string; method: string; path: string; bodyHash: string };
  mistake: SignatureMistake | null;
  advice: string;
}

/** The request of a refused signature. */
interface RefusedRequest {
  parts: SignedParts;
  signature: string;
  rawBody: Uint8Array | undefined;
  presentedKey: string;
  ip: string;
  credential: Credential;
  /** Known already, so that there is nothing to find out. */
  mistake: SignatureMistake | undefined;
}

export interface SignatureHints {
  /** A hint, or undefined when this key and address, or everybody together, have had enough of them for now. */
  hintFor(refused: RefusedRequest): Promise<SignatureHint | undefined>;
}

const HINTS_PER_MINUTE = 10;
/** For all keys and addresses together: an attacker has many addresses, and hints must not slow good requests. */
const HINTS_PER_SECOND_OF_A_PROCESS = 20;
const MAX_OTHER_KEY_PAIRS = 20;

const ADVICE: Record<SignatureMistake, string> = {
  BODY_RESERIALIZED:
    'The signature fits another spelling of this JSON (or no body at all). Serialise the body once, sign those bytes and send exactly them.',
  SIGNATURE_IN_BASE64: 'The signature is written in base64. Write the 32 bytes as 64 lower-case hex digits.',
  QUERY_STRING_MISSING: 'The path was signed without its query string. Sign the request target exactly as it is sent.',
  TIMESTAMP_IN_MILLISECONDS: 'X-Timestamp is in milliseconds. Send and sign whole seconds.',
  SECRET_KEY_AS_HMAC_SECRET: 'The API key was used as the signing secret. Sign with the hmacSecret of the key pair.',
  METHOD_IN_LOWER_CASE: 'The method was signed in lower case. Sign it in upper case.',
  OTHER_KEY_PAIR:
    'The signature was made with the hmacSecret of another key pair of yours. Use the one that was issued together with this key.',
};
const NO_KNOWN_MISTAKE =
  'None of the known mistakes fits. Compare each part with what your client signs, and check that the hmacSecret is the one issued with this key.';

/** Makes the sandbox's hints (contract §3), counted per key and address. */
export function createSignatureHints(deps: { sql: Sql; secretBox: SecretBox }): SignatureHints {
  const perKeyAndAddress = new RateLimiterMemory({ points: HINTS_PER_MINUTE, duration: 60 });
  const perProcess = new RateLimiterMemory({ points: HINTS_PER_SECOND_OF_A_PROCESS, duration: 1 });

  async function mayHint(id: string): Promise<boolean> {
    // Asked first without counting, so that the table of addresses grows by no more than the hints that are given.
    const used = await perKeyAndAddress.get(id);
    if (used !== null && used.consumedPoints >= HINTS_PER_MINUTE) return false;
    return (await takeOne(perProcess, 'process')) && (await takeOne(perKeyAndAddress, id));
  }

  return {
    async hintFor(refused) {
      const { credential, parts } = refused;
      if (!(await mayHint(`${credential.apiKeyId} ${addressToCount(refused.ip)}`))) return undefined;
      const mistake = refused.mistake ?? (await find(deps, refused));
      const { timestamp, method, path, bodyHash } = parts;
      return {
        saw: { timestamp: String(timestamp), method, path, bodyHash },
        mistake: mistake ?? null,
        advice: mistake === undefined ? NO_KNOWN_MISTAKE : ADVICE[mistake],
      };
    },
  };
}

async function find(
  deps: { sql: Sql; secretBox: SecretBox },
  refused: RefusedRequest,
): Promise<SignatureMistake | undefined> {
  const { hmacSecret } = refused.credential;
  const otherHmacSecrets = await findOtherHmacSecrets(deps, refused.credential);
  return findSignatureMistake({ ...refused, hmacSecret, otherHmacSecrets });
}

/** The secrets of the partner's other key pairs in this environment, newest first. */
async function findOtherHmacSecrets(
  { sql, secretBox }: { sql: Sql; secretBox: SecretBox },
  { tenant, apiKeyId }: Credential,
): Promise<string[]> {
  const { partnerId, environment } = tenant;
  try {
    const rows = await askDatabase(
      () => sql<{ id: string; sealed: Buffer }[]>`
        select id, hmac_secret_encrypted as sealed from api_keys
        where partner_id = ${partnerId} and environment = ${environment} and id <> ${apiKeyId}
        order by id desc limit ${MAX_OTHER_KEY_PAIRS}`,
    );
    return rows.map(({ id, sealed }) => secretBox.open(hmacSecretPlace({ partnerId, environment, id }), sealed));
  } catch {
    // A hint is a courtesy: it is then made from what is known.
    return [];
  }
}

async function takeOne(limiter: RateLimiterMemory, id: string): Promise<boolean> {
  try {
    await limiter.consume(id);
    return true;
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return false;
    throw refusal;
  }
}
