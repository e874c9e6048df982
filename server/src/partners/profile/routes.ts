import { PartnerInfo, PartnerSettings, UpdatePartnerSettings, WidgetConfig } from '@sirgiving/contract';
import { callerOfKind } from '../../platform/caller.ts';
import type { Sql } from '../../platform/db.ts';
import { endpoint, keyedEndpoint } from '../../platform/endpoint.ts';
import { readPartnerInfo } from './partner-info.ts';
import { readPartnerSettings, updatePartnerSettings } from './partner-settings.ts';
import { readWidgetConfig } from './widget-config.ts';

/** What a partner is and has set: `keys/partner-info`, `settings`, `config`. */
export function profileEndpoints({ sql }: { sql: Sql }) {
  const info = endpoint(
    {
      summary: 'Read your partner',
      description:
        'Status, tier, features and your role, with the number of keys in the environment that is asked about.',
      status: 200,
      answer: PartnerInfo,
      errors: [],
    },
    (call) => readPartnerInfo(sql, callerOfKind(call, 'member'), call.now),
  );
  const settings = endpoint(
    { summary: 'Read the settings', status: 200, answer: PartnerSettings, errors: [] },
    ({ tenant }) => readPartnerSettings(sql, tenant.partnerId),
  );
  const updateSettings = keyedEndpoint(
    {
      summary: 'Change the settings',
      description: 'For both environments. What is left out stays as it is.',
      body: UpdatePartnerSettings,
      status: 200,
      answer: PartnerSettings,
      errors: [],
    },
    (tx, { tenant, body }) => updatePartnerSettings(tx, tenant.partnerId, body),
  );
  const config = endpoint(
    {
      summary: 'Read the configuration',
      description: 'For pages and apps: the publishable key is enough. Of `webhookUrl` only scheme and host are shown.',
      status: 200,
      answer: WidgetConfig,
      errors: [],
    },
    ({ tenant }) => readWidgetConfig(sql, tenant),
  );
  return { info, settings, updateSettings, config };
}
