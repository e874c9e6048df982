#!/usr/bin/env node
// `sir-server`: committed so that npm can link it before anything is built.
import { existsSync } from 'node:fs';

const program = new URL('../dist/cli.js', import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  process.stderr.write('sir-server is not built yet: run "npm start" or "npm run build" first.\n');
  process.exitCode = 1;
}
