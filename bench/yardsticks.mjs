import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { makeTemplate, onFreshCopy } from './cluster.mjs';
import { BenchError } from './options.mjs';
import { freePort, runOrFail, startProcess } from './processes.mjs';
import { sendLoad } from './wrk.mjs';

/**
 * @typedef {import('./cluster.mjs').Cluster} Cluster
 * @typedef {import('./rounds.mjs').Side} Side
 * @typedef {import('./run-bench.mjs').Bench} Bench
 * @typedef {'hot' | 'spread'} Shape one pool, or 200 partners
 */

export const PLAIN_CLIENTS = [1, 4, 16, 64];
export const PEER_POOL_SIZES = [1, 4, 16];
export const LIMIT_CLIENTS = [1, 2];
const CONNECTIONS = 64;

// What the yardsticks' SQL and scripts are written for: 10,000 of 10,500 users exist before, 50 of 53 of each of 200 partners.
export const PARTNERS = 200;
export const USERS = { hot: { before: 10_000, in: 10_500 }, spread: { before: 50, in: 53 } };

const TEMPLATE = 'bench_yardstick';
const SIGNING_SECRET = 'bench-secret';

/** @param {string} name */
const yardstick = (name) => fileURLToPath(new URL(`./yardsticks/${name}`, import.meta.url));

/** @param {Cluster} cluster */
export async function makeYardstickTemplate(cluster) {
  await makeTemplate(cluster, TEMPLATE, async (sql) => {
    for (const name of ['plain.sql', 'plain-batch.sql']) await sql.unsafe(await readFile(yardstick(name), 'utf8'));
  });
}

/** One action, one transaction, no HTTP. @param {Bench} bench @param {Shape} shape @param {number} clients @returns {Side} */
export function plain(bench, shape, clients) {
  return {
    name: `plain ${shape} ${clients}`,
    measure: () => pgbench(bench, { script: `plain-${shape}.pgbench`, clients, items: 1 }),
  };
}

/** Many actions in one server-side call. @param {Bench} bench @param {Shape} shape @param {number} items @param {number} clients @returns {Side} */
export function limit(bench, shape, items, clients) {
  return {
    name: `limit ${shape} ${items} ${clients}`,
    measure: () => pgbench(bench, { script: `plain-batch-${shape}.pgbench`, clients, items }),
  };
}

/** @param {Bench} bench @param {{ script: string, clients: number, items: number }} work */
async function pgbench({ tools, cluster, options }, { script, clients, items }) {
  return onFreshCopy(cluster, TEMPLATE, async (database) => {
    /** @param {number} seconds */
    const go = async (seconds) => {
      const output = await runOrFail(
        tools.pgbench,
        [
          ...['-n', '-M', 'prepared', '-c', String(clients), '-j', String(Math.min(clients, cpus().length))],
          ...['-T', String(seconds), '-D', `items=${items}`, '-f', yardstick(script)],
        ],
        cluster.variablesOf(database),
      );
      const perSecond = /^tps = ([\d.]+) /m.exec(output)?.[1];
      const failed = /^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? '0';
      if (perSecond === undefined || failed !== '0') throw new BenchError(`pgbench did not do its work: ${output}`);
      return { perSecond: Number(perSecond) * items };
    };
    await go(options.warmUpSeconds);
    return go(options.seconds);
  });
}

/** What a competent team writes first, over HTTP. @param {Bench} bench @param {Shape} shape @param {number} poolSize @returns {Side} */
export function peer(bench, shape, poolSize) {
  const { tools, cluster, options, folder } = bench;
  const measure = () =>
    onFreshCopy(cluster, TEMPLATE, async (database) => {
      const port = await freePort();
      const server = await startProcess(
        process.execPath,
        [yardstick('plain-http.mjs'), String(port), String(poolSize), shape],
        { ...cluster.variablesOf(database), SIGNING_SECRET },
        () => takesConnections(port),
      );
      const load = {
        wrk: tools.wrk,
        port,
        connections: CONNECTIONS,
        signers: peerSigners(shape),
        itemsPerCall: 1,
        folder,
      };
      const warmUp = await sendLoad(load, options.warmUpSeconds, undefined);
      const result = await sendLoad(load, options.seconds, warmUp.perSecond);
      await server.stop();
      return result;
    });
  return { name: `peer ${shape} ${poolSize}`, measure };
}

/** The peer does not look at the key; it is sent so that both sides read as many bytes. @param {Shape} shape */
function peerSigners(shape) {
  const secretKey = `sk_test_${'0'.repeat(64)}`;
  const signer = { secretKey, hmacSecret: SIGNING_SECRET, users: USERS[shape].in };
  if (shape === 'hot') return [signer];
  return Array.from({ length: PARTNERS }, (_, index) => ({ ...signer, metadata: { partner: String(index + 1) } }));
}

/** @param {number} port @returns {Promise<boolean>} */
function takesConnections(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (/** @type {boolean} */ answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
