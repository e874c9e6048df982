import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BenchError } from './options.mjs';

/**
 * @typedef {object} Tools
 * @property {string} pgbench
 * @property {string} wrk
 * @property {string | undefined} pgTestFsync
 */

// Debian puts PostgreSQL's programs there and links only some of them into /usr/bin. pgbench is taken from one fixed version where
// it is there, so that figures of two machines are comparable.
const DEBIAN_POSTGRESQL = '/usr/lib/postgresql/15/bin';

/** @returns {Tools} */
export function findTools() {
  const pgbench = find('pgbench', [DEBIAN_POSTGRESQL]);
  const wrk = find('wrk', []);
  // A tool of our own in its place would measure something else.
  const missing = [
    ...(pgbench === undefined ? ['pgbench (Debian: apt-get install postgresql-15)'] : []),
    ...(wrk === undefined ? ['wrk (Debian: apt-get install wrk)'] : []),
  ];
  if (pgbench === undefined || wrk === undefined)
    throw new BenchError(`The yardsticks need tools that are not here: ${missing.join(', ')}.`);
  return { pgbench, wrk, pgTestFsync: find('pg_test_fsync', [DEBIAN_POSTGRESQL]) };
}

/** @param {string} name @param {string[]} first @returns {string | undefined} */
function find(name, first) {
  const folders = [...first, ...(process.env.PATH ?? '').split(delimiter), '/usr/bin'];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
