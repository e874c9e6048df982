import { AdminAccountParams, RevokedAdmin, WithReason } from '@sirgiving/contract';
import { findAccount, setAdmin } from '../accounts/index.ts';
import { keyedEndpoint } from '../platform/endpoint.ts';
import { rowId } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import { auditCall, needFreshOtp, needProduction } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';

/** The endpoints under `/v1/admin/admins`. Admins are made at the console only: nobody makes themselves a second person. */
export function adminAdminEndpoints(deps: AdminDependencies) {
  const revoke = keyedEndpoint(
    {
      summary: 'Take the administration away from an admin',
      description: 'Never from yourself. Their sessions end within a second. Under the rules of production.',
      params: AdminAccountParams,
      body: WithReason,
      status: 200,
      answer: RevokedAdmin,
      errors: ['NOT_FOUND', 'SECOND_PERSON_REQUIRED', 'OTP_REQUIRED'],
    },
    async (tx, call) => {
      needProduction(call, deps);
      const { accountId } = needFreshOtp(call);
      const target = call.params.id;
      const account = await findAccount(tx, rowId('acc', target) ?? accountId);
      if (account?.isAdmin !== true) throw problem('NOT_FOUND', 'There is no admin with this id.');
      if (account.id === accountId) throw problem('SECOND_PERSON_REQUIRED', 'Somebody else has to take it from you.');
      await setAdmin(tx, account.id, false, call.now);
      const changed = { before: { admin: true }, after: { admin: false } };
      await auditCall(tx, deps.ids, call, { action: 'admin.revoke', target, reason: call.body.reason, ...changed });
      return { id: target, isAdmin: false };
    },
  );
  return { revoke };
}
