import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startCluster } from './cluster.mjs';
import { describeMachine } from './machine.mjs';
import { makeServerTemplate } from './partners.mjs';
import { profile } from './profile.mjs';
import { allBarsMet, render } from './report.mjs';
import { measureInRounds } from './rounds.mjs';
import { requestFolder } from './signed-requests.mjs';
import { measureStarts } from './start-work.mjs';
import { SUBMIT_WORKS, submitSide } from './submit-work.mjs';
import { findTools } from './tools.mjs';
import {
  LIMIT_CLIENTS,
  limit,
  makeYardstickTemplate,
  PEER_POOL_SIZES,
  PLAIN_CLIENTS,
  peer,
  plain,
} from './yardsticks.mjs';

/**
 * @typedef {import('./options.mjs').Options} Options
 * @typedef {import('./rounds.mjs').Side} Side
 * @typedef {import('./yardsticks.mjs').Shape} Shape
 *
 * @typedef {object} Bench what every side needs
 * @property {Options} options
 * @property {import('./tools.mjs').Tools} tools
 * @property {import('./cluster.mjs').Cluster} cluster
 * @property {import('./partners.mjs').Partners} partners
 * @property {string} folder for files of requests
 */

const DATA_FOLDER = fileURLToPath(new URL('../.data', import.meta.url));

/**
 * Does what the options ask for and answers the exit code. What has to be cleared up is left to the caller.
 * @param {Options} options
 */
export async function runBench(options) {
  const tools = findTools();
  mkdirSync(DATA_FOLDER, { recursive: true, mode: 0o700 });
  say('Starting PostgreSQL');
  const cluster = await startCluster();
  say('Describing the machine');
  const machine = await describeMachine(cluster, tools);
  const needsServer = options.profile !== undefined || ['s1', 's2', 's3'].some((work) => options.only.has(work));
  if (needsServer) say('Filling the databases');
  const partners = needsServer ? await makeServerTemplate(cluster) : { masterKey: '', hot: [], spread: [] };
  /** @type {Bench} */
  const bench = { options, tools, cluster, partners, folder: requestFolder() };
  if (options.profile !== undefined) {
    process.stdout.write(await profile(bench, options.profile));
    return 0;
  }
  if (needsServer) await makeYardstickTemplate(cluster);

  const starts = options.only.has('s9') ? await measureStarts(options.runs, say) : [];
  const measured = [];
  for (const sides of groups(bench)) measured.push(...(await measureInRounds(sides, options.runs, say)));
  const figures = new Map(measured);
  process.stdout.write(render({ machine, options, figures, starts }));
  if (options.out !== undefined) {
    const content = {
      machine,
      runs: options.runs,
      seconds: options.seconds,
      starts,
      figures: Object.fromEntries(figures),
    };
    writeFileSync(options.out, `${JSON.stringify(content, null, 2)}\n`);
  }
  return allBarsMet({ figures, starts }) ? 0 : 1;
}

/** The sides that are compared with each other are measured close to each other. @param {Bench} bench @returns {Side[][]} */
function groups(bench) {
  const { only } = bench.options;
  const hot = [];
  if (only.has('s1'))
    hot.push(...limits(bench, 'hot', 64), ours(bench, 's1'), ...peers(bench, 'hot'), ours(bench, 's1Bare'));
  if (only.has('s2')) hot.push(...limits(bench, 'hot', 256), ours(bench, 's2'));
  if (only.has('s1')) hot.push(...plains(bench, 'hot'));
  if (!only.has('s3')) return [hot];
  const spread = [
    ...limits(bench, 'spread', 64),
    ours(bench, 's3'),
    ...peers(bench, 'spread'),
    ...plains(bench, 'spread'),
  ];
  return [hot, spread];
}

/** @param {Bench} bench @param {keyof typeof SUBMIT_WORKS} work */
const ours = (bench, work) => submitSide(bench, /** @type {import('./submit-work.mjs').Work} */ (SUBMIT_WORKS[work]));
/** @param {Bench} bench @param {Shape} shape @param {number} items */
const limits = (bench, shape, items) => LIMIT_CLIENTS.map((clients) => limit(bench, shape, items, clients));
/** @param {Bench} bench @param {Shape} shape */
const peers = (bench, shape) => PEER_POOL_SIZES.map((size) => peer(bench, shape, size));
/** @param {Bench} bench @param {Shape} shape */
const plains = (bench, shape) => PLAIN_CLIENTS.map((clients) => plain(bench, shape, clients));

/** Progress goes where it does not mix with the table. @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
