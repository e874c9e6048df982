import type { ApplyForGoLive, GoLiveApplication } from '@sirgiving/contract';
import type { Tx } from '../../platform/db.ts';
import type { Ids } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import { canonicalAllowList } from '../allow-list.ts';
import type { PartnerStatus } from '../partner.ts';
import { type ApplicationRow, applicationColumns, presentApplication } from './application.ts';

/**
 * Hands in an application to go live (contract §5: the documented items). A partner has one that waits, and none once one was
 * approved. Throws 409 `GO_LIVE_DECIDED`, 403 `SANDBOX_ONLY`, 400 `INVALID_REQUEST` for a list of addresses that is none.
 */
export async function applyForGoLive(
  tx: Tx,
  ids: Ids,
  applicant: { partnerId: string; accountId: string },
  body: ApplyForGoLive,
  now: Date,
): Promise<GoLiveApplication> {
  const { partnerId, accountId } = applicant;
  await assertMayApply(tx, partnerId);
  const allowedIps = canonicalAllowList(body.allowedIps ?? []);
  const [row] = await tx<ApplicationRow[]>`
    insert into go_live_applications (partner_id, id, partner_name, legal_entity, contact_email, use_case, integration_model,
      expected_monthly_actions, expected_monthly_tokens, action_types, stakeholder_model, webhook_url, allowed_ips,
      acceptable_use_version, submitted_by, created_at)
    values (${partnerId}, ${ids.uuid()}, ${body.partnerName}, ${body.legalEntity}, ${body.contactEmail}, ${body.useCase},
      ${body.integrationModel}, ${body.expectedMonthlyActions}, ${body.expectedMonthlyTokens}, ${body.actionTypes}::text[],
      ${body.stakeholderModel}, ${body.webhookUrl ?? null}, ${allowedIps}::text[], ${body.acceptableUse.version}, ${accountId},
      ${now})
    returning ${applicationColumns(tx)}`;
  if (row === undefined) throw new Error('the application was not written');
  return presentApplication(row);
}

/** The partner's row makes two owners who apply at once take turns. */
async function assertMayApply(tx: Tx, partnerId: string): Promise<void> {
  const [partner] = await tx<{ status: PartnerStatus; sandboxOnly: boolean }[]>`
    select status, sandbox_only as "sandboxOnly" from partners where id = ${partnerId} for no key update`;
  if (partner?.sandboxOnly !== false) {
    throw problem('SANDBOX_ONLY', 'This partner was made for trying things out and cannot go live.');
  }
  const open = await tx`
    select from go_live_applications where partner_id = ${partnerId} and status in ('PENDING', 'APPROVED') limit 1`;
  if (open.length > 0 || partner.status === 'ACTIVE') {
    throw problem('GO_LIVE_DECIDED', 'An application waits for its decision, or the partner is live already.');
  }
}
