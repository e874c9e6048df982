import type { Evaluation, EvaluationInputs } from './evaluation.ts';
import { evaluateV1 } from './evaluator-1.ts';

export type { Evaluation, EvaluationInputs } from './evaluation.ts';
export { splitByLargestRemainder } from './proportional.ts';

/** Every evaluator that ever wrote a trace; old ones stay, so that old actions can be explained and verified. */
const evaluators: Record<number, (inputs: EvaluationInputs) => Evaluation> = { 1: evaluateV1 };

export const EVALUATOR_VERSION = 1;

/** What an action is worth and who gets it, from its inputs alone. Throws on a version that no release had. */
export function evaluate(inputs: EvaluationInputs, version = EVALUATOR_VERSION): Evaluation {
  const evaluator = evaluators[version];
  if (evaluator === undefined) throw new Error(`there is no evaluator of version ${version}`);
  return evaluator(inputs);
}
