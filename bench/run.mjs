// `npm run bench`: builds the server if that is needed, measures, clears up.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { undoAll } from './cleanup.mjs';
import { BenchError, HELP, readOptions } from './options.mjs';

const EXIT_UNTRUSTED = 2;
const EXIT_INTERRUPTED = 130;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (build.status !== 0) throw new BenchError('The server does not build.');
  // Only now, since what it measures is what was just built.
  const { runBench } = await import('./run-bench.mjs');
  return runBench(options);
}

let isEnding = false;
/** @param {number} code */
async function end(code) {
  if (isEnding) return;
  isEnding = true;
  await undoAll();
  process.exit(code);
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => end(EXIT_INTERRUPTED));
try {
  await end(await main());
} catch (error) {
  const isExpected = error instanceof BenchError || (error instanceof Error && error.name === 'StartupError');
  if (!isEnding)
    process.stderr.write(`${isExpected ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
  await end(EXIT_UNTRUSTED);
}
