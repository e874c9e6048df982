import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import type { PartnerStatus } from './partner.ts';

/**
 * Approves or suspends a partner; every process judges by the new status within a second. The road to ACTIVE is `approveGoLive`; this
 * one is for suspending, and for ending a suspension. Throws 404 NOT_FOUND, 403 SANDBOX_ONLY.
 */
export async function setPartnerStatus(tx: Tx, partnerId: string, status: PartnerStatus): Promise<void> {
  const [partner] = await tx<{ sandboxOnly: boolean }[]>`
    select sandbox_only as "sandboxOnly" from partners where id = ${partnerId} for no key update`;
  if (partner === undefined) throw problem('NOT_FOUND', 'There is no such partner.');
  if (partner.sandboxOnly && status === 'ACTIVE') {
    throw problem('SANDBOX_ONLY', 'This partner was made for trying things out and cannot be approved.');
  }
  await tx`update partners set status = ${status} where id = ${partnerId}`;
  await raiseCredentialChanges(tx);
}
