import {
  AdminKeyList,
  AdminKeyListQuery,
  AdminKeyParams,
  AdminPartner,
  AdminPartnerList,
  AdminPartnerListQuery,
  AdminPartnerParams,
  ChangePartnerTerms,
  RevokedAdminKey,
  WithReason,
} from '@sirgiving/contract';
import {
  findKey,
  type PartnerStatus,
  revokeKey,
  setPartnerFeatures,
  setPartnerRateLimits,
  setPartnerStatus,
  setPartnerTier,
} from '../partners/index.ts';
import type { Tx } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import { publicId } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import { type AdminCall, adminOf, auditCall, needFreshOtp, needProduction } from './admin-call.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import {
  listPartnerKeys,
  listPartners,
  lockPartner,
  type PartnerRow,
  presentPartner,
  readPartner,
} from './find-partners.ts';

/** The endpoints under `/v1/admin/partners` but for those about pools. */
export function partnerAdminEndpoints(deps: AdminDependencies) {
  return { ...readingEndpoints(deps), ...statusEndpoints(deps), terms: termsEndpoint(deps), keys: keyEndpoints(deps) };
}

function readingEndpoints({ sql }: AdminDependencies) {
  const list = endpoint(
    {
      summary: 'List all partners',
      description: 'Newest first.',
      query: AdminPartnerListQuery,
      status: 200,
      answer: AdminPartnerList,
      errors: ['INVALID_CURSOR'],
    },
    ({ query }) => listPartners(sql, query, pageRequest(query)),
  );
  const get = endpoint(
    {
      summary: 'Get any partner',
      params: AdminPartnerParams,
      status: 200,
      answer: AdminPartner,
      errors: ['NOT_FOUND'],
    },
    async ({ params }) => presentPartner(await readPartner(sql, params.partnerId)),
  );
  return { list, get };
}

function statusEndpoints(deps: AdminDependencies) {
  const change = async (
    tx: Tx,
    call: AdminCall & { params: { partnerId: string }; body: { reason: string } },
    status: PartnerStatus,
    action: string,
  ) => {
    const before = await lockPartner(tx, call.params.partnerId);
    if (before.status === status) return presentPartner(before);
    await setPartnerStatus(tx, before.id, status);
    await auditCall(tx, deps.ids, call, {
      action,
      partnerId: before.id,
      target: call.params.partnerId,
      reason: call.body.reason,
      before: { status: before.status },
      after: { status },
    });
    return presentPartner({ ...before, status });
  };
  const described = { params: AdminPartnerParams, body: WithReason, status: 200, answer: AdminPartner } as const;
  const approve = keyedEndpoint(
    {
      ...described,
      summary: 'Approve a partner',
      description:
        'For ending a suspension, or where there is no application: going live in one step is approving the application. Under the rules of production.',
      errors: ['NOT_FOUND', 'SANDBOX_ONLY', 'OTP_REQUIRED'],
    },
    (tx, call) => {
      needProduction(call, deps);
      needFreshOtp(call);
      return change(tx, call, 'ACTIVE', 'partner.approve');
    },
  );
  const suspend = keyedEndpoint(
    {
      ...described,
      summary: 'Suspend a partner',
      description: 'Within a second its changes are 403 `PARTNER_SUSPENDED`; reads and deliveries go on.',
      errors: ['NOT_FOUND'],
    },
    (tx, call) => {
      needProduction(call, deps);
      return change(tx, call, 'SUSPENDED', 'partner.suspend');
    },
  );
  return { approve, suspend };
}

function termsEndpoint(deps: AdminDependencies) {
  return keyedEndpoint(
    {
      summary: 'Change the terms of a partner',
      description:
        'Its tier, and with it its rate limits; limits of its own in place of those; what is enabled. Within a second it holds everywhere. Under the rules of production.',
      params: AdminPartnerParams,
      body: ChangePartnerTerms,
      status: 200,
      answer: AdminPartner,
      errors: ['NOT_FOUND'],
    },
    async (tx, call) => {
      needProduction(call, deps);
      const { body } = call;
      const before = await lockPartner(tx, call.params.partnerId);
      const after: PartnerRow = {
        ...before,
        tier: body.tier ?? before.tier,
        features: body.enabledFeatures ?? before.features,
        rateLimitOverrides: { ...before.rateLimitOverrides, ...body.rateLimitOverrides },
      };
      if (body.tier !== undefined) await setPartnerTier(tx, before.id, after.tier);
      if (body.enabledFeatures !== undefined) await setPartnerFeatures(tx, before.id, after.features);
      if (body.rateLimitOverrides !== undefined) {
        await setPartnerRateLimits(tx, before.id, after.rateLimitOverrides);
      }
      await auditCall(tx, deps.ids, call, {
        action: 'partner.terms',
        partnerId: before.id,
        target: call.params.partnerId,
        reason: body.reason,
        before: termsOf(before),
        after: termsOf(after),
      });
      return presentPartner(after);
    },
  );
}

const termsOf = ({ tier, features, rateLimitOverrides }: PartnerRow) => ({ tier, features, rateLimitOverrides });

function keyEndpoints({ sql, ids }: AdminDependencies) {
  const list = endpoint(
    {
      summary: 'List the keys of any partner',
      description: 'Newest first, never a secret.',
      params: AdminPartnerParams,
      query: AdminKeyListQuery,
      status: 200,
      answer: AdminKeyList,
      errors: ['NOT_FOUND', 'INVALID_CURSOR'],
    },
    async (call) => {
      const { environment } = adminOf(call);
      const { id: partnerId } = await readPartner(sql, call.params.partnerId);
      return listPartnerKeys(sql, { partnerId, environment }, pageRequest(call.query));
    },
  );
  const revoke = keyedEndpoint(
    {
      summary: 'Revoke a key of any partner',
      description: 'For ever, and everywhere within a second.',
      params: AdminKeyParams,
      body: WithReason,
      status: 200,
      answer: RevokedAdminKey,
      errors: ['NOT_FOUND'],
    },
    async (tx, call) => {
      const { environment } = adminOf(call);
      const key = await findKey(tx, call.params.id);
      const isTheirs = key !== undefined && publicId('ptn', key.partnerId) === call.params.partnerId;
      if (!isTheirs || key.environment !== environment) throw problem('NOT_FOUND', 'There is no such key here.');
      const revoked = await revokeKey(tx, key, call.now);
      if (revoked) {
        const { reason } = call.body;
        const { partnerId } = key;
        const changed = { before: { revoked: false }, after: { revoked: true } };
        await auditCall(tx, ids, call, { action: 'key.revoke', partnerId, target: call.params.id, reason, ...changed });
      }
      return { id: call.params.id, alreadyRevoked: !revoked };
    },
  );
  return { list, revoke };
}
