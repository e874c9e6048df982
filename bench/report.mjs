import { bestOf, COMPARISONS, START } from './bars.mjs';
import { medianOf } from './rounds.mjs';

/**
 * @typedef {import('./rounds.mjs').Figures} Figures
 *
 * @typedef {object} Measurements
 * @property {ReadonlyMap<string, Figures>} figures
 * @property {readonly number[]} starts milliseconds
 *
 * @typedef {object} Verdict
 * @property {string} title
 * @property {string} median
 * @property {string} against
 * @property {string} yardstick
 * @property {string} ratio
 * @property {string} bar
 * @property {string} aim
 * @property {boolean} meetsBar
 * @property {boolean} meetsAim
 */

const HEAD = ['Work', 'Median', 'Against', 'Yardstick', 'Ratio', 'Bar', 'Aim', 'Result'];
const LEFT_ALIGNED = new Set([0, 2, 7]);

/** @param {Measurements} measurements */
export function allBarsMet(measurements) {
  return verdicts(measurements).every(({ meetsBar }) => meetsBar);
}

/**
 * The one table of a run, with what it depends on.
 * @param {Measurements & { machine: Record<string, string>, options: import('./options.mjs').Options }} run
 */
export function render({ machine, options, figures, starts }) {
  const rows = verdicts({ figures, starts }).map((one) => [
    ...[one.title, one.median, one.against, one.yardstick, one.ratio, one.bar, one.aim],
    one.meetsAim ? 'pass, aim met' : one.meetsBar ? 'pass' : 'FAIL',
  ]);
  const yardsticks = [...figures].map(([name, { median, lowest, highest }]) => [
    ...[`  ${name}`, perSecond(median), `${perSecond(lowest)} … ${perSecond(highest)}`, latencyOf(figures.get(name))],
    ...['', '', '', ''],
  ]);
  const about = Object.entries(machine).map(([name, value]) => `${name.padEnd(15)} ${value}`);
  const method = `Medians of ${options.runs} runs of ${options.seconds} s after ${options.warmUpSeconds} s of warm-up; every run on a fresh copy of its database.`;
  return `\n${[...about, '', method, '', ...table([HEAD, ...rows, [], ['Every side', 'Median', 'Lowest … highest', 'p50 / p99'], ...yardsticks])].join('\n')}\n\n${generatorNote(figures)}`;
}

/** @param {Measurements} measurements @returns {Verdict[]} */
function verdicts({ figures, starts }) {
  const compared = COMPARISONS.flatMap(({ title, ours, against, sides, bar, aim }) => {
    const mine = figures.get(ours);
    const best = bestOf(figures, sides);
    if (mine === undefined || best === undefined) return [];
    const ratio = mine.median / best.figures.median;
    const limits = { bar: `≥ ${bar}×`, aim: `≥ ${aim}×`, meetsBar: ratio >= bar, meetsAim: ratio >= aim };
    const yardstick = perSecond(best.figures.median);
    return [{ title, median: perSecond(mine.median), against, yardstick, ratio: `${ratio.toFixed(2)}×`, ...limits }];
  });
  if (starts.length === 0) return compared;
  const { title, barMilliseconds, aimMilliseconds } = START;
  const median = medianOf(starts);
  const limits = { meetsBar: median <= barMilliseconds, meetsAim: median <= aimMilliseconds };
  const bars = { bar: `≤ ${barMilliseconds / 1_000} s`, aim: `≤ ${aimMilliseconds / 1_000} s` };
  const cells = { title, median: `${(median / 1_000).toFixed(2)} s`, against: '–', yardstick: '', ratio: '' };
  return [...compared, { ...cells, ...bars, ...limits }];
}

/** @param {number} value */
const perSecond = (value) => `${Math.round(value).toLocaleString('en-US')}/s`;

/** @param {Figures | undefined} figures */
function latencyOf(figures) {
  const p50 = figures?.runs.map((run) => run.p50 ?? 0) ?? [0];
  const p99 = figures?.runs.map((run) => run.p99 ?? 0) ?? [0];
  if (medianOf(p50) === 0) return '';
  return `${(medianOf(p50) / 1_000).toFixed(1)} / ${(medianOf(p99) / 1_000).toFixed(1)} ms`;
}

/** Shows that it was not the generator that was measured. @param {ReadonlyMap<string, Figures>} figures */
function generatorNote(figures) {
  const shares = [...figures.values()].flatMap(({ runs }) =>
    runs.flatMap(({ generatorShare }) => generatorShare ?? []),
  );
  if (shares.length === 0) return '';
  return `wrk used at most ${(Math.max(...shares) * 100).toFixed(0)} % of one core.\n`;
}

/** @param {string[][]} rows */
function table(rows) {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        LEFT_ALIGNED.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
