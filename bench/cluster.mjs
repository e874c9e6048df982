import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openDataFolder } from '../server/dist/platform/data-folder.js';
import { connect } from '../server/dist/platform/db.js';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '../server/dist/platform/embedded-postgres/index.js';
import { undoLater } from './cleanup.mjs';

/**
 * @typedef {import('../server/dist/platform/db.js').Sql} Sql
 *
 * @typedef {object} Cluster
 * @property {Sql} admin a connection to the cluster's own database
 * @property {(database: string) => string} urlOf
 * @property {(database: string) => NodeJS.ProcessEnv} variablesOf what libpq and node-postgres read
 */

const FOLDER = fileURLToPath(new URL('../.data/bench', import.meta.url));
const LONGEST_STATEMENT_MILLISECONDS = 600_000;

/**
 * A fresh PostgreSQL with the settings that `npm start` gives it: the yardsticks and the server under test share it. It stands in
 * .data and not in the system's folder for temporary files, since that one may be in memory, where a commit costs nothing.
 * @returns {Promise<Cluster>}
 */
export async function startCluster() {
  const folder = await openDataFolder(FOLDER);
  undoLater(async () => {
    await removeEmbeddedPostgres(FOLDER);
    await folder.release();
    await rm(FOLDER, { recursive: true, force: true });
  });
  // What a killed bench has left.
  await removeEmbeddedPostgres(FOLDER);
  const { url } = await startEmbeddedPostgres({ dataDir: FOLDER });
  const admin = connectTo(url);
  undoLater(() => admin.end({ timeout: 1 }));
  const { hostname, port, username, password } = new URL(url);
  return {
    admin,
    urlOf: (database) => Object.assign(new URL(url), { pathname: `/${database}` }).href,
    variablesOf: (database) => ({
      PATH: process.env.PATH,
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: password,
      PGDATABASE: database,
    }),
  };
}

/** @param {string} url @returns {Sql} */
export function connectTo(url) {
  const statementTimeoutMilliseconds = LONGEST_STATEMENT_MILLISECONDS;
  return connect(url, { max: 1, applicationName: 'sir-bench', statementTimeoutMilliseconds });
}

/**
 * Does something with a connection to one database, and closes it.
 * @template T @param {Cluster} cluster @param {string} database @param {(sql: Sql) => Promise<T>} work
 */
export async function inDatabase(cluster, database, work) {
  const sql = connectTo(cluster.urlOf(database));
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Makes a database that runs copy, so that every run of every side begins with the same rows, the same statistics and no bloat.
 * @param {Cluster} cluster @param {string} name @param {(sql: Sql) => Promise<void>} fill
 */
export async function makeTemplate(cluster, name, fill) {
  await cluster.admin.unsafe(`create database ${name}`);
  await inDatabase(cluster, name, async (sql) => {
    await fill(sql);
    await sql.unsafe('vacuum analyze');
  });
}

/**
 * Runs something on a fresh copy of a template, with all of it written to disk beforehand.
 * @template T @param {Cluster} cluster @param {string} template @param {(database: string) => Promise<T>} work
 */
export async function onFreshCopy(cluster, template, work) {
  const database = `${template}_run`;
  await cluster.admin.unsafe(`create database ${database} template ${template}`);
  try {
    await cluster.admin.unsafe('checkpoint');
    return await work(database);
  } finally {
    await cluster.admin.unsafe(`drop database if exists ${database} with (force)`);
  }
}
