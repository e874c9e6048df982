import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from './options.mjs';
import { cpuSecondsOfEndedChildren, runOrFail } from './processes.mjs';
import { writeSignedRequests } from './signed-requests.mjs';

/**
 * @typedef {import('./signed-requests.mjs').Signer} Signer
 *
 * @typedef {object} Load
 * @property {string} wrk the program
 * @property {number} port
 * @property {number} connections
 * @property {readonly Signer[]} signers
 * @property {number} itemsPerCall
 * @property {string} folder for the file of requests
 *
 * @typedef {object} WrkResult
 * @property {number} perSecond answers per second
 * @property {number} answers
 * @property {number} p50 microseconds
 * @property {number} p99 microseconds
 * @property {number} waited milliseconds that all answers together waited in the server's queue, with `withTiming`
 * @property {number} generatorShare of one core that wrk used
 */

const SCRIPT = fileURLToPath(new URL('./presigned.lua', import.meta.url));
// One thread is enough to generate several times what two cores can answer, and leaves them to the server.
const THREADS = 1;
const ANSWER_TIMEOUT_SECONDS = 30;
// More requests are signed than can be sent; how many that is shows in the warm-up, unless something else had the machine then.
const FIRST_GUESS_PER_SECOND = 25_000;
const LEAST_PER_SECOND = 10_000;

/**
 * Keeps a number of connections busy for some seconds. Every answer must be 200 and every request is sent once, else the bench ends.
 * @param {Load} load @param {number} seconds
 * @param {number | undefined} expectedPerSecond calls that were reached before; undefined: not known yet
 * @returns {Promise<WrkResult>}
 */
export async function sendLoad(load, seconds, expectedPerSecond, withTiming = false) {
  const { port, connections, signers, itemsPerCall } = load;
  const file = join(load.folder, 'requests');
  const mostItems =
    expectedPerSecond === undefined
      ? FIRST_GUESS_PER_SECOND
      : Math.max(2 * expectedPerSecond * itemsPerCall, LEAST_PER_SECOND);
  const count = Math.ceil((seconds * mostItems) / itemsPerCall) + connections;
  writeSignedRequests(file, { count, signers, itemsPerCall });
  const cpuBefore = cpuSecondsOfEndedChildren();
  const output = await runOrFail(load.wrk, [
    ...`-t ${THREADS} -c ${connections} -d ${seconds}s --timeout ${ANSWER_TIMEOUT_SECONDS}s`.split(' '),
    ...['-s', SCRIPT, `http://127.0.0.1:${port}`, '--', file, withTiming ? 'timing' : ''],
  ]);
  const result = readResult(output);
  return { ...result, generatorShare: (cpuSecondsOfEndedChildren() - cpuBefore) / seconds };
}

/** @param {string} output */
function readResult(output) {
  const text = /^RESULT (.*)$/m.exec(output)?.[1];
  if (text === undefined) throw new BenchError(`wrk told no result: ${output.trim().slice(-500)}`);
  const result = JSON.parse(text);
  if (result.failures > 0) {
    const first = /^FAILURE (.*)$/m.exec(output)?.[1];
    throw new BenchError(`${result.failures} of ${result.answers} answers were not 200, the first: ${first}`);
  }
  if (result.socketErrors > 0) throw new BenchError(`wrk saw ${result.socketErrors} connection errors.`);
  if (result.exhausted) throw new BenchError('There were too few signed requests: some went out twice.');
  if (result.answers === 0) throw new BenchError('Nothing was answered.');
  return { ...result, perSecond: (result.answers * 1e6) / result.microseconds };
}
