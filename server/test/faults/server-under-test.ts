import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processVariables } from '../../src/config.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const POLL_MILLISECONDS = 5;
const START_LIMIT_MILLISECONDS = 60_000;

/** What the console says once everything runs (announce.ts). */
const RUNS = /(?:Docs\s+(http:\S+)\/partner-api|works in the background)/;

// They lead process groups of their own, so an end of the test run would leave them behind.
const living = new Set<number>();
process.on('exit', () => {
  for (const pid of living) process.kill(-pid, 'SIGKILL');
});

/** One server process as it is run in production: `node dist/main.js`, the leader of a process group of its own. */
export class ServerUnderTest {
  /** The exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  private readonly child: ChildProcess;
  private stdout = '';
  private stderr = '';

  constructor(variables: Readonly<Record<string, string>>) {
    if (!existsSync(MAIN)) throw new Error('the server is not built: npm run build');
    // Nothing of the caller's own configuration reaches it, only what programs need to be found.
    const { PATH = '', HOME = '' } = processVariables();
    this.child = spawn(process.execPath, [MAIN], {
      detached: true,
      env: { PATH, HOME, PORT: '0', SIR_RATE_LIMIT_PER_MINUTE: '0', LOG_LEVEL: 'warn', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    const pid = Number(this.child.pid);
    living.add(pid);
    this.child.once('exit', () => living.delete(pid));
    this.exited = once(this.child, 'close').then(([code, signal]) => code ?? signal);
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The alarms in its log: a rule of the ledger was broken, or the process could not go on (pino's level 60). */
  get alarms(): string[] {
    return this.stderr
      .split('\n')
      .filter((line) => (!line.startsWith('{') ? line !== '' : line.includes('"level":60')));
  }

  /** Waits until it works; answers the base URL, empty for a worker alone. */
  async ready(): Promise<string> {
    const deadline = performance.now() + START_LIMIT_MILLISECONDS;
    for (;;) {
      const said = RUNS.exec(this.stdout);
      if (said !== null) return said[1] ?? '';
      if (!this.isRunning || performance.now() > deadline)
        throw new Error(`the server did not start:\n${this.stdout}${this.stderr}`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** kill -9 of the whole process group; safe to call when it has ended. */
  async kill(): Promise<void> {
    if (this.isRunning) process.kill(-Number(this.child.pid), 'SIGKILL');
    await this.exited;
  }
}

/** Servers on one database: what they need to be told of it. */
export function serverVariables(databaseUrl: string, masterKey: string): Record<string, string> {
  return { DATABASE_URL: databaseUrl, SIR_MASTER_KEY: masterKey, SIR_ROLES: 'api' };
}
