import type { Environment } from '@sirgiving/contract';
import { type FindingList, type LedgerCheck, type Scope, within } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import { type Evaluation, evaluate } from '../rewards/index.ts';
import { evaluationInputsOf, type StoredTrace } from './stored-action.ts';

interface TracedAction {
  partnerId: string;
  environment: Environment;
  id: string;
  status: string;
  failureCode: string | null;
  amount: string | null;
  currency: string | null;
  campaignId: string | null;
  stakeholders: { stakeholderTypeCode: string; userId: string }[];
  evaluatorVersion: number;
  trace: StoredTrace;
  /** The REWARD rows, `index user tokens pool` each, in no order; null where there is none. */
  rewards: string | null;
}

/** Every action with what its evaluation was given and what the ledger holds. */
function readTraces(tx: Tx, scope: Scope) {
  return tx<TracedAction[]>`
    select a.partner_id as "partnerId", a.environment, a.id, a.status, a.failure_code as "failureCode",
      trim_scale(a.amount)::text as amount, a.currency, a.campaign_id as "campaignId", a.stakeholders,
      a.evaluator_version as "evaluatorVersion", a.trace, r.rewards
    from actions a
    left join (
      select t.partner_id, t.action_id,
        string_agg(t.distribution_index || ' ' || coalesce(t.user_id::text, '') || ' ' || t.tokens || ' ' || t.pool_id, ',') as rewards
      from ledger_transactions t
      where t.kind = 'REWARD' and t.action_id is not null and ${within(tx, scope, 't')}
      group by t.partner_id, t.action_id
    ) r on r.partner_id = a.partner_id and r.action_id = a.id
    where ${within(tx, scope, 'a')}`;
}

/** What the ledger should hold by the evaluation, in the form that it is read in. */
function rewardsBy(evaluation: Evaluation, action: TracedAction): string[] {
  if (evaluation.outcome !== 'rewarded') return [];
  return evaluation.shares.flatMap((tokens, index) =>
    tokens === 0 ? [] : [`${index} ${action.stakeholders[index]?.userId} ${tokens} ${action.trace.pool?.id}`],
  );
}

/** In one sentence, in what way the action does not follow from its trace; undefined where it does. */
function contradiction(action: TracedAction): string | undefined {
  let evaluation: Evaluation;
  try {
    evaluation = evaluate(evaluationInputsOf(action), action.evaluatorVersion);
  } catch (error) {
    return `cannot be evaluated again: ${error instanceof Error ? error.message : error}`;
  }
  const found = evaluation.outcome === 'rewarded' ? null : evaluation.code;
  const stored = action.status === 'FAILED' ? action.failureCode : null;
  if (found !== stored) return `evaluates to ${found ?? 'a reward'}, and stored is ${stored ?? 'a reward'}`;
  const expected = rewardsBy(evaluation, action).join(', ');
  const rewards = (action.rewards?.split(',') ?? [])
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .join(', ');
  return rewards === expected ? undefined : `evaluates to [${expected}], and the ledger holds [${rewards}]`;
}

/**
 * I15: the evaluator that decided an action, run over the inputs that are stored, gives the action's outcome and its ledger rows again.
 * Handed to `verifyLedger`, since the ledger knows nothing of actions.
 */
export const verifyTraces: LedgerCheck = {
  invariants: ['I15'],
  run: async (tx: Tx, scope: Scope, found: FindingList) => {
    await readTraces(tx, scope).forEach((action) => {
      const detail = contradiction(action);
      if (detail === undefined) return;
      const { partnerId, environment, id } = action;
      found.add({ invariant: 'I15', partnerId, environment, detail: `action ${id} ${detail}` });
    });
  },
};
