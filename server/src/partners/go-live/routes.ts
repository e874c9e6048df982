import { ApplyForGoLive, GoLiveApplication, GoLiveChecklist, GoLiveStanding } from '@sirgiving/contract';
import { callerOfKind } from '../../platform/caller.ts';
import type { Sql } from '../../platform/db.ts';
import { endpoint, keyedEndpoint } from '../../platform/endpoint.ts';
import type { Ids } from '../../platform/ids.ts';
import { applyForGoLive } from './apply-for-go-live.ts';
import { type IntegrationEvidence, readChecklist } from './checklist.ts';
import { readGoLive } from './find-applications.ts';

export interface GoLiveRouteDependencies {
  sql: Sql;
  ids: Ids;
  evidence: IntegrationEvidence;
}

/** The endpoints under `/v1/partner/go-live`. */
export function goLiveEndpoints({ sql, ids, evidence }: GoLiveRouteDependencies) {
  const apply = keyedEndpoint(
    {
      summary: 'Apply to go live',
      description:
        'SIR Giving reads it and checks who the business is. Approval enables live keys for everything, makes a production token pool and requests its tokens.',
      body: ApplyForGoLive,
      status: 201,
      answer: GoLiveApplication,
      errors: ['GO_LIVE_DECIDED'],
    },
    (tx, call) => {
      const { tenant, accountId } = callerOfKind(call, 'member');
      return applyForGoLive(tx, ids, { partnerId: tenant.partnerId, accountId }, call.body, call.now);
    },
  );
  const get = endpoint(
    {
      summary: 'Read the way to production',
      description: 'The newest application, with what was decided.',
      status: 200,
      answer: GoLiveStanding,
      errors: [],
    },
    ({ tenant }) => readGoLive(sql, tenant.partnerId),
  );
  const checklist = endpoint(
    {
      summary: 'Read the checklist',
      description:
        'Filled in by what the API has seen of your integration in the sandbox; what was seen once stays done.',
      status: 200,
      answer: GoLiveChecklist,
      errors: [],
    },
    ({ tenant, now }) => readChecklist(sql, evidence, tenant.partnerId, now),
  );
  return { apply, get, checklist };
}
