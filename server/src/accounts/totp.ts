import { createHash, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import type { Tx } from '../platform/db.ts';
import type { SecretBox, SecretPlace } from '../platform/secret-box.ts';

const ISSUER = 'SIR Giving';
const PERIOD_SECONDS = 30;
/** Codes of the step before and after count too: clocks differ, and typing takes time. */
const WINDOW_STEPS = 1;
const SEED_BYTES = 20;

const RECOVERY_CODES = 10;
const RECOVERY_CODE_BYTES = 10;
const RECOVERY_GROUP = /.{4}(?=.)/g;
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

/** A seed as the person's app needs it: both are shown once. */
export interface TotpSeed {
  /** Base 32. */
  secret: string;
  otpauthUrl: string;
}

/** Makes a seed (RFC 6238: SHA-1, six digits, 30 s, which is what every app can). */
export function newTotpSeed(email: string): TotpSeed {
  const generator = totpOf(new Secret({ size: SEED_BYTES }).base32, email);
  return { secret: generator.secret.base32, otpauthUrl: generator.toString() };
}

function totpOf(secret: string, label = ''): TOTP {
  return new TOTP({ issuer: ISSUER, label, algorithm: 'SHA1', digits: 6, period: PERIOD_SECONDS, secret });
}

/** Where an account's seed lies. It is the same for both environments. */
export function totpPlace(accountId: string): SecretPlace {
  return { purpose: 'totp-seed', environment: 'both', rowId: accountId };
}

/** The time step whose code this is, undefined where it is none of now. */
export function totpStep(secret: string, code: string, now: Date): number | undefined {
  const timestamp = now.getTime();
  const delta = totpOf(secret).validate({ token: code, timestamp, window: WINDOW_STEPS });
  return delta === null ? undefined : Math.floor(timestamp / 1_000 / PERIOD_SECONDS) + delta;
}

export interface TotpAccount {
  accountId: string;
  totpSeedEncrypted: Buffer;
}

/**
 * Uses a one-time password: a code of the app, which then works no more, or a recovery code, which is used up. Answers whether it was
 * right. What it used up is only used up with the transaction's COMMIT.
 */
export async function spendOtp(
  tx: Tx,
  secretBox: SecretBox,
  { accountId, totpSeedEncrypted }: TotpAccount,
  otp: string,
  now: Date,
): Promise<boolean> {
  if (otp.includes('-')) {
    const { count } = await tx`
      delete from account_recovery_codes where account_id = ${accountId} and code_hash = ${recoveryCodeHash(otp)}`;
    return count === 1;
  }
  const step = totpStep(secretBox.open(totpPlace(accountId), totpSeedEncrypted), otp, now);
  if (step === undefined) return false;
  const { count } = await tx`
    update accounts set totp_last_step = ${step}
    where id = ${accountId} and totp_seed_encrypted = ${totpSeedEncrypted} and totp_last_step < ${step}`;
  return count === 1;
}

/** Makes recovery codes anew; the ones before do not work any more. Answers what is shown once. */
export async function replaceRecoveryCodes(tx: Tx, accountId: string): Promise<string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode);
  await tx`delete from account_recovery_codes where account_id = ${accountId}`;
  const rows = codes.map((code) => ({ account_id: accountId, code_hash: recoveryCodeHash(code) }));
  await tx`insert into account_recovery_codes ${tx(rows)}`;
  return codes;
}

/** 80 random bits, which a fast hash is enough for: `7k3m-9xq2-0vha-c4tn`. */
function newRecoveryCode(): string {
  let bits = BigInt(`0x${randomBytes(RECOVERY_CODE_BYTES).toString('hex')}`);
  let text = '';
  for (let digit = 0; digit < (RECOVERY_CODE_BYTES * 8) / 5; digit++) {
    text += BASE32[Number(bits & 31n)];
    bits >>= 5n;
  }
  return text.replaceAll(RECOVERY_GROUP, '$&-');
}

function recoveryCodeHash(code: string): Buffer {
  return createHash('sha256').update(code).digest();
}
