import { type ChecklistItem, checklistItems, type GoLiveChecklist, type IntegrationModel } from '@sirgiving/contract';
import type { Queryable } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import { findMilestones, type Milestone, recordMilestones } from '../milestones.ts';
import { findLatestApplication } from './find-applications.ts';

/** Where other capabilities find what an integration has done first; each answers its time. */
export interface IntegrationEvidence {
  firstCompletedAction(tenant: Tenant): Promise<Date | undefined>;
  firstReversal(tenant: Tenant): Promise<Date | undefined>;
  firstAnsweredDelivery(tenant: Tenant): Promise<Date | undefined>;
}

const ALWAYS_NEEDED: readonly ChecklistItem[] = [
  'LIVE_KEY_CREATED',
  'CONTACT_EMAIL_SET',
  'APPLICATION_SENT',
  'IDENTITY_CHECKED',
];
const OF_SERVERS: readonly ChecklistItem[] = [
  'SIGNED_REQUEST',
  'ACTION_COMPLETED',
  'RETRY_REPLAYED',
  'WEBHOOK_ANSWERED',
];
const NEEDED: Readonly<Record<IntegrationModel, readonly ChecklistItem[]>> = {
  SERVER: [...OF_SERVERS, ...ALWAYS_NEEDED],
  WIDGET: ['WIDGET_LOADED', ...ALWAYS_NEEDED],
  BOTH: [...OF_SERVERS, 'WIDGET_LOADED', ...ALWAYS_NEEDED],
};

/**
 * What stands between a partner and production, filled in by what the API has seen in the sandbox. An application says which way the
 * partner integrates; until there is one, a server is taken for granted.
 */
export async function readChecklist(
  sql: Queryable,
  evidence: IntegrationEvidence,
  partnerId: string,
  now: Date,
): Promise<GoLiveChecklist> {
  const [milestones, application, [standing]] = await Promise.all([
    findSandboxMilestones(sql, evidence, partnerId),
    findLatestApplication(sql, partnerId),
    sql<{ liveKeyAt: Date | null; contactEmail: string | null; createdAt: Date }[]>`
      select p.contact_email as "contactEmail", p.created_at as "createdAt",
        (select min(k.created_at) from api_keys k where k.partner_id = ${partnerId} and k.environment = 'production'
          and k.revoked_at is null and (k.expires_at is null or k.expires_at > ${now})) as "liveKeyAt"
      from partners p where p.id = ${partnerId}`,
  ]);
  const isSent = application !== undefined && application.status !== 'DENIED';
  const contactAt = standing?.contactEmail != null ? standing.createdAt : isSent ? application.createdAt : undefined;
  const doneAt = new Map<ChecklistItem, Date | null | undefined>([
    ...milestones,
    ['LIVE_KEY_CREATED', standing?.liveKeyAt],
    ['CONTACT_EMAIL_SET', contactAt],
    ['APPLICATION_SENT', isSent ? application.createdAt : undefined],
    ['IDENTITY_CHECKED', application?.identityChecked === true ? application.decidedAt : undefined],
  ]);
  const needed = NEEDED[application?.integrationModel ?? 'SERVER'];
  const items = (Object.keys(checklistItems) as ChecklistItem[]).map((item) => ({
    item,
    title: checklistItems[item],
    isNeeded: needed.includes(item),
    doneAt: doneAt.get(item)?.toISOString() ?? null,
  }));
  return { items, isComplete: items.every((one) => !one.isNeeded || one.doneAt !== null) };
}

/** What is found in the tables of others is written down, so that it is looked for until it was found once. */
async function findSandboxMilestones(
  sql: Queryable,
  evidence: IntegrationEvidence,
  partnerId: string,
): Promise<Map<Milestone, Date>> {
  const tenant: Tenant = { partnerId, environment: 'sandbox' };
  const milestones = await findMilestones(sql, tenant);
  const looks: [Milestone, (tenant: Tenant) => Promise<Date | undefined>][] = [
    ['ACTION_COMPLETED', evidence.firstCompletedAction],
    ['ACTION_REVERSED', evidence.firstReversal],
    ['WEBHOOK_ANSWERED', evidence.firstAnsweredDelivery],
  ];
  const missing = looks.filter(([milestone]) => !milestones.has(milestone));
  const times = await Promise.all(missing.map(([, look]) => look(tenant)));
  const reached = missing.flatMap(([milestone], index) => {
    const reachedAt = times[index];
    return reachedAt === undefined ? [] : [{ ...tenant, milestone, reachedAt }];
  });
  await recordMilestones(sql, reached);
  for (const { milestone, reachedAt } of reached) milestones.set(milestone, reachedAt);
  return milestones;
}
