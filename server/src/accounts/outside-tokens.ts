import { createRemoteJWKSet, decodeJwt, errors, jwtVerify } from 'jose';
import type { Clock } from '../platform/clock.ts';
import { problem } from '../platform/problem-json.ts';
import { StartupError } from '../platform/startup-error.ts';
import { OUR_ISSUER } from './session-tokens.ts';

/** Whose tokens are accepted beside ours: who signs them, whom they are for, and where the public keys are. */
export interface OutsideIssuer {
  issuer: string;
  audience: string;
  jwksUrl: string;
}

/** Whom a token of an outside issuer is about. */
export interface OutsideClaims {
  issuer: string;
  subject: string;
  /** Unix milliseconds, of whole seconds. */
  issuedAt: number;
}

export interface OutsideTokens {
  readonly issuer: string;
  /** Undefined for anything that is not a valid token of the issuer for our audience. Throws 503 when its keys cannot be had. */
  read(jwt: string): Promise<OutsideClaims | undefined>;
}

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
const KEYS_TIMEOUT_MILLISECONDS = 3_000;
/** A token with an unknown key makes us look for new keys at most this often. */
const KEYS_COOLDOWN_MILLISECONDS = 30_000;
const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_SUBJECT_LENGTH = 255;

/** What tells that a token is wrong, and not that the issuer's keys cannot be had. */
const INVALID: ReadonlySet<string> = new Set([
  errors.JWTExpired.code,
  errors.JWTClaimValidationFailed.code,
  errors.JWTInvalid.code,
  errors.JWSInvalid.code,
  errors.JWSSignatureVerificationFailed.code,
  errors.JOSEAlgNotAllowed.code,
  errors.JOSENotSupported.code,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
]);

/** Reads the tokens of the configured outside issuer. Throws a StartupError when it has our own name. */
export function createOutsideTokens({ issuer, audience, jwksUrl }: OutsideIssuer, clock: Clock): OutsideTokens {
  if (issuer === OUR_ISSUER) throw new StartupError(`SIR_JWT_ISSUER must not be ${OUR_ISSUER}: that is this server.`);
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: KEYS_TIMEOUT_MILLISECONDS,
    cooldownDuration: KEYS_COOLDOWN_MILLISECONDS,
  });
  return {
    issuer,
    read: async (jwt) => {
      try {
        const { payload } = await jwtVerify(jwt, keys, {
          algorithms: ALGORITHMS,
          issuer,
          audience,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          currentDate: clock.now(),
          requiredClaims: ['sub', 'iat', 'exp'],
        });
        const { sub = '', iat = 0 } = payload;
        if (sub === '' || sub.length > MAX_SUBJECT_LENGTH || sub.includes('\0')) return undefined;
        return { issuer, subject: sub, issuedAt: iat * 1_000 };
      } catch (error) {
        if (error instanceof errors.JOSEError && INVALID.has(error.code)) return undefined;
        const unavailable = problem('UNAVAILABLE', 'The issuer’s keys cannot be had right now. Nothing was done.');
        unavailable.cause = error;
        throw unavailable;
      }
    },
  };
}

/** The issuer that a token claims, to choose who judges it; undefined where it is no JWT. */
export function claimedIssuer(jwt: string): string | undefined {
  try {
    return decodeJwt(jwt).iss;
  } catch {
    return undefined;
  }
}
