import type { PartnerSettings, UpdatePartnerSettings } from '@sirgiving/contract';
import type { Queryable, Tx } from '../../platform/db.ts';
import { publicId } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';

interface SettingsRow {
  slug: string;
  name: string;
  legalName: string | null;
  contactEmail: string | null;
  tipsEnabled: boolean;
  defaultTipPercent: number;
}

/** What a partner's owners set for both environments. */
export async function readPartnerSettings(sql: Queryable, partnerId: string): Promise<PartnerSettings> {
  const [row] = await sql<SettingsRow[]>`
    select slug, name, legal_name as "legalName", contact_email as "contactEmail", tips_enabled as "tipsEnabled",
      default_tip_percent as "defaultTipPercent"
    from partners where id = ${partnerId}`;
  if (row === undefined) throw problem('NOT_FOUND', 'There is no such partner.');
  const { slug, name, legalName, contactEmail, tipsEnabled, defaultTipPercent } = row;
  const tipConfig = { enabled: tipsEnabled, defaultPercent: defaultTipPercent };
  return { id: publicId('ptn', partnerId), slug, name, legalName, contactEmail, tipConfig };
}

/** Changes what is named, and leaves the rest. The slug stays as it is: addresses and commands name the partner by it. */
export async function updatePartnerSettings(
  tx: Tx,
  partnerId: string,
  { name, legalName, contactEmail, tipConfig }: UpdatePartnerSettings,
): Promise<PartnerSettings> {
  const changes = {
    ...(name === undefined ? {} : { name }),
    ...(legalName === undefined ? {} : { legal_name: legalName }),
    ...(contactEmail === undefined ? {} : { contact_email: contactEmail }),
    ...(tipConfig === undefined
      ? {}
      : { tips_enabled: tipConfig.enabled, default_tip_percent: tipConfig.defaultPercent }),
  };
  await tx`update partners set ${tx(changes)} where id = ${partnerId}`;
  return readPartnerSettings(tx, partnerId);
}
