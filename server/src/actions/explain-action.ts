import type { ActionExplanation } from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { publicId } from '../platform/ids.ts';
import { evaluate } from '../rewards/index.ts';
import { externalIdsOf, presentAction, readAction } from './action-row.ts';
import { evaluationInputsOf } from './stored-action.ts';

/**
 * Why an action gave what it gave: runs the evaluator that decided it over the inputs that it had, and shows every number with its
 * formula. Throws 404 `NOT_FOUND`.
 */
export async function explainAction(sql: Sql, tenant: Tenant, id: string): Promise<ActionExplanation> {
  const row = await readAction(sql, tenant, id);
  const externalIds = await externalIdsOf(sql, [row]);
  const inputs = evaluationInputsOf(row);
  const evaluation = evaluate(inputs, row.evaluatorVersion);
  const shown = presentAction(row, externalIds);
  const { pool } = inputs;
  const spent = evaluation.outcome === 'rewarded' ? evaluation.tokens : 0;
  return {
    actionId: shown.actionId,
    evaluatorVersion: row.evaluatorVersion,
    status: row.status,
    ...(row.failureCode === null ? {} : { failureCode: row.failureCode }),
    inputs: {
      amount: inputs.amount,
      currency: inputs.currency,
      rate: inputs.rate,
      pool: pool === null ? null : { id: publicId('pool', pool.id), balance: pool.balance },
      stakeholders: shown.stakeholders,
    },
    campaigns: [],
    steps: evaluation.steps,
    distributions: shown.distributions,
    ...(pool === null ? {} : { poolBalance: { before: pool.balance, after: pool.balance - spent } }),
  };
}
