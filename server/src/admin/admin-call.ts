import { type AdminCaller, type Caller, callerOfKind } from '../platform/caller.ts';
import type { Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { type AuditEntry, recordAudit } from './record-audit.ts';

/** What is needed of a call to say who did something. */
export interface AdminCall {
  caller: Caller | undefined;
  now: Date;
  requestId: string;
}

const OTP_MINUTES = 15;

export const adminOf = (call: AdminCall): AdminCaller => callerOfKind(call, 'admin');

/**
 * Approving, funding, withdrawing and changes of roles ask for a one-time password of the last 15 minutes where production data is
 * concerned (contract §3). Throws 401 OTP_REQUIRED.
 */
export function needFreshOtp(call: AdminCall): AdminCaller {
  const admin = adminOf(call);
  if (admin.environment === 'sandbox') return admin;
  const age = admin.otpAt === undefined ? Number.POSITIVE_INFINITY : call.now.getTime() - admin.otpAt.getTime();
  if (age <= OTP_MINUTES * 60_000) return admin;
  const detail = `Prove yourself again: POST /v1/admin/auth/totp/prove, then repeat this within ${OTP_MINUTES} minutes.`;
  throw problem('OTP_REQUIRED', detail);
}

/**
 * For changes that hold in both environments, such as a partner's status: they are made under the rules of production, so that nobody
 * comes round those by naming the sandbox. A laptop has no production data. Throws 400 INVALID_REQUEST.
 */
export function needProduction(call: AdminCall, { laptop }: { laptop: boolean }): AdminCaller {
  const admin = adminOf(call);
  if (admin.environment === 'production' || laptop) return admin;
  const message = 'must be production: this holds in both environments';
  throw problem('INVALID_REQUEST', `X-Partner-Environment ${message}.`, {
    errors: [{ path: 'X-Partner-Environment', message }],
  });
}

/** Writes down what an admin did; the last write of its transaction. */
export function auditCall(
  tx: Tx,
  ids: Ids,
  call: AdminCall,
  entry: Omit<AuditEntry, 'actor' | 'environment' | 'requestId'>,
): Promise<void> {
  const { accountId, environment } = adminOf(call);
  const actor = { kind: 'ADMIN', accountId } as const;
  return recordAudit(tx, ids, { ...entry, actor, environment, requestId: call.requestId }, call.now);
}
