/** @type {(() => Promise<unknown>)[]} */
const steps = [];

/**
 * Remembers what has to be undone. Answers a function that undoes it now, once.
 * @param {() => Promise<unknown>} step
 */
export function undoLater(step) {
  let undone = false;
  const once = async () => {
    if (undone) return;
    undone = true;
    steps.splice(steps.indexOf(once), 1);
    await step();
  };
  steps.push(once);
  return once;
}

/** Undoes everything that is left, the latest first. */
export async function undoAll() {
  for (let step = steps.at(-1); step !== undefined; step = steps.at(-1)) {
    await step().catch((/** @type {unknown} */ error) => process.stderr.write(`While clearing up: ${error}\n`));
  }
}
