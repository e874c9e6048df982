import type { PartnerFeature, WidgetConfig } from '@sirgiving/contract';
import type { Queryable } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { publicId } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import { findFirstWebhookUrl } from '../../webhooks/index.ts';
import { type PartnerStatus, type RateTerms, rateLimitsOf, rateTermColumns } from '../partner.ts';

interface ConfigRow extends RateTerms {
  name: string;
  slug: string;
  status: PartnerStatus;
  features: PartnerFeature[];
  tipsEnabled: boolean;
  defaultTipPercent: number;
}

/** What a page or an app needs to know of its partner. Everybody can read it, since the key that it takes is public. */
export async function readWidgetConfig(sql: Queryable, tenant: Tenant): Promise<WidgetConfig> {
  const [rows, webhookUrl] = await Promise.all([
    sql<ConfigRow[]>`
      select p.name, p.slug, p.status, p.features, p.tips_enabled as "tipsEnabled", p.default_tip_percent as "defaultTipPercent",
        ${rateTermColumns(sql)}
      from partners p where p.id = ${tenant.partnerId}`,
    findFirstWebhookUrl(sql, tenant),
  ]);
  const [partner] = rows;
  if (partner === undefined) throw problem('NOT_FOUND', 'There is no such partner.');
  return {
    id: publicId('ptn', tenant.partnerId),
    name: partner.name,
    slug: partner.slug,
    enabledFeatures: partner.features,
    rateLimit: rateLimitsOf(partner)[tenant.environment],
    isActive: partner.status !== 'SUSPENDED',
    webhookUrl: webhookUrl === undefined ? null : new URL(webhookUrl).origin,
    tipConfig: { enabled: partner.tipsEnabled, defaultPercent: partner.defaultTipPercent },
  };
}
