import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '@sirgiving/contract';
import { signRequest } from '@sirgiving/signature';
import { systemClock } from '../../src/platform/clock.ts';
import type { Sql } from '../../src/platform/db.ts';
import { type OwnPostgres, startOwnPostgres } from '../faults/own-postgres.ts';
import { ServerProcess } from '../server-process.ts';
import { MailCatcher } from './mail-catcher.ts';

export interface HostAnswer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface KeyPair {
  publicKey: string;
  secretKey: string;
  hmacSecret: string;
}

export interface HostCall {
  body?: unknown;
  headers?: Record<string, string>;
  /** Signs with the secret key of this pair. */
  keys?: KeyPair;
  /** Sends this access token. */
  token?: string;
  /** The answer is the one place where a secret is shown. */
  showsSecret?: boolean;
}

/** A sandbox and a production process, as they run in earnest, on one database with one master key. */
export class TwoHosts {
  /** Everything that was answered, with its headers, except where a secret is shown. */
  readonly answers: string[] = [];
  readonly masterKey = randomBytes(32).toString('hex');
  /** One that keeps its word when the power goes: production starts on no other. */
  readonly #postgres: OwnPostgres;
  readonly #folder: string;
  readonly #running = new Map<Environment, { server: ServerProcess; baseUrl: string }>();
  /** What processes that were stopped had said. */
  #said = '';

  private constructor(
    readonly database: { url: string; sql: Sql },
    readonly mails: MailCatcher,
    postgres: OwnPostgres,
    folder: string,
  ) {
    this.#postgres = postgres;
    this.#folder = folder;
  }

  static async start(variables: Readonly<Record<string, string>> = {}): Promise<TwoHosts> {
    const [postgres, mails, folder] = await Promise.all([
      startOwnPostgres(),
      MailCatcher.start(),
      mkdtemp(join(tmpdir(), 'sir-hosts-')),
    ]);
    const hosts = new TwoHosts(await postgres.createDatabase(), mails, postgres, folder);
    await Promise.all([hosts.startOne('sandbox', variables), hosts.startOne('production', variables)]);
    return hosts;
  }

  async startOne(environment: Environment, variables: Readonly<Record<string, string>> = {}): Promise<void> {
    const sandboxOnly: Record<string, string> = environment === 'sandbox' ? { SIR_ALLOW_INSECURE_WEBHOOKS: '1' } : {};
    const server = new ServerProcess({
      SIR_ENVIRONMENT: environment,
      SIR_DATA_DIR: join(this.#folder, environment),
      DATABASE_URL: this.database.url,
      SIR_MASTER_KEY: this.masterKey,
      SMTP_URL: this.mails.url,
      ...sandboxOnly,
      ...variables,
    });
    this.#running.set(environment, { server, baseUrl: '' });
    this.#running.set(environment, { server, baseUrl: await server.ready() });
  }

  async stopOne(environment: Environment): Promise<void> {
    const running = this.#running.get(environment);
    this.#running.delete(environment);
    if (running === undefined) return;
    await running.server.stop();
    this.#said += running.server.output;
  }

  /** What both processes have printed and logged. */
  get output(): string {
    return this.#said + [...this.#running.values()].map(({ server }) => server.output).join('');
  }

  baseUrl(environment: Environment): string {
    return this.#running.get(environment)?.baseUrl ?? '';
  }

  async call(environment: Environment, method: string, path: string, call: HostCall = {}): Promise<HostAnswer> {
    const text = call.body === undefined ? undefined : JSON.stringify(call.body);
    const response = await fetch(`${this.baseUrl(environment)}${path}`, {
      method,
      headers: {
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.keys === undefined ? {} : signatureHeaders(call.keys, method, path, text)),
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...call.headers,
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    if (call.showsSecret !== true) this.answers.push([...response.headers].join('\n'), answer);
    const isJson = response.headers.get('content-type')?.includes('json') === true && answer !== '';
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(answer) : {} };
  }

  async stop(): Promise<void> {
    await Promise.all([this.stopOne('sandbox'), this.stopOne('production')]);
    await this.mails.stop();
    await rm(this.#folder, { recursive: true, force: true });
    await this.#postgres.remove();
  }
}

function signatureHeaders({ secretKey, hmacSecret }: KeyPair, method: string, path: string, body?: string) {
  const timestamp = String(Math.floor(systemClock.now().getTime() / 1_000));
  return {
    'x-partner-key': secretKey,
    'x-timestamp': timestamp,
    'x-signature': signRequest({ hmacSecret, timestamp, method, path, body }),
  };
}
