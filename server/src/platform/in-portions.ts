const PER_TURN = 2;

/**
 * Does things in portions, each in a turn of the event loop of its own: a batch's answers then do not keep waiting what the database says
 * to the next batch, whose statements have left before.
 */
export function inPortions(things: (() => void)[]): void {
  if (things.length === 0) return;
  setImmediate(() => {
    for (const thing of things.splice(0, PER_TURN)) thing();
    inPortions(things);
  });
}
