import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {number} runs how often each side is measured; the median counts
 * @property {number} seconds of one measured run
 * @property {number} warmUpSeconds before each measured run
 * @property {ReadonlySet<string>} only the works to measure
 * @property {string | undefined} out where the figures are written as JSON
 * @property {string | undefined} profile the work to take apart instead of measuring
 * @property {string | undefined} cpuProfile folder for V8's profile of our server, to be opened in Chrome's developer tools
 * @property {boolean} verify whether the ledger is verified after each run of ours
 */

/** A run that was asked for wrongly, or that cannot be trusted: told in one sentence, without a stack. */
export class BenchError extends Error {}

const WORKS = /** @type {const} */ (['s1', 's2', 's3', 's9']);
const LOAD_WORKS = ['s1', 's2', 's3'];

export const HELP = `npm run bench -- [options]

Measures signed actions over HTTP against three yardsticks on the same PostgreSQL, and the time that a start takes.
docs/performance.md tells what each work and each yardstick is. Needs pgbench and wrk (Debian: postgresql-15, wrk).

  --runs N        runs of each side; medians are compared (3)
  --seconds N     length of a measured run (10)
  --warm-up N     seconds of load before each measured run (3)
  --only LIST     of ${WORKS.join(',')} (all)
  --out FILE      also write every figure as JSON
  --profile WORK  tell where the time of one action goes in ${LOAD_WORKS.join(', ')}, and measure nothing else
  --cpu-profile F with --profile: also write V8's CPU profile of the server into folder F
  --no-verify     do not verify the ledger after the runs (quicker)
  --help          this text

Exit code: 0 every bar is met, 1 a bar is missed, 2 something is missing or a run cannot be trusted.
`;

/** @param {string[]} given @returns {Options | undefined} undefined: only the help is wanted */
export function readOptions(given) {
  const { values } = parse(given);
  if (values.help) return undefined;
  const only = new Set(values.only?.toLowerCase().split(',') ?? WORKS);
  for (const work of only) mustBeOneOf('--only', work, WORKS);
  const profile = values.profile?.toLowerCase();
  if (profile !== undefined) mustBeOneOf('--profile', profile, LOAD_WORKS);
  return {
    runs: wholeNumber('--runs', values.runs),
    seconds: wholeNumber('--seconds', values.seconds),
    warmUpSeconds: wholeNumber('--warm-up', values['warm-up']),
    only,
    out: values.out,
    profile,
    cpuProfile: values['cpu-profile'],
    verify: !values['no-verify'],
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        runs: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '10' },
        'warm-up': { type: 'string', default: '3' },
        only: { type: 'string' },
        out: { type: 'string' },
        profile: { type: 'string' },
        'cpu-profile': { type: 'string' },
        'no-verify': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}

/** @param {string} name @param {string} value @param {readonly string[]} allowed */
function mustBeOneOf(name, value, allowed) {
  if (!allowed.includes(value)) throw new BenchError(`${name} takes ${allowed.join(', ')}, and "${value}" is none.`);
}

/** @param {string} name @param {string} text */
function wholeNumber(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new BenchError(`${name} must be a whole number from 1, not "${text}".`);
  return value;
}
