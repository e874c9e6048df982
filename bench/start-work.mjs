import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signRequest } from '@sirgiving/signature';
import { removeEmbeddedPostgres } from '../server/dist/platform/embedded-postgres/index.js';
import { undoLater } from './cleanup.mjs';
import { freePort, startProcess } from './processes.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = join(ROOT, '.data', 'bench-start');
const PATH = '/v1/partner/users?limit=1';

/**
 * Milliseconds from `npm start` on a data folder that has been used before to the first 200 of a signed request, once per run. The
 * embedded PostgreSQL starts and stops with the server.
 * @param {number} runs @param {(line: string) => void} onProgress @returns {Promise<number[]>}
 */
export async function measureStarts(runs, onProgress) {
  const clear = async () => {
    await removeEmbeddedPostgres(FOLDER).catch(() => {});
    await rm(FOLDER, { recursive: true, force: true });
  };
  await clear();
  undoLater(clear);
  await startOnce();
  const times = [];
  for (let round = 1; round <= runs; round++) {
    const milliseconds = await startOnce();
    times.push(milliseconds);
    onProgress(`round ${round} of ${runs}  ${'s9'.padEnd(24)} ${milliseconds.toFixed(0)} ms`);
  }
  return times;
}

async function startOnce() {
  const port = await freePort();
  const { PATH: path, HOME } = process.env;
  const variables = { PATH: path, HOME, SIR_DATA_DIR: FOLDER, PORT: String(port) };
  const begin = performance.now();
  const server = await startProcess('npm', ['start', '--prefix', ROOT], variables, () => signedRequestSucceeds(port));
  const milliseconds = performance.now() - begin;
  await server.stop();
  return milliseconds;
}

/** @param {number} port */
async function signedRequestSucceeds(port) {
  try {
    const { secretKey, hmacSecret } = JSON.parse(await readFile(join(FOLDER, 'credentials.json'), 'utf8'));
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = signRequest({ hmacSecret, timestamp, method: 'GET', path: PATH });
    const headers = { 'x-partner-key': secretKey, 'x-timestamp': String(timestamp), 'x-signature': signature };
    return (await fetch(`http://127.0.0.1:${port}${PATH}`, { headers })).status === 200;
  } catch {
    return false;
  }
}
