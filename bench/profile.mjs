import { connectTo } from './cluster.mjs';
import { cpuSeconds } from './processes.mjs';
import { onServer, SUBMIT_WORKS } from './submit-work.mjs';

/**
 * @typedef {import('./run-bench.mjs').Bench} Bench
 * @typedef {import('./cluster.mjs').Sql} Sql
 *
 * @typedef {object} Snapshot
 * @property {number} node seconds of CPU
 * @property {Map<string, number>} postgres seconds of CPU by the name of the application or the kind of process
 * @property {number} commits
 * @property {number} walBytes
 * @property {number} actions
 * @property {number} batches transactions that wrote actions
 */

/**
 * Tells where the time of one action goes. It reads /proc, so it works on Linux only.
 * @param {Bench} bench @param {string} name of the work
 */
export async function profile(bench, name) {
  const work = /** @type {import('./submit-work.mjs').Work} */ (SUBMIT_WORKS[name]);
  return onServer(bench, work, async (send, { pid, database }) => {
    const sql = connectTo(bench.cluster.urlOf(database));
    const warmUp = await send(bench.options.warmUpSeconds, undefined);
    const before = await snapshot(sql, pid);
    const result = await send(bench.options.seconds, warmUp.perSecond, work.itemsPerCall === 1);
    const after = await snapshot(sql, pid);
    await sql.end({ timeout: 1 });
    return describe(work, before, after, result, bench.options.seconds);
  });
}

/** @param {Sql} sql @param {number} pid @returns {Promise<Snapshot>} */
async function snapshot(sql, pid) {
  const [row] = await sql`
    select xact_commit as commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal,
      (select count(*) from actions) as actions, (select count(distinct xmin::text) from actions) as batches
    from pg_stat_database where datname = current_database()`;
  const processes = await sql`
    select pid, case when backend_type = 'client backend' then application_name else backend_type end as name
    from pg_stat_activity where pid <> pg_backend_pid()`;
  /** @type {Map<string, number>} */
  const postgres = new Map();
  for (const one of processes) postgres.set(one.name, (postgres.get(one.name) ?? 0) + cpuSeconds(one.pid));
  const { commits, wal, actions, batches } = row ?? {};
  return {
    node: cpuSeconds(pid),
    postgres,
    commits: Number(commits),
    walBytes: Number(wal),
    actions: Number(actions),
    batches: Number(batches),
  };
}

/** @param {import('./submit-work.mjs').Work} work @param {Snapshot} before @param {Snapshot} after @param {import('./wrk.mjs').WrkResult} result @param {number} seconds */
function describe(work, before, after, result, seconds) {
  const actions = after.actions - before.actions;
  const batches = after.batches - before.batches;
  const commits = after.commits - before.commits;
  /** @param {string} title @param {number} used seconds of CPU */
  const cpu = (title, used) =>
    `  ${title.padEnd(34)} ${((used * 1e6) / actions).toFixed(0).padStart(6)} µs   ${((used / seconds) * 100).toFixed(0).padStart(4)} % of a core`;
  const postgres = [...after.postgres].map(
    ([process, used]) => /** @type {const} */ ([process, used - (before.postgres.get(process) ?? 0)]),
  );
  // A batch waits for many transactions and does not tell about each.
  const waited = work.itemsPerCall === 1 ? (result.waited / result.answers).toFixed(1) : 'unknown';
  const worthTelling = postgres.filter(([, used]) => used > 0).sort((a, b) => b[1] - a[1]);
  return `
${work.name}: ${(actions / seconds).toFixed(0)} actions/s, ${(result.p50 / 1_000).toFixed(1)} ms at the median, ${(result.p99 / 1_000).toFixed(1)} ms at the 99th percentile

CPU of one action
${cpu('node (API and worker)', after.node - before.node)}
${worthTelling.map(([process, used]) => cpu(`PostgreSQL, ${process}`, used)).join('\n')}
${cpu('wrk', result.generatorShare * seconds)}

Transactions
  ${(actions / batches).toFixed(1)} actions in a transaction, ${(batches / seconds).toFixed(0)} such transactions/s, ${((commits - batches) / seconds).toFixed(0)} others/s
  ${((after.walBytes - before.walBytes) / actions).toFixed(0)} bytes of WAL for an action
  ${waited} ms in the queue before its transaction, on average (Server-Timing)
`;
}
