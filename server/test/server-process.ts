import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { signRequest } from '@sirgiving/signature';
import { processVariables } from '../src/config.ts';
import type { CredentialsFile } from '../src/demo-credentials.ts';
import { systemClock } from '../src/platform/clock.ts';

const START_SCRIPT = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
const POLL_MILLISECONDS = 20;
const START_LIMIT_MILLISECONDS = 60_000;

export interface Exit {
  /** The exit code, or the signal that ended it. */
  status: number | string;
  stdout: string;
  stderr: string;
}

/** `npm start` as a child process, leader of a process group of its own. */
export class ServerProcess {
  readonly exited: Promise<Exit>;
  private readonly child: ChildProcess;
  private stdout = '';
  private stderr = '';

  constructor(variables: Readonly<Record<string, string>>) {
    // Nothing of the caller's own configuration reaches it, only what programs need to be found.
    const { PATH = '', HOME = '' } = processVariables();
    this.child = spawn(process.execPath, [START_SCRIPT], {
      detached: true,
      env: { PATH, HOME, PORT: '0', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.exited = once(this.child, 'close').then(([code, signal]) => ({
      status: code ?? signal,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  get pid(): number {
    return Number(this.child.pid);
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Waits for text on stdout. Throws when the process ends before it comes. */
  async says(text: string): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MILLISECONDS;
    while (!this.stdout.includes(text)) {
      const ended = this.child.exitCode !== null || this.child.signalCode !== null;
      if (ended || performance.now() > deadline) throw new Error(`"${text}" did not come:\n${this.output}`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  /** Waits until it serves; answers the base URL. */
  async ready(): Promise<string> {
    await this.says('Ctrl-C stops it');
    await this.says('/partner-api\n');
    const [, baseUrl] = /(http:\S+)\/partner-api/.exec(this.stdout) ?? [];
    if (baseUrl === undefined) throw new Error(`no base URL:\n${this.output}`);
    return baseUrl;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** kill -9 of the whole process group. */
  async killGroup(): Promise<void> {
    process.kill(-this.pid, 'SIGKILL');
    await this.exited;
  }

  /** Stops it like Ctrl-C; safe to call when it has ended. */
  async stop(): Promise<Exit> {
    this.child.kill('SIGINT');
    return this.exited;
  }
}

/** What a start has written down about its demo partner. */
export async function readDemoCredentials(dataDir: string): Promise<CredentialsFile> {
  return JSON.parse(await readFile(join(dataDir, 'credentials.json'), 'utf8'));
}

/** A signed call as the demo partner, over real HTTP. */
export async function callAsDemo(
  credentials: CredentialsFile,
  method: string,
  target: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const timestamp = String(Math.floor(systemClock.now().getTime() / 1000));
  const signature = signRequest({ hmacSecret: credentials.hmacSecret, timestamp, method, path: target, body: text });
  const response = await fetch(`${credentials.baseUrl}${target}`, {
    method,
    headers: {
      'x-partner-key': credentials.secretKey,
      'x-timestamp': timestamp,
      'x-signature': signature,
      ...(text === '' ? {} : { 'content-type': 'application/json' }),
    },
    ...(text === '' ? {} : { body: text }),
  });
  return { status: response.status, body: await response.json() };
}
