import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inDatabase, onFreshCopy } from './cluster.mjs';
import { BenchError } from './options.mjs';
import { TEMPLATE } from './partners.mjs';
import { freePort, run, startProcess } from './processes.mjs';
import { sendLoad } from './wrk.mjs';

/**
 * @typedef {import('./rounds.mjs').Side} Side
 * @typedef {import('./run-bench.mjs').Bench} Bench
 * @typedef {import('./wrk.mjs').WrkResult} WrkResult
 *
 * @typedef {object} Work what is asked of our server
 * @property {string} name
 * @property {'hot' | 'spread'} shape
 * @property {number} connections
 * @property {number} itemsPerCall
 * @property {boolean} bare without request log and dashboard
 */

const MAIN = fileURLToPath(new URL('../server/dist/main.js', import.meta.url));
// As in package.json's start script.
const NODE_FLAGS = ['--max-semi-space-size=32', '--no-parallel-scavenge'];
const COMMAND_LINE = fileURLToPath(new URL('../server/dist/cli.js', import.meta.url));
const BATCH_CONNECTIONS = 4;

/** @type {Record<string, Work>} */
export const SUBMIT_WORKS = {
  s1: { name: 's1', shape: 'hot', connections: 64, itemsPerCall: 1, bare: false },
  s1Bare: { name: 's1 without log and dashboard', shape: 'hot', connections: 64, itemsPerCall: 1, bare: true },
  s2: { name: 's2', shape: 'hot', connections: BATCH_CONNECTIONS, itemsPerCall: 500, bare: false },
  s3: { name: 's3', shape: 'spread', connections: 64, itemsPerCall: 1, bare: false },
};

/** @param {Bench} bench @param {Work} work @returns {Side} */
export function submitSide(bench, work) {
  return {
    name: work.name,
    measure: () =>
      onServer(bench, work, async (send) => {
        const warmUp = await send(bench.options.warmUpSeconds, undefined);
        const result = await send(bench.options.seconds, warmUp.perSecond);
        return { ...result, perSecond: result.perSecond * work.itemsPerCall };
      }),
  };
}

/**
 * Runs load on a server of ours over a fresh copy of its database, and then holds the database to what was answered.
 * @template T
 * @param {Bench} bench @param {Work} work
 * @param {(send: (seconds: number, expectedPerSecond: number | undefined, withTiming?: boolean) => Promise<WrkResult>,
 *   where: { pid: number, database: string }) => Promise<T>} load
 */
export async function onServer({ tools, cluster, options, folder, partners }, work, load) {
  return onFreshCopy(cluster, TEMPLATE, async (database) => {
    if (work.bare) await inDatabase(cluster, database, leaveDashboardsAlone);
    const port = await freePort();
    const variables = {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      DATABASE_URL: cluster.urlOf(database),
      SIR_MASTER_KEY: partners.masterKey,
      SIR_RATE_LIMIT_PER_MINUTE: '0',
      SIR_REQUEST_LOG: work.bare ? 'off' : 'on',
      SIR_DATA_DIR: folder,
      LOG_LEVEL: 'warn',
      PORT: String(port),
    };
    const server = await startProcess(
      process.execPath,
      [...NODE_FLAGS, ...profiling(options.cpuProfile), MAIN],
      variables,
      () => answers(`http://127.0.0.1:${port}/readyz`),
    );
    const { connections, itemsPerCall, shape } = work;
    const wanted = { wrk: tools.wrk, port, connections, signers: partners[shape], itemsPerCall, folder };
    let answered = 0;
    let calls = 0;
    const result = await load(
      async (...args) => {
        const sent = await sendLoad(wanted, ...args);
        answered += sent.answers * itemsPerCall;
        calls += connections;
        return sent;
      },
      { pid: server.pid, database },
    );
    await server.stop();
    await inDatabase(cluster, database, (sql) => assertAllThere(sql, answered, calls * itemsPerCall));
    if (options.verify) await assertLedgerIsClean(variables);
    return result;
  });
}

/** The dashboards' job finds that every event is counted, and counts none. @param {import('./cluster.mjs').Sql} sql */
async function leaveDashboardsAlone(sql) {
  await sql`
    insert into dashboard_cursors (partner_id, environment, position)
    select partner_id, environment, ${Number.MAX_SAFE_INTEGER} from event_counters`;
}

/** @param {string | undefined} folder */
const profiling = (folder) => (folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`]);

/** @param {string} url */
async function answers(url) {
  return fetch(url).then(
    (answer) => answer.status === 200,
    () => false,
  );
}

/**
 * Every 200 must be a completed action. wrk stops in the middle of its calls: what it had under way at the end of a run was completed
 * as well and never counted, at most one call for each connection.
 * @param {import('./cluster.mjs').Sql} sql @param {number} answered @param {number} underWay
 */
async function assertAllThere(sql, answered, underWay) {
  const [row] = await sql`
    select count(*) filter (where status = 'COMPLETED') as completed, count(*) as total from actions`;
  const completed = Number(row?.completed);
  if (completed < answered || completed > answered + underWay || Number(row?.total) !== completed)
    throw new BenchError(
      `${answered} actions were answered with 200 and at most ${underWay} more were under way, but the database has ${completed} completed ones of ${row?.total}.`,
    );
}

/** @param {NodeJS.ProcessEnv} variables */
async function assertLedgerIsClean(variables) {
  if (!existsSync(COMMAND_LINE)) throw new BenchError(`${COMMAND_LINE} is missing: the ledger cannot be verified.`);
  const { code, output, errors } = await run(process.execPath, [COMMAND_LINE, 'ledger', 'verify', '--json'], variables);
  if (code !== 0)
    throw new BenchError(`The ledger does not verify after the load: ${(output || errors).trim().slice(-2_000)}`);
}
