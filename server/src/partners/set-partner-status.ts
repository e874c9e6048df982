import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import type { PartnerStatus } from './partner.ts';

/** Approves or suspends a partner; every process judges by the new status within a second. NOT_FOUND when there is no such partner. */
export async function setPartnerStatus(tx: Tx, partnerId: string, status: PartnerStatus): Promise<void> {
  const { count } = await tx`update partners set status = ${status} where id = ${partnerId}`;
  if (count === 0) throw problem('NOT_FOUND', 'There is no such partner.');
  await raiseCredentialChanges(tx);
}
