// `npm start`: builds what is missing or older than its sources, then becomes the server. The server runs in this very process, so that
// a Ctrl-C or a SIGTERM reaches it without a go-between.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECTS = ['packages/signature', 'packages/contract', 'server'];
const COMPILER = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const MAIN = join(ROOT, 'server', 'dist', 'main.js');

/** The time of the newest file that goes into a build. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path));
    else if (!entry.name.endsWith('.test.ts')) latest = Math.max(latest, statSync(path).mtimeMs);
  }
  return latest;
}

function notesOf(project) {
  return join(ROOT, project, 'tsconfig.tsbuildinfo');
}

/** The compiler writes its notes anew with every build, unlike the files that came out the same. */
function builtAt(project) {
  const notes = notesOf(project);
  const entry = project === 'server' ? MAIN : join(ROOT, project, 'dist', 'index.js');
  return existsSync(notes) && existsSync(entry) ? statSync(notes).mtimeMs : undefined;
}

/** Undefined: everything is built. The compiler itself finds out what depends on a change. */
function whatToBuild() {
  let stale = false;
  for (const project of PROJECTS) {
    const built = builtAt(project);
    if (built === undefined) return 'everything';
    const settings = ['tsconfig.base.json', join(project, 'tsconfig.json')].map(
      (file) => statSync(join(ROOT, file)).mtimeMs,
    );
    stale ||= built < Math.max(newest(join(ROOT, project, 'src')), ...settings);
  }
  return stale ? 'changes' : undefined;
}

function build(what) {
  process.stdout.write('Building …\n');
  const force = what === 'everything' ? ['--force'] : [];
  const { status } = spawnSync(process.execPath, [COMPILER, '-b', 'tsconfig.build.json', ...force], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status === 0) return;
  // The compiler also writes down a build with errors, and the next start must not take that for done.
  for (const project of PROJECTS) rmSync(notesOf(project), { force: true });
  process.exit(1);
}

const what = existsSync(join(ROOT, 'server', 'src')) ? whatToBuild() : undefined;
if (what !== undefined && !existsSync(COMPILER)) {
  process.stderr.write('The server is not built and the compiler is not installed: run "npm ci" first.\n');
  process.exit(1);
}
if (what !== undefined) build(what);
await import(MAIN);
