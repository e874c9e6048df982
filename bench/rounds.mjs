/**
 * @typedef {object} Measured
 * @property {number} perSecond
 * @property {number} [p50] microseconds
 * @property {number} [p99] microseconds
 * @property {number} [generatorShare] of one core
 *
 * @typedef {object} Side one of those that are compared
 * @property {string} name
 * @property {() => Promise<Measured>} measure one run, on a fresh copy of its database
 *
 * @typedef {object} Figures
 * @property {number} median
 * @property {number} lowest
 * @property {number} highest
 * @property {Measured[]} runs
 */

/**
 * Measures every side once a round. Every other round goes backwards, so that a machine that gets slower or faster meanwhile
 * favours nobody.
 * @param {readonly Side[]} sides @param {number} rounds @param {(line: string) => void} onProgress
 * @returns {Promise<Map<string, Figures>>}
 */
export async function measureInRounds(sides, rounds, onProgress) {
  /** @type {Map<string, Measured[]>} */
  const runs = new Map(sides.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const side of round % 2 === 1 ? sides : sides.toReversed()) {
      const measured = await side.measure();
      runs.get(side.name)?.push(measured);
      onProgress(`round ${round} of ${rounds}  ${side.name.padEnd(24)} ${measured.perSecond.toFixed(0)}/s`);
    }
  }
  return new Map([...runs].map(([name, list]) => [name, figuresOf(list)]));
}

/** @param {Measured[]} runs @returns {Figures} */
function figuresOf(runs) {
  const sorted = runs.map(({ perSecond }) => perSecond).sort((a, b) => a - b);
  return { median: medianOf(sorted), lowest: sorted[0] ?? 0, highest: sorted.at(-1) ?? 0, runs };
}

/** @param {readonly number[]} values */
export function medianOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
