import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Queryable } from './db.ts';
import { StartupError } from './startup-error.ts';

/** What a secret is for. Each purpose has a key of its own, so that a ciphertext moved to another column does not open. */
export type SecretPurpose = 'hmac-secret' | 'webhook-secret' | 'webhook-headers' | 'kept-answer' | 'mail' | 'totp-seed';

/** What a message authentication code is for. Each purpose has a key of its own here too. */
export type MacPurpose = 'access-token/partner' | 'access-token/admin' | 'refresh-token' | 'attempt-counter';

/** Where a sealed secret lies: opening it needs the same place. */
export interface SecretPlace {
  purpose: SecretPurpose;
  environment: string;
  /** The key of its row, for tenant tables `<partner id>/<row id>`. */
  rowId: string;
}

export interface SecretBox {
  /** Encrypts text for one place. */
  seal(place: SecretPlace, plaintext: string): Buffer;
  /** Decrypts what was sealed for this place. Throws SecretNotOpened on anything else: never a wrong text. */
  open(place: SecretPlace, sealed: Uint8Array): string;
  /** 256 bits for HMAC-SHA256. The same for both environments: a person's session holds on both hosts (contract §1). */
  macKey(purpose: MacPurpose): Buffer;
}

/** A secret at rest that does not open: changed, moved from another row, or sealed with another master key. */
export class SecretNotOpened extends Error {
  override name = 'SecretNotOpened';
}

// version (1 byte) ‖ id of the master key (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
const VERSION = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES;
const KEY_BYTES = 32;
const CIPHER = 'aes-256-gcm';

/**
 * Secrets at rest (contract §10): AES-256-GCM under keys that HKDF-SHA256 derives from the master key, one per purpose and
 * environment. The place is authenticated too. The id of the master key stands in front and tells, while the master key is being
 * rotated, which one a row still needs. Nonces are random, which is safe for 2³² secrets of one purpose and environment.
 * Throws TypeError when the master key is not 64 hex digits.
 */
export function createSecretBox(masterKeyHex: string): SecretBox {
  const masterKey = parseMasterKey(masterKeyHex);
  const keyId = derive(masterKey, 'key-id', KEY_ID_BYTES);
  const header = Buffer.concat([Buffer.from([VERSION]), keyId]);
  const keys = new Map<string, Buffer>();
  const keyOf = ({ purpose, environment }: SecretPlace): Buffer => {
    const name = `secret/${purpose}/${environment}`;
    const key = keys.get(name) ?? derive(masterKey, name, KEY_BYTES);
    keys.set(name, key);
    return key;
  };
  return {
    seal(place, plaintext) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, keyOf(place), nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(boundTo(header, place));
      const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
      return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()]);
    },
    open(place, sealed) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
        throw new SecretNotOpened(`not a sealed secret: ${describe(place)}`);
      }
      if (!bytes.subarray(0, HEADER_BYTES).equals(header)) {
        throw new SecretNotOpened(`sealed with another master key: ${describe(place)}`);
      }
      return decrypt(bytes, keyOf(place), place);
    },
    macKey: (purpose) => derive(masterKey, `mac/${purpose}`, KEY_BYTES),
  };
}

function decrypt(bytes: Buffer, key: Buffer, place: SecretPlace): string {
  const textStart = HEADER_BYTES + NONCE_BYTES;
  const textEnd = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(HEADER_BYTES, textStart), { authTagLength: TAG_BYTES });
  decipher.setAAD(boundTo(bytes.subarray(0, HEADER_BYTES), place));
  decipher.setAuthTag(bytes.subarray(textEnd));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(textStart, textEnd)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new SecretNotOpened(`changed, or moved from another row: ${describe(place)}`, { cause });
  }
}

/** The authenticated data. JSON keeps the parts apart whatever characters they hold. */
function boundTo(header: Buffer, { purpose, environment, rowId }: SecretPlace): Buffer {
  return Buffer.concat([header, Buffer.from(JSON.stringify([purpose, environment, rowId]))]);
}

function describe({ purpose, environment, rowId }: SecretPlace): string {
  return `${purpose} of ${environment} row ${rowId}`;
}

function parseMasterKey(hex: string): Buffer {
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new TypeError('the master key must be 64 hex digits');
  return Buffer.from(hex, 'hex');
}

// The master key is random and of full length, so HKDF needs no salt (RFC 5869, 3.1); the info parts the derived keys.
function derive(masterKey: Buffer, info: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', `sir-giving/v1/${info}`, bytes));
}

/**
 * Judges a master key before anything is read or written with it. The first one that a database sees leaves a check value there, which
 * does not tell the key. Throws StartupError when the database belongs to another key.
 */
export async function checkMasterKey(sql: Queryable, masterKeyHex: string): Promise<void> {
  const mine = derive(parseMasterKey(masterKeyHex), 'check', KEY_BYTES);
  await sql`insert into master_key_checks (check_value) values (${mine}) on conflict do nothing`;
  const [row] = await sql<{ check_value: Buffer }[]>`select check_value from master_key_checks`;
  if (row === undefined || row.check_value.length !== mine.length || !timingSafeEqual(row.check_value, mine)) {
    throw new StartupError(
      'SIR_MASTER_KEY is not the key that the secrets in this database were sealed with: start with the original key.',
    );
  }
}
