import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Environment } from '@sirgiving/contract';
import ipaddr from 'ipaddr.js';
import { StartupError } from './platform/startup-error.ts';

export interface Config {
  environment: Environment;
  /** Embedded database and loopback bind: sandbox data only, demo data is made (contract §1). */
  laptop: boolean;
  host: string;
  /** 0: one that the system chooses. */
  port: number;
  /** Absolute. */
  dataDir: string;
  /** Undefined: the embedded PostgreSQL. */
  databaseUrl: string | undefined;
  /** 64 hex digits; undefined: made in the data folder. */
  masterKey: string | undefined;
  /** Proxies whose X-Forwarded-For counts, as CIDR. */
  trustedProxies: readonly string[];
  /** Overrides every rate limit; 0: none; undefined: the contract's. */
  rateLimitPerMinute: number | undefined;
  allowInsecureWebhooks: boolean;
  /** Where the public reaches this host, without a slash at the end; undefined: the address that it listens on. */
  publicUrl: string | undefined;
  /** Undefined: no mail can be sent. May hold a password. */
  smtpUrl: string | undefined;
  /** The sender of every mail. */
  mailFrom: string;
  /** Whose access tokens are accepted beside our own, for the partner audience. */
  outsideIssuer: OutsideIssuer | undefined;
  seedDemo: boolean;
  roles: { readonly api: boolean; readonly worker: boolean };
  /** For how long what a worker is sending is out of reach of the others: so long it stands still when that worker dies. */
  webhookLeaseSeconds: number;
  /** Whether requests are logged for the partners; off for benches and for installations that log elsewhere. */
  requestLog: boolean;
  /** Tests only: the moment at which the process kills itself. */
  failpoint: string | undefined;
  logLevel: LogLevel;
}

/** The log-in of the SIR Giving app: who signs its tokens, whom they are for, and where its public keys are. */
export interface OutsideIssuer {
  issuer: string;
  audience: string;
  jwksUrl: string;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Variables = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORT = 8080;
const DEFAULT_MAIL_FROM = 'SIR Giving <no-reply@sirgiving.org>';
const HIGHEST_PORT = 65_535;
const HIGHEST_RATE_LIMIT = 1_000_000_000;
const DEFAULT_LEASE_SECONDS = 60;
const HIGHEST_LEASE_SECONDS = 3_600;

/** The environment of this process. This file is the only one that reads it. */
export function processVariables(): Variables {
  return process.env;
}

/** Reads and judges the variables. Throws a StartupError that names the first bad one. */
export function loadConfig(variables: Variables): Config {
  const environment = readChoice(variables, 'SIR_ENVIRONMENT', ['sandbox', 'production'], 'sandbox');
  const production = environment === 'production';
  const databaseUrl = readDatabaseUrl(variables);
  const host = readHost(variables);
  const laptop = databaseUrl === undefined && isLoopback(host);
  if (production && databaseUrl === undefined) {
    throw new StartupError(
      'SIR_ENVIRONMENT=production needs DATABASE_URL: the embedded database serves sandbox data only.',
    );
  }
  return Object.freeze({
    environment,
    laptop,
    host,
    port: readInteger(variables, 'PORT', HIGHEST_PORT) ?? DEFAULT_PORT,
    dataDir: resolve(read(variables, 'SIR_DATA_DIR') ?? '.data'),
    databaseUrl,
    masterKey: readMasterKey(variables, databaseUrl !== undefined),
    trustedProxies: Object.freeze(readTrustedProxies(variables)),
    rateLimitPerMinute: readInteger(variables, 'SIR_RATE_LIMIT_PER_MINUTE', HIGHEST_RATE_LIMIT),
    allowInsecureWebhooks: readForSandboxOnly(variables, 'SIR_ALLOW_INSECURE_WEBHOOKS', laptop, production),
    publicUrl: readPublicUrl(variables, production),
    smtpUrl: readSmtpUrl(variables),
    mailFrom: readMailFrom(variables),
    outsideIssuer: readOutsideIssuer(variables, production),
    seedDemo: readForSandboxOnly(variables, 'SIR_SEED_DEMO', laptop, production),
    roles: readRoles(variables),
    webhookLeaseSeconds:
      readInteger(variables, 'SIR_WEBHOOK_LEASE_SECONDS', HIGHEST_LEASE_SECONDS, 1) ?? DEFAULT_LEASE_SECONDS,
    requestLog: readChoice(variables, 'SIR_REQUEST_LOG', ['on', 'off'], 'on') === 'on',
    failpoint: readFailpoint(variables, production),
    logLevel: readChoice(variables, 'LOG_LEVEL', LOG_LEVELS, laptop ? 'warn' : 'info'),
  });
}

/** A variable that is set to nothing counts as not set: that is how shells and compose files leave one out. */
function read(variables: Variables, name: string): string | undefined {
  const value = variables[name]?.trim();
  return value === '' ? undefined : value;
}

function readChoice<const Choice extends string>(
  variables: Variables,
  name: string,
  choices: readonly Choice[],
  otherwise: Choice,
): Choice {
  const value = read(variables, name);
  if (value === undefined) return otherwise;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw new StartupError(`${name} must be one of ${choices.join(', ')}, not "${value}".`);
  return choice;
}

function readInteger(variables: Variables, name: string, highest: number, lowest = 0): number | undefined {
  const value = read(variables, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,10}$/.test(value) || Number(value) > highest || Number(value) < lowest) {
    throw new StartupError(`${name} must be a whole number from ${lowest} to ${highest}, not "${value}".`);
  }
  return Number(value);
}

function readBoolean(variables: Variables, name: string): boolean | undefined {
  const value = read(variables, name)?.toLowerCase();
  if (value === undefined) return undefined;
  if (value === '1' || value === 'true') return true;
  if (value === '0' || value === 'false') return false;
  throw new StartupError(`${name} must be true or false, not "${value}".`);
}

function readForSandboxOnly(variables: Variables, name: string, otherwise: boolean, production: boolean): boolean {
  const value = readBoolean(variables, name) ?? otherwise;
  if (value && production) throw new StartupError(`${name} must not be set with SIR_ENVIRONMENT=production.`);
  return value;
}

function readHost(variables: Variables): string {
  const value = read(variables, 'SIR_HOST') ?? '127.0.0.1';
  if (isIP(value) === 0 && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,252})$/.test(value)) {
    throw new StartupError(`SIR_HOST must be an address or a host name to listen on, not "${value}".`);
  }
  return value;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && ipaddr.process(host).range() === 'loopback');
}

function readDatabaseUrl(variables: Variables): string | undefined {
  const value = read(variables, 'DATABASE_URL');
  if (value === undefined) return undefined;
  // The value is not repeated in the message, since it may hold a password.
  if (!URL.canParse(value) || !['postgres:', 'postgresql:'].includes(new URL(value).protocol)) {
    throw new StartupError('DATABASE_URL must look like postgres://user:password@host:5432/database.');
  }
  return value;
}

function readPublicUrl(variables: Variables, production: boolean): string | undefined {
  const value = read(variables, 'SIR_PUBLIC_URL');
  if (value === undefined) return undefined;
  if (!isWebAddress(value, production) || new URL(value).pathname !== '/' || /[?#]/.test(value)) {
    throw new StartupError(`SIR_PUBLIC_URL must look like https://api.example.org, not "${value}".`);
  }
  return new URL(value).origin;
}

/** https; outside of production also http, for what runs on the same machine or behind a proxy that is still to come. */
function isWebAddress(value: string, production: boolean): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === 'https:' || (protocol === 'http:' && !production)) && username === '' && password === '';
}

function readSmtpUrl(variables: Variables): string | undefined {
  const value = read(variables, 'SMTP_URL');
  if (value === undefined) return undefined;
  // The value is not repeated in the message, since it may hold a password.
  if (
    !URL.canParse(value) ||
    !['smtp:', 'smtps:'].includes(new URL(value).protocol) ||
    new URL(value).hostname === ''
  ) {
    throw new StartupError('SMTP_URL must look like smtps://user:password@mail.example.org.');
  }
  return value;
}

function readMailFrom(variables: Variables): string {
  const value = read(variables, 'SIR_MAIL_FROM') ?? DEFAULT_MAIL_FROM;
  if (!/^(?:[^<>@\r\n]* <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/.test(value)) {
    throw new StartupError(`SIR_MAIL_FROM must look like "SIR Giving <no-reply@example.org>", not "${value}".`);
  }
  return value;
}

function readOutsideIssuer(variables: Variables, production: boolean): OutsideIssuer | undefined {
  const issuer = read(variables, 'SIR_JWT_ISSUER');
  const audience = read(variables, 'SIR_JWT_AUDIENCE');
  const jwksUrl = read(variables, 'SIR_JWKS_URL');
  if (issuer === undefined && audience === undefined && jwksUrl === undefined) return undefined;
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) {
    throw new StartupError('SIR_JWT_ISSUER, SIR_JWT_AUDIENCE and SIR_JWKS_URL must be set together.');
  }
  if (!isWebAddress(jwksUrl, production)) {
    throw new StartupError('SIR_JWKS_URL must be an https address without a user name.');
  }
  return Object.freeze({ issuer, audience, jwksUrl });
}

function readMasterKey(variables: Variables, required: boolean): string | undefined {
  const value = read(variables, 'SIR_MASTER_KEY');
  if (value === undefined) {
    if (required)
      throw new StartupError(
        'SIR_MASTER_KEY must be set with DATABASE_URL: 64 hex digits, "openssl rand -hex 32" makes one.',
      );
    return undefined;
  }
  if (!/^[0-9a-fA-F]{64}$/.test(value))
    throw new StartupError('SIR_MASTER_KEY must be 64 hex digits: "openssl rand -hex 32" makes one.');
  return value.toLowerCase();
}

function readTrustedProxies(variables: Variables): string[] {
  const list = read(variables, 'SIR_TRUSTED_PROXIES')?.split(',') ?? [];
  return list.map((entry) => {
    const text = entry.trim();
    const range = isIP(text) === 0 ? text : `${text}/${isIP(text) === 4 ? 32 : 128}`;
    if (!ipaddr.isValidCIDR(range) || isIP(range.split('/')[0] ?? '') === 0) {
      throw new StartupError(
        `SIR_TRUSTED_PROXIES must be a list of addresses or ranges like 10.0.0.0/8,fd00::/8, and "${text}" is none.`,
      );
    }
    return range;
  });
}

function readRoles(variables: Variables): Config['roles'] {
  const roles = (read(variables, 'SIR_ROLES') ?? 'api,worker').split(',').map((role) => role.trim());
  const unknown = roles.find((role) => role !== 'api' && role !== 'worker');
  if (unknown !== undefined)
    throw new StartupError(`SIR_ROLES must be api, worker, or api,worker, and "${unknown}" is none.`);
  return Object.freeze({ api: roles.includes('api'), worker: roles.includes('worker') });
}

function readFailpoint(variables: Variables, production: boolean): string | undefined {
  const value = read(variables, 'SIR_FAILPOINT');
  if (value !== undefined && production)
    throw new StartupError('SIR_FAILPOINT is for tests: it must not be set with SIR_ENVIRONMENT=production.');
  return value;
}
