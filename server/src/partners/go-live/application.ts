import type { GoLiveApplication, IntegrationModel } from '@sirgiving/contract';
import type { Queryable } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';
import type { Tier } from '../partner.ts';
import { proposeTerms } from './propose-terms.ts';

/** An application as its table holds it. Ids are row ids. */
export interface ApplicationRow {
  partnerId: string;
  id: string;
  status: GoLiveApplication['status'];
  partnerName: string;
  legalEntity: string;
  contactEmail: string;
  useCase: string;
  integrationModel: IntegrationModel;
  expectedMonthlyActions: number;
  expectedMonthlyTokens: number;
  actionTypes: string[];
  stakeholderModel: string;
  webhookUrl: string | null;
  allowedIps: string[];
  acceptableUseVersion: string;
  submittedBy: string;
  createdAt: Date;
  decidedBy: string | null;
  decidedAt: Date | null;
  decisionReason: string | null;
  identityChecked: boolean;
  tier: Tier | null;
  poolTokens: number | null;
  poolId: string | null;
}

export const applicationColumns = (sql: Queryable) => sql`
  partner_id as "partnerId", id, status, partner_name as "partnerName", legal_entity as "legalEntity",
  contact_email as "contactEmail", use_case as "useCase", integration_model as "integrationModel",
  expected_monthly_actions as "expectedMonthlyActions", expected_monthly_tokens as "expectedMonthlyTokens",
  action_types as "actionTypes", stakeholder_model as "stakeholderModel", webhook_url as "webhookUrl",
  allowed_ips as "allowedIps", acceptable_use_version as "acceptableUseVersion", submitted_by as "submittedBy",
  created_at as "createdAt", decided_by as "decidedBy", decided_at as "decidedAt", decision_reason as "decisionReason",
  identity_checked as "identityChecked", tier, pool_tokens as "poolTokens", pool_id as "poolId"`;

/** An application as its partner sees it: who at SIR Giving decided is not shown. */
export function presentApplication(row: ApplicationRow): GoLiveApplication {
  const { expectedMonthlyActions, expectedMonthlyTokens, decidedAt } = row;
  return {
    id: publicId('glv', row.id),
    status: row.status,
    partnerName: row.partnerName,
    legalEntity: row.legalEntity,
    contactEmail: row.contactEmail,
    useCase: row.useCase,
    integrationModel: row.integrationModel,
    expectedMonthlyActions,
    expectedMonthlyTokens,
    actionTypes: row.actionTypes,
    stakeholderModel: row.stakeholderModel,
    ...(row.webhookUrl === null ? {} : { webhookUrl: row.webhookUrl }),
    allowedIps: row.allowedIps,
    acceptableUseVersion: row.acceptableUseVersion,
    identityChecked: row.identityChecked,
    proposal: proposeTerms({ monthlyActions: expectedMonthlyActions, monthlyTokens: expectedMonthlyTokens }),
    decision:
      decidedAt === null
        ? null
        : {
            decidedAt: decidedAt.toISOString(),
            reason: row.decisionReason,
            tier: row.tier,
            poolTokens: row.poolTokens,
            tokenPoolId: row.poolId === null ? null : publicId('pool', row.poolId),
          },
    createdAt: row.createdAt.toISOString(),
  };
}
