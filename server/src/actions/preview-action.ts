import type { ActionPreview, SubmitAction } from '@sirgiving/contract';
import { emptyBook, readDefaultPools } from '../ledger/index.ts';
import type { Sql } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import { readStakeholderUsers } from '../users/index.ts';
import { decideSubmissions, UserDirectory } from './decide-submissions.ts';
import { submissionOf } from './submission.ts';
import { type BoardItem, tenantKey } from './submission-board.ts';

/** What an action would give right now, by the same judgement as submit; writes nothing and uses no key up. Throws what submit would. */
export async function previewAction(
  sql: Sql,
  ids: Ids,
  tenant: Tenant,
  body: SubmitAction,
  now: Date,
): Promise<ActionPreview> {
  const submission = submissionOf({ partnerId: tenant.partnerId, environment: tenant.environment }, 'api', body, ids);
  const book = emptyBook();
  const wanted = submission.stakeholders.map(({ externalUserId }) => ({ ...tenant, externalUserId }));
  const [found, users] = await Promise.all([
    readDefaultPools(sql, book, [tenant], 'none'),
    readStakeholderUsers(sql, wanted),
  ]);
  const pools = { locked: new Map(found.map((pool) => [tenantKey(pool), pool])), held: new Set<string>() };
  const item: BoardItem = { submission, existing: undefined, outcome: undefined, decision: undefined };
  decideSubmissions([item], pools, book, new UserDirectory(users), ids, now);
  const { decision, outcome } = item;
  const refusal =
    outcome !== undefined && 'result' in outcome && outcome.result.kind === 'problem'
      ? outcome.result.problem
      : undefined;
  if (refusal !== undefined && refusal.status !== 402) throw refusal;
  const evaluation = decision?.evaluation;
  const failureCode = refusal?.code ?? (evaluation?.outcome === 'failed' ? evaluation.code : undefined);
  const poolId = decision?.poolId ?? null;
  return {
    status: failureCode === undefined ? 'COMPLETED' : 'FAILED',
    ...(failureCode === undefined ? {} : { failureCode }),
    tokens: evaluation?.tokens ?? 0,
    distributions: submission.stakeholders.map(({ stakeholderTypeCode, externalUserId }, index) => ({
      stakeholderTypeCode,
      partnerUserId: externalUserId,
      tokens: evaluation?.shares[index] ?? 0,
      availableAt: now.toISOString(),
    })),
    campaignIds: [],
    ...(poolId === null ? {} : { poolId: publicId('pool', poolId) }),
  };
}
