import { AuditLog, AuditLogQuery, Issuance, LedgerVerification, LedgerVerificationQuery } from '@sirgiving/contract';
import { endpoint } from '../platform/endpoint.ts';
import { rowId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { adminOf } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import { listAudit } from './list-audit.ts';
import { readIssuance } from './read-issuance.ts';
import { BoundedVerification } from './verify-bounded.ts';

/** What concerns all partners together: issuance, verification of the ledger, the audit log. */
export function overviewAdminEndpoints({ sql }: AdminDependencies) {
  const verification = new BoundedVerification(sql);
  const issuance = endpoint(
    {
      summary: 'Read how much has been issued',
      description: 'Of one environment: where its tokens are.',
      status: 200,
      answer: Issuance,
      errors: [],
    },
    (call) => readIssuance(sql, adminOf(call).environment),
  );
  const verify = endpoint(
    {
      summary: 'Verify the ledger',
      description:
        'Checks every invariant on one snapshot of one environment, of one partner or all. One at a time, and up to 200,000 transactions: larger books are verified by `sir-server ledger verify`.',
      query: LedgerVerificationQuery,
      status: 200,
      answer: LedgerVerification,
      errors: ['LIMIT_REACHED', 'OVERLOADED'],
      takesItsTime: true,
    },
    (call) => {
      const { environment } = adminOf(call);
      const partnerId = call.query.partnerId === undefined ? undefined : rowId('ptn', call.query.partnerId);
      return verification.run(partnerId === undefined ? { environment } : { environment, partnerId });
    },
  );
  const auditLog = endpoint(
    {
      summary: 'Read the audit log',
      description:
        'Who changed what, when and why, newest first. No entry is ever changed; `ledger verify` sees it if one was.',
      query: AuditLogQuery,
      status: 200,
      answer: AuditLog,
      errors: ['INVALID_CURSOR'],
    },
    (call) => listAudit(sql, adminOf(call).environment, call.query, pageRequest(call.query)),
  );
  return { issuance, verify, auditLog };
}
