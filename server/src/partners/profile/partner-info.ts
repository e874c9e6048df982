import type { PartnerFeature, PartnerInfo } from '@sirgiving/contract';
import type { MemberCaller } from '../../platform/caller.ts';
import type { Queryable } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import { type PartnerStatus, type RateTerms, rateLimitsOf, rateTermColumns } from '../partner.ts';

interface InfoRow extends RateTerms {
  name: string;
  slug: string;
  status: PartnerStatus;
  features: PartnerFeature[];
  activeKeys: number;
  createdAt: Date;
}

/** The partner as its own team sees it, in the environment that was asked about. */
export async function readPartnerInfo(
  sql: Queryable,
  { tenant, role }: Pick<MemberCaller, 'tenant' | 'role'>,
  now: Date,
): Promise<PartnerInfo> {
  const { partnerId, environment } = tenant;
  const [partner] = await sql<InfoRow[]>`
    select p.name, p.slug, p.status, p.features, ${rateTermColumns(sql)}, p.created_at as "createdAt",
      (select count(*) from api_keys k
       where k.partner_id = ${partnerId} and k.environment = ${environment} and k.is_active and k.revoked_at is null
         and (k.expires_at is null or k.expires_at > ${now})) as "activeKeys"
    from partners p where p.id = ${partnerId}`;
  if (partner === undefined) throw problem('NOT_FOUND', 'There is no such partner.');
  const { features, createdAt, rateLimitOverrides, ...shown } = partner;
  return {
    id: publicId('ptn', partnerId),
    ...shown,
    enabledFeatures: features,
    rateLimit: rateLimitsOf(partner)[environment],
    role,
    environment,
    createdAt: createdAt.toISOString(),
  };
}
