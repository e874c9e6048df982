import type { Caller } from './caller.ts';
import { Problem } from './problem-json.ts';

/**
 * The refusal of a caller who is known and may not do this: it counts under the caller's limits and tells them, like every answer to
 * who is authenticated (contract §4).
 */
export class CallerRefused extends Problem {
  readonly caller: Caller;
  /**
   * `address`: where a key is used from where it must not be. That costs its partner nothing, or whoever has found the key could use
   * the partner's minute up from anywhere; the limits are told all the same.
   */
  readonly countsOn: 'caller' | 'address';

  constructor(refusal: Problem, caller: Caller, countsOn: 'caller' | 'address' = 'caller') {
    super(refusal.code, refusal.detail, refusal.options);
    this.caller = caller;
    this.countsOn = countsOn;
  }
}

/** What to throw when a caller who is known is refused with `error`: faults of ours stay what they are. */
export function refusalOf(caller: Caller, error: unknown): unknown {
  const isPlain = error instanceof Problem && !(error instanceof CallerRefused) && error.status < 500;
  return isPlain ? new CallerRefused(error, caller) : error;
}
