import { createSecretKey, type KeyObject } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../platform/clock.ts';
import { publicId, rowId } from '../platform/ids.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { Audience, Session } from './session.ts';

/** One issuer for both hosts, and no claim about the environment: a person's session holds on both (contract §1). */
export const OUR_ISSUER = 'urn:sir-giving:partner-api';
/** As long as an access token can live at most. Its session is looked at on every request besides. */
export const ACCESS_TOKEN_SECONDS = 600;

const ALGORITHM = 'HS256';
const ACCESS_TYPE = 'at+jwt';
const REFRESH_TYPE = 'rt+jwt';

/** What an access token says, once its signature and its time are judged; not yet whether its session goes on. */
export interface AccessClaims {
  accountId: string;
  sessionId: string;
  audience: Audience;
  amr: readonly string[];
  otpAt: Date | undefined;
}

/** Which token of which family. */
export interface RefreshClaims {
  sessionId: string;
  audience: Audience;
  generation: number;
}

export interface SessionTokens {
  issueAccess(session: Session, now: Date): Promise<string>;
  /** Undefined for anything that is not a valid access token of ours. */
  readAccess(jwt: string): Promise<AccessClaims | undefined>;
  /** The one refresh token of a session's present generation: the same text whenever it is asked for. */
  issueRefresh(session: Session): Promise<string>;
  /** Undefined for anything that is not a refresh token of ours for this audience, or is expired. */
  readRefresh(jwt: string, audience: Audience): Promise<RefreshClaims | undefined>;
}

const seconds = (time: Date) => Math.floor(time.getTime() / 1_000);

/** Access and refresh tokens as JWTs, each kind and audience under a key of its own that HKDF makes of the master key. */
export function createSessionTokens(secretBox: SecretBox, clock: Clock): SessionTokens {
  const accessKeys: Record<Audience, KeyObject> = {
    partner: createSecretKey(secretBox.macKey('access-token/partner')),
    admin: createSecretKey(secretBox.macKey('access-token/admin')),
  };
  const refreshKey = createSecretKey(secretBox.macKey('refresh-token'));
  const expected = { algorithms: [ALGORITHM], issuer: OUR_ISSUER, requiredClaims: ['sub', 'sid', 'exp'] };

  return {
    issueAccess: ({ id, accountId, audience, amr, otpAt }, now) =>
      new SignJWT({
        sid: publicId('ses', id),
        amr,
        ...(otpAt === undefined ? {} : { otp_at: seconds(otpAt) }),
      })
        .setProtectedHeader({ alg: ALGORITHM, typ: ACCESS_TYPE, kid: audience })
        .setIssuer(OUR_ISSUER)
        .setAudience(audience)
        .setSubject(publicId('acc', accountId))
        .setIssuedAt(seconds(now))
        .setExpirationTime(seconds(now) + ACCESS_TOKEN_SECONDS)
        .sign(accessKeys[audience]),

    readAccess: (jwt) =>
      unlessInvalid(async () => {
        const { payload, protectedHeader } = await jwtVerify(jwt, ({ kid }) => accessKeys[audienceOf(kid)], {
          ...expected,
          typ: ACCESS_TYPE,
          audience: ['partner', 'admin'],
          currentDate: clock.now(),
        });
        return accessClaims(payload, audienceOf(protectedHeader.kid));
      }),

    issueRefresh: ({ id, accountId, audience, generation, refreshedAt, expiresAt }) =>
      new SignJWT({ sid: publicId('ses', id), gen: generation })
        .setProtectedHeader({ alg: ALGORITHM, typ: REFRESH_TYPE })
        .setIssuer(OUR_ISSUER)
        .setAudience(refreshAudience(audience))
        .setSubject(publicId('acc', accountId))
        .setIssuedAt(seconds(refreshedAt))
        .setExpirationTime(seconds(expiresAt))
        .sign(refreshKey),

    readRefresh: (jwt, audience) =>
      unlessInvalid(async () => {
        const { payload } = await jwtVerify(jwt, refreshKey, {
          ...expected,
          typ: REFRESH_TYPE,
          audience: refreshAudience(audience),
          currentDate: clock.now(),
        });
        const sessionId = rowId('ses', String(payload.sid));
        const generation = payload.gen;
        if (sessionId === undefined || typeof generation !== 'number') return undefined;
        return { sessionId, audience, generation };
      }),
  };
}

function refreshAudience(audience: Audience): string {
  return `refresh/${audience}`;
}

/** A token of one audience is signed with that audience's key, so that none passes as the other's. */
function audienceOf(keyId: string | undefined): Audience {
  if (keyId !== 'partner' && keyId !== 'admin') throw new errors.JWTInvalid('unknown key id');
  return keyId;
}

function accessClaims(payload: JWTPayload, audience: Audience): AccessClaims | undefined {
  const accountId = rowId('acc', String(payload.sub));
  const sessionId = rowId('ses', String(payload.sid));
  const { amr, otp_at: otpAt } = payload;
  if (accountId === undefined || sessionId === undefined || payload.aud !== audience) return undefined;
  return {
    accountId,
    sessionId,
    audience,
    amr: Array.isArray(amr) ? amr.map(String) : [],
    otpAt: typeof otpAt === 'number' ? new Date(otpAt * 1_000) : undefined,
  };
}

async function unlessInvalid<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
