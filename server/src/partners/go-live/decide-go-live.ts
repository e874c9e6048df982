import type { PartnerFeature } from '@sirgiving/contract';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Tx } from '../../platform/db.ts';
import type { Ids } from '../../platform/ids.ts';
import type { MailOutbox } from '../../platform/mail-outbox.ts';
import { problem } from '../../platform/problem-json.ts';
import { createPool, filePoolRequest, findDefaultPoolId } from '../../pools/index.ts';
import { goLiveApprovedMail, goLiveDeniedMail } from '../mail-texts.ts';
import type { PartnerStatus } from '../partner.ts';
import { type ApplicationRow, applicationColumns } from './application.ts';
import { proposeTerms } from './propose-terms.ts';

export interface GoLiveDependencies {
  ids: Ids;
  mailOutbox: MailOutbox;
}

/** Names an application by its row. */
export interface ApplicationReference {
  partnerId: string;
  applicationId: string;
}

/** What an admin decides; ids are row ids. */
export interface GoLiveApproval extends ApplicationReference {
  decidedBy: string;
  /** The admin says that SIR Giving has checked who the business is. */
  identityChecked: boolean;
  /** Left out: as proposed. */
  tier?: ApplicationRow['tier'];
  poolTokens?: number;
  /** Left out: as they are. */
  features?: readonly PartnerFeature[];
  reason?: string;
}

export interface ApprovedGoLive {
  application: ApplicationRow;
  poolId: string;
  poolRequestId: string;
}

const POOL_NAME = 'Main';

/**
 * Lets a partner go live, in one step (contract §5): live keys may do everything, with the tier and the list of addresses of the
 * application; a production pool with balance 0 is made, and the request for its tokens is filed in the applicant's name, so that who
 * approves those is somebody else. The caller writes the audit row in the same transaction. Throws 404 `NOT_FOUND`, 409
 * `GO_LIVE_DECIDED`, 403 `SECOND_PERSON_REQUIRED` and `PARTNER_SUSPENDED`, 400 `INVALID_REQUEST` without the check of identity.
 */
export async function approveGoLive(
  tx: Tx,
  deps: GoLiveDependencies,
  approval: GoLiveApproval,
  now: Date,
): Promise<ApprovedGoLive> {
  if (!approval.identityChecked) {
    throw problem('INVALID_REQUEST', 'The identity of the business has to be checked first.', {
      errors: [{ path: '/identityChecked', message: 'must be true' }],
    });
  }
  const pending = await lockPending(tx, approval);
  const { partnerId, submittedBy } = pending;
  await assertNotSuspended(tx, partnerId);
  if (submittedBy === approval.decidedBy) {
    throw problem('SECOND_PERSON_REQUIRED', 'Who has applied cannot approve the application.');
  }
  const proposal = proposeTerms({
    monthlyActions: pending.expectedMonthlyActions,
    monthlyTokens: pending.expectedMonthlyTokens,
  });
  const { tier = proposal.tier, poolTokens = proposal.poolTokens } = approval;
  const terms = { tier: tier ?? proposal.tier, poolTokens };
  await activate(tx, pending, { ...terms, features: approval.features });
  const tenant = { partnerId, environment: 'production' } as const;
  const poolId =
    (await findDefaultPoolId(tx, tenant)) ??
    (await createPool(tx, deps.ids, { ...tenant, name: POOL_NAME }, now)).poolId;
  const requester = { kind: 'MEMBER', id: submittedBy } as const;
  const wanted = { ...tenant, poolId, tokens: poolTokens, reason: 'Going live', requester };
  const request = await filePoolRequest(tx, deps.ids, wanted, now);
  const [application] = await tx<ApplicationRow[]>`
    update go_live_applications
    set status = 'APPROVED', decided_by = ${approval.decidedBy}, decided_at = ${now},
      decision_reason = ${approval.reason ?? null}, identity_checked = true, tier = ${terms.tier},
      pool_tokens = ${poolTokens}, pool_id = ${poolId}
    where partner_id = ${partnerId} and id = ${pending.id}
    returning ${applicationColumns(tx)}`;
  if (application === undefined) throw new Error('the application is gone, though its row was locked');
  await tell(tx, deps, goLiveApprovedMail(pending.contactEmail, pending), now);
  await raiseCredentialChanges(tx);
  return { application, poolId, poolRequestId: request.id };
}

/** Turns an application down; the partner may apply again. Throws 404 `NOT_FOUND`, 409 `GO_LIVE_DECIDED`. */
export async function denyGoLive(
  tx: Tx,
  deps: GoLiveDependencies,
  denial: ApplicationReference & { decidedBy: string; reason: string },
  now: Date,
): Promise<ApplicationRow> {
  const { partnerId, id, contactEmail, partnerName } = await lockPending(tx, denial);
  const [application] = await tx<ApplicationRow[]>`
    update go_live_applications
    set status = 'DENIED', decided_by = ${denial.decidedBy}, decided_at = ${now}, decision_reason = ${denial.reason}
    where partner_id = ${partnerId} and id = ${id}
    returning ${applicationColumns(tx)}`;
  if (application === undefined) throw new Error('the application is gone, though its row was locked');
  await tell(tx, deps, goLiveDeniedMail(contactEmail, { partnerName, reason: denial.reason }), now);
  return application;
}

/** The partner's row comes first, as for everything else that changes a partner. */
async function lockPending(tx: Tx, { partnerId, applicationId }: ApplicationReference): Promise<ApplicationRow> {
  await tx`select from partners where id = ${partnerId} for no key update`;
  const [application] = await tx<ApplicationRow[]>`
    select ${applicationColumns(tx)} from go_live_applications
    where partner_id = ${partnerId} and id = ${applicationId}
    for no key update`;
  if (application === undefined) throw problem('NOT_FOUND', 'There is no such application.');
  if (application.status !== 'PENDING') {
    throw problem('GO_LIVE_DECIDED', `The application is ${application.status} already.`);
  }
  return application;
}

async function assertNotSuspended(tx: Tx, partnerId: string): Promise<void> {
  const [partner] = await tx<{ status: PartnerStatus }[]>`select status from partners where id = ${partnerId}`;
  if (partner?.status !== 'SUSPENDED') return;
  throw problem('PARTNER_SUSPENDED', 'End the suspension first: an approval would end it without a word.');
}

/** Live keys that have no list of addresses get that of the application; one that was set by hand stays. */
async function activate(
  tx: Tx,
  { partnerId, partnerName, legalEntity, contactEmail, allowedIps }: ApplicationRow,
  { tier, features }: { tier: string; features: readonly PartnerFeature[] | undefined },
): Promise<void> {
  await tx`
    update partners
    set status = 'ACTIVE', tier = ${tier}, name = ${partnerName}, legal_name = ${legalEntity}, contact_email = ${contactEmail},
      production_allowed_ips = ${allowedIps}::text[],
      features = coalesce(${features === undefined ? null : [...features]}::text[], features)
    where id = ${partnerId}`;
  await tx`
    update api_keys set allowed_ips = ${allowedIps}::text[]
    where partner_id = ${partnerId} and environment = 'production' and allowed_ips = '{}'`;
}

/** A mail is a courtesy here: the portal shows the decision too. */
async function tell(
  tx: Tx,
  { mailOutbox }: GoLiveDependencies,
  mail: Parameters<MailOutbox['queue']>[1],
  now: Date,
): Promise<void> {
  if (mailOutbox.isConfigured) await mailOutbox.queue(tx, mail, { now });
}
