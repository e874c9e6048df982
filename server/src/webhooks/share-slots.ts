/** An endpoint that has work, as this worker sees it. */
export interface Contender {
  /** How many of its deliveries are on their way now. */
  readonly inFlight: number;
  /** How many may be at most. */
  readonly limit: number;
}

export interface Share<C extends Contender> {
  readonly contender: C;
  readonly slots: number;
}

/**
 * Shares the free sending slots of a worker among the endpoints that have work: one each in turns, so that a long queue takes
 * nothing from a short one. Each endpoint's limit shrinks with what is free (`free / total`): receivers that hang pile up on slots,
 * and the fewer there are left, the less of them one more endpoint can bind; the last go to those that have none yet. `start` says who
 * comes first. Pure; the sum of the shares is at most `free`.
 */
export function shareSlots<C extends Contender>(
  contenders: readonly C[],
  free: number,
  total: number,
  start: number,
): Share<C>[] {
  const scale = free / total;
  const wants = contenders.map((contender) => {
    const limit = Math.max(1, Math.ceil(contender.limit * scale));
    return Math.max(0, Math.min(limit, contender.limit) - contender.inFlight);
  });
  const slots = contenders.map(() => 0);
  let left = free;
  let given = true;
  while (left > 0 && given) {
    given = false;
    for (let step = 0; step < contenders.length && left > 0; step++) {
      const index = (start + step) % contenders.length;
      const has = slots[index] ?? 0;
      if (has >= (wants[index] ?? 0)) continue;
      slots[index] = has + 1;
      left--;
      given = true;
    }
  }
  return contenders.flatMap((contender, index) => {
    const share = slots[index] ?? 0;
    return share === 0 ? [] : [{ contender, slots: share }];
  });
}
