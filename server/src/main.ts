import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Logger, pino } from 'pino';
import { createAccountAccess } from './accounts/index.ts';
import { SubmissionQueue } from './actions/index.ts';
import { banner, type Progress, showProgress } from './announce.ts';
import { type Config, loadConfig, processVariables } from './config.ts';
import { keepDemoCredentials } from './demo-credentials.ts';
import { openDatabase, takeDataFolder } from './open-database.ts';
import { DEV_MAIL_PATH } from './pages/index.ts';
import { ChangeWatch } from './platform/change-watch.ts';
import { systemClock } from './platform/clock.ts';
import { readChangeCounter } from './platform/credential-changes.ts';
import { connect, type Sql } from './platform/db.ts';
import { Failpoints } from './platform/failpoints.ts';
import { randomIds } from './platform/ids.ts';
import { openMail } from './platform/mail.ts';
import { MailOutbox } from './platform/mail-outbox.ts';
import { createSecretBox } from './platform/secret-box.ts';
import { StartupError, systemErrorCode } from './platform/startup-error.ts';
import { createWakeUp } from './platform/wake-up.ts';
import { RequestLog } from './request-log/index.ts';
import { buildServer } from './server.ts';
import { createStarted, type Started } from './stop-in-order.ts';
import { startWorker } from './worker.ts';

// npm hands on to us a Ctrl-C that the terminal has sent us already: two so close together are one.
const SAME_INTERRUPT_MILLISECONDS = 500;
const DATABASE_STOP_LIMIT_MILLISECONDS = 30_000;
const POOL_END_SECONDS = 1;
const API_CONNECTIONS = 10;
const WORKER_CONNECTIONS = 8;
const EXIT_FAILED = 1;
const EXIT_INTERRUPTED_TWICE = 130;

type OnProgress = (text: string) => void;

async function main(): Promise<void> {
  const progress = showProgress(process.stdout);
  const interrupted = listenForInterrupts();
  let started: Started | undefined;
  try {
    const config = loadConfig(processVariables());
    const log = createLogger(config);
    process.on('uncaughtException', (error) => {
      log.fatal({ err: error }, 'a bug: the process cannot be trusted any more and ends');
      process.exit(EXIT_FAILED);
    });
    started = createStarted(log);
    const text = await start(config, log, started, guardSteps(progress, interrupted));
    progress.clear();
    process.stdout.write(text);
    if (!interrupted.aborted) await once(interrupted, 'abort');
    progress.step('Stopping');
    await started.stopAll();
  } catch (error) {
    progress.clear();
    await started?.stopAll();
    if (!interrupted.aborted) {
      process.stderr.write(`${describe(error)}\n`);
      process.exit(EXIT_FAILED);
    }
  }
  progress.clear();
  process.exit(0);
}

/** Starts everything, in the order in which it is needed; answers what to print. Whatever it throws, `started` knows what to stop. */
async function start(config: Config, log: Logger, started: Started, onProgress: OnProgress): Promise<string> {
  // First, since it may be what is missing: nothing has to be brought up to find that out.
  const delivery = openMail(config, systemClock);
  const folder = await takeDataFolder(config);
  if (folder !== undefined) started.push('data folder', () => folder.release());
  const port = config.roles.api ? await findPort(config) : undefined;
  const database = await openDatabase(config, folder, onProgress);
  started.push('database', () => database.close(), DATABASE_STOP_LIMIT_MILLISECONDS);
  onProgress('Starting the server');

  const open = (max: number, applicationName: string): Sql => {
    const sql = connect(database.url, { max, applicationName });
    started.push(applicationName, () => sql.end({ timeout: POOL_END_SECONDS }));
    return sql;
  };
  const sql = open(API_CONNECTIONS, 'sir-api');
  const workerSql = open(WORKER_CONNECTIONS, 'sir-worker');
  const wakeUp = createWakeUp(sql, config.environment, log);
  started.push('wake-up', async () => wakeUp.stop());
  const secretBox = createSecretBox(database.masterKey);
  const { environment } = config;
  const mailing = {
    delivery,
    environment,
    clock: systemClock,
    ids: randomIds,
    secretBox,
  };
  const mailOutbox = new MailOutbox(mailing);
  if (delivery.kind === 'smtp') started.push('mail', async () => delivery.close());
  const failpoints = new Failpoints(config.failpoint);
  const parts = { clock: systemClock, ids: randomIds, secretBox, log, wakeUp, mailOutbox, failpoints };
  const submissions = new SubmissionQueue({
    ...parts,
    databaseUrl: database.url,
    onCommitted: () => wakeUp.nudge(),
  });
  started.push('submissions', () => submissions.stop());
  const logsRequests = config.roles.api && config.requestLog;
  const requestLog = logsRequests ? new RequestLog({ sql: open(1, 'sir-request-log'), log }) : undefined;
  if (requestLog !== undefined) started.push('request log', () => requestLog.stop());
  // Requests and background work drain side by side, while everything they need still runs.
  const drains: (() => Promise<unknown>)[] = [];
  started.push('requests and background work', () => Promise.all(drains.map((drain) => drain())));
  if (config.roles.worker) {
    const { allowInsecureWebhooks: allowInsecureLoopback } = config;
    const worker = startWorker({
      ...parts,
      sql: workerSql,
      submissions,
      environment,
      allowInsecureLoopback,
      leaseMilliseconds: config.webhookLeaseSeconds * 1_000,
    });
    drains.push(() => worker.stop());
  }
  if (port === undefined) return banner({ environment: config.environment });

  const ownUrl = urlOf(config.host, port);
  const baseUrl = config.publicUrl ?? ownUrl;
  const changes = new ChangeWatch(() => readChangeCounter(sql));
  const accountAccess = createAccountAccess({ ...parts, sql, changes, outsideIssuer: config.outsideIssuer });
  const mailBox = delivery.kind === 'memory' ? delivery.mailBox : undefined;
  const access = { changes, accountAccess, mailBox };
  const { app } = await buildServer({ ...parts, ...access, config, sql, submissions, requestLog, baseUrl });
  drains.push(() => app.close());
  const credentialsPath = config.seedDemo
    ? await keepDemoCredentials({ ...parts, sql }, config.dataDir, baseUrl)
    : undefined;
  await app.listen({ host: config.host, port }).catch((error: unknown) => {
    throw portError(config, error);
  });
  const mailsUrl = mailBox === undefined ? undefined : `${ownUrl}${DEV_MAIL_PATH}`;
  return banner({ environment: config.environment, baseUrl, mailsUrl, credentialsPath });
}

/** Looked for before anything is started: PostgreSQL need not be brought up to find out that the port is taken. */
async function findPort(config: Config): Promise<number> {
  const probe = createServer();
  try {
    probe.listen({ host: config.host, port: config.port });
    await once(probe, 'listening');
    const address = probe.address();
    return typeof address === 'object' && address !== null ? address.port : config.port;
  } catch (error) {
    throw portError(config, error);
  } finally {
    probe.close();
  }
}

/** A host that stands for every address is reached from this machine on the loopback. */
function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function portError({ host, port }: Config, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (code === 'EADDRINUSE')
    return new StartupError(`Port ${port} of ${host} is taken: stop what uses it, or set PORT to another.`);
  if (code === 'EACCES')
    return new StartupError(`Port ${port} of ${host} may not be used by this user: set PORT to another.`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new StartupError(`SIR_HOST=${host} is no address of this machine.`);
  return error;
}

/** The first SIGINT, SIGTERM or SIGHUP aborts the signal; a second exits at once, and the next start finds what was left running. */
function listenForInterrupts(): AbortSignal {
  const controller = new AbortController();
  let first: number | undefined;
  const interrupt = () => {
    if (first !== undefined && performance.now() - first > SAME_INTERRUPT_MILLISECONDS)
      process.exit(EXIT_INTERRUPTED_TWICE);
    first ??= performance.now();
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  // A console that went away must not end the drain.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  return controller.signal;
}

/** A start that is interrupted ends at its next step. */
function guardSteps(progress: Progress, interrupted: AbortSignal): OnProgress {
  return (text) => {
    interrupted.throwIfAborted();
    progress.step(text);
  };
}

/** JSON lines on stderr. What PostgreSQL adds to an error quotes values of rows, which may be somebody's e-mail. */
function createLogger({ logLevel, environment }: Config): Logger {
  const redact = { paths: ['err.detail', 'err.where', 'err.hint', 'err.internal_query'], remove: true };
  return pino({ level: logLevel, base: { environment }, redact }, pino.destination({ fd: 2, sync: true }));
}

/** A StartupError is written for the person at the console. Anything else is a bug, and its stack tells where. */
function describe(error: unknown): string {
  if (error instanceof StartupError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

await main();
