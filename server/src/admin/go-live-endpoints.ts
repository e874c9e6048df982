import {
  AdminApplication,
  AdminApplicationList,
  AdminApplicationListQuery,
  AdminApplicationParams,
  ApprovedGoLive,
  ApproveGoLive,
  WithReason,
} from '@sirgiving/contract';
import {
  type ApplicationRow,
  approveGoLive,
  denyGoLive,
  findApplication,
  listApplications,
  presentApplication,
} from '../partners/index.ts';
import type { Queryable } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import { publicId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import { auditCall, needFreshOtp, needProduction } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';

function present(row: ApplicationRow): AdminApplication {
  return {
    partnerId: publicId('ptn', row.partnerId),
    submittedBy: publicId('acc', row.submittedBy),
    decidedBy: row.decidedBy === null ? null : publicId('acc', row.decidedBy),
    application: presentApplication(row),
  };
}

async function getApplication(sql: Queryable, id: string): Promise<ApplicationRow> {
  const row = await findApplication(sql, id);
  if (row === undefined) throw problem('NOT_FOUND', 'There is no such application.');
  return row;
}

/** The endpoints under `/v1/admin/go-live`. */
export function goLiveAdminEndpoints(deps: AdminDependencies) {
  const { sql } = deps;
  const list = endpoint(
    {
      summary: 'List applications to go live',
      description: 'Of all partners, newest first.',
      query: AdminApplicationListQuery,
      status: 200,
      answer: AdminApplicationList,
      errors: ['INVALID_CURSOR'],
    },
    ({ query }) => {
      const filter = query.status === undefined ? {} : { status: query.status };
      return listApplications(sql, filter, pageRequest(query), present);
    },
  );
  const get = endpoint(
    {
      summary: 'Get an application to go live',
      params: AdminApplicationParams,
      status: 200,
      answer: AdminApplication,
      errors: ['NOT_FOUND'],
    },
    async ({ params }) => present(await getApplication(sql, params.id)),
  );
  return { list, get, approve: approveEndpoint(deps), deny: denyEndpoint(deps) };
}

function approveEndpoint(deps: AdminDependencies) {
  return keyedEndpoint(
    {
      summary: 'Approve an application to go live',
      description:
        'In one step: the partner is ACTIVE with the tier, a production pool with balance 0 is made, and the request for its tokens is filed. Under the rules of production.',
      params: AdminApplicationParams,
      body: ApproveGoLive,
      status: 200,
      answer: ApprovedGoLive,
      errors: [
        'NOT_FOUND',
        'GO_LIVE_DECIDED',
        'SECOND_PERSON_REQUIRED',
        'SANDBOX_ONLY',
        'OTP_REQUIRED',
        'LIMIT_REACHED',
      ],
    },
    async (tx, call) => {
      needProduction(call, { laptop: false });
      const admin = needFreshOtp(call);
      const { enabledFeatures, identityChecked, ...terms } = call.body;
      const { partnerId, id: applicationId, status } = await getApplication(tx, call.params.id);
      const approval = {
        ...{ partnerId, applicationId, decidedBy: admin.accountId, identityChecked, ...terms },
        ...(enabledFeatures === undefined ? {} : { features: enabledFeatures }),
      };
      const { application, poolId, poolRequestId } = await approveGoLive(tx, deps, approval, call.now);
      const answer = {
        application: present(application),
        tokenPoolId: publicId('pool', poolId),
        poolRequestId: publicId('preq', poolRequestId),
      };
      const { tokenPoolId } = answer;
      await auditCall(tx, deps.ids, call, {
        action: 'go_live.approve',
        partnerId,
        target: call.params.id,
        reason: call.body.reason,
        before: { status },
        after: {
          ...{ status: 'APPROVED', identityChecked, tier: application.tier, poolTokens: application.poolTokens },
          ...{ tokenPoolId, poolRequestId: answer.poolRequestId, enabledFeatures },
        },
      });
      return answer;
    },
  );
}

function denyEndpoint(deps: AdminDependencies) {
  return keyedEndpoint(
    {
      summary: 'Deny an application to go live',
      description: 'The applicant is told the reason, and may apply again.',
      params: AdminApplicationParams,
      body: WithReason,
      status: 200,
      answer: AdminApplication,
      errors: ['NOT_FOUND', 'GO_LIVE_DECIDED', 'OTP_REQUIRED'],
    },
    async (tx, call) => {
      const admin = needProduction(call, { laptop: false });
      const { partnerId, id: applicationId, status } = await getApplication(tx, call.params.id);
      const { reason } = call.body;
      const denial = { partnerId, applicationId, decidedBy: admin.accountId, reason };
      const application = await denyGoLive(tx, deps, denial, call.now);
      await auditCall(tx, deps.ids, call, {
        action: 'go_live.deny',
        ...{ partnerId, target: call.params.id, reason, before: { status }, after: { status: 'DENIED' } },
      });
      return present(application);
    },
  );
}
