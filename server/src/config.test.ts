import { expect, test } from 'vitest';
import { loadConfig, type Variables } from './config.ts';

const MASTER_KEY = 'a'.repeat(64);
const OWN_DATABASE = { DATABASE_URL: 'postgres://sir:secret@db:5432/sir', SIR_MASTER_KEY: MASTER_KEY };

test('nothing set is laptop mode: sandbox, loopback, embedded database, demo data, both roles', () => {
  expect(loadConfig({})).toMatchObject({
    environment: 'sandbox',
    laptop: true,
    host: '127.0.0.1',
    port: 8080,
    databaseUrl: undefined,
    masterKey: undefined,
    trustedProxies: [],
    rateLimitPerMinute: undefined,
    allowInsecureWebhooks: true,
    seedDemo: true,
    roles: { api: true, worker: true },
    failpoint: undefined,
    logLevel: 'warn',
  });
  expect(loadConfig({ SIR_DATA_DIR: '/srv/sir' }).dataDir).toBe('/srv/sir');
  expect(Object.isFrozen(loadConfig({}))).toBe(true);
});

test('a database of its own or a bind beyond the loopback is not laptop mode: nothing is seeded, webhooks go to the public only', () => {
  for (const variables of [OWN_DATABASE, { SIR_HOST: '0.0.0.0' }, { SIR_HOST: 'sir.example.org' }]) {
    expect(loadConfig(variables)).toMatchObject({
      laptop: false,
      seedDemo: false,
      allowInsecureWebhooks: false,
      logLevel: 'info',
    });
  }
  for (const host of ['127.0.0.9', '::1', 'localhost']) expect(loadConfig({ SIR_HOST: host }).laptop).toBe(true);
  expect(loadConfig({ ...OWN_DATABASE, SIR_SEED_DEMO: '1', SIR_ALLOW_INSECURE_WEBHOOKS: 'true' })).toMatchObject({
    seedDemo: true,
    allowInsecureWebhooks: true,
  });
});

test('values are read as the documentation says', () => {
  const config = loadConfig({
    ...OWN_DATABASE,
    SIR_MASTER_KEY: MASTER_KEY.toUpperCase(),
    SIR_ENVIRONMENT: 'production',
    PORT: '0',
    SIR_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7,fd00::/8,::1',
    SIR_RATE_LIMIT_PER_MINUTE: '0',
    SIR_ROLES: 'worker',
    LOG_LEVEL: 'debug',
  });
  expect(config).toMatchObject({
    environment: 'production',
    port: 0,
    masterKey: MASTER_KEY,
    trustedProxies: ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8', '::1/128'],
    rateLimitPerMinute: 0,
    roles: { api: false, worker: true },
    logLevel: 'debug',
  });
  expect(loadConfig({ PORT: '', SIR_ROLES: ' ' })).toMatchObject({ port: 8080, roles: { api: true, worker: true } });
});

const PRODUCTION = { ...OWN_DATABASE, SIR_ENVIRONMENT: 'production' };

const REFUSED: [string, Variables][] = [
  ['PORT', { PORT: 'http' }],
  ['PORT', { PORT: '65536' }],
  ['PORT', { PORT: '-1' }],
  ['SIR_HOST', { SIR_HOST: 'http://127.0.0.1' }],
  ['SIR_ENVIRONMENT', { SIR_ENVIRONMENT: 'staging' }],
  ['SIR_ENVIRONMENT', { SIR_ENVIRONMENT: 'production' }],
  ['DATABASE_URL', { ...OWN_DATABASE, DATABASE_URL: 'mysql://root:secret@db' }],
  ['DATABASE_URL', { ...OWN_DATABASE, DATABASE_URL: 'db:5432 secret' }],
  ['SIR_MASTER_KEY', { DATABASE_URL: OWN_DATABASE.DATABASE_URL }],
  ['SIR_MASTER_KEY', { SIR_MASTER_KEY: 'secret' }],
  ['SIR_TRUSTED_PROXIES', { SIR_TRUSTED_PROXIES: 'proxy.example.org' }],
  ['SIR_TRUSTED_PROXIES', { SIR_TRUSTED_PROXIES: '10.0.0.0/33' }],
  ['SIR_TRUSTED_PROXIES', { SIR_TRUSTED_PROXIES: '10.0.0.1,' }],
  ['SIR_RATE_LIMIT_PER_MINUTE', { SIR_RATE_LIMIT_PER_MINUTE: '1e3' }],
  ['SIR_ALLOW_INSECURE_WEBHOOKS', { SIR_ALLOW_INSECURE_WEBHOOKS: 'maybe' }],
  ['SIR_ALLOW_INSECURE_WEBHOOKS', { ...PRODUCTION, SIR_ALLOW_INSECURE_WEBHOOKS: 'true' }],
  ['SIR_SEED_DEMO', { ...PRODUCTION, SIR_SEED_DEMO: '1' }],
  ['SIR_ROLES', { SIR_ROLES: 'api,cron' }],
  ['SIR_WEBHOOK_LEASE_SECONDS', { SIR_WEBHOOK_LEASE_SECONDS: '0' }],
  ['SIR_FAILPOINT', { ...PRODUCTION, SIR_FAILPOINT: 'after-lock' }],
  ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
];

test.each(REFUSED)('a bad %s is refused in one sentence that names it and no secret (%#)', (name, variables) => {
  const message = messageOf(() => loadConfig(variables));
  expect(message).toContain(name);
  expect(message).toMatch(/^[^\n]+\.$/);
  expect(message).not.toContain('secret');
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Error && error.name === 'StartupError') return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('mail, the public address and the outside issuer are read, and nothing of them is needed', () => {
  expect(loadConfig({})).toMatchObject({
    smtpUrl: undefined,
    mailFrom: 'SIR Giving <no-reply@sirgiving.org>',
    publicUrl: undefined,
    outsideIssuer: undefined,
  });
  const variables = {
    SMTP_URL: 'smtps://user:secret@mail.example.org',
    SIR_MAIL_FROM: 'Ada <ada@example.org>',
    SIR_PUBLIC_URL: 'https://api.example.org/',
    SIR_JWT_ISSUER: 'https://app.example.org',
    SIR_JWT_AUDIENCE: 'partner-api',
    SIR_JWKS_URL: 'https://app.example.org/jwks.json',
  };
  expect(loadConfig(variables)).toMatchObject({
    smtpUrl: variables.SMTP_URL,
    mailFrom: variables.SIR_MAIL_FROM,
    publicUrl: 'https://api.example.org',
    outsideIssuer: {
      issuer: variables.SIR_JWT_ISSUER,
      audience: variables.SIR_JWT_AUDIENCE,
      jwksUrl: variables.SIR_JWKS_URL,
    },
  });
});

test.each<[Variables, RegExp]>([
  [{ SMTP_URL: 'https://user:hunter2@mail.example.org' }, /^SMTP_URL must look like smtps:\/\/[^.]+\.example\.org\.$/],
  [{ SMTP_URL: 'hunter2' }, /^SMTP_URL must look like/],
  [{ SIR_MAIL_FROM: 'nobody' }, /^SIR_MAIL_FROM must look like/],
  [{ SIR_MAIL_FROM: 'Ada <ada@example.org>, eve@example.org' }, /^SIR_MAIL_FROM must look like/],
  [{ SIR_PUBLIC_URL: 'https://api.example.org/path' }, /^SIR_PUBLIC_URL must look like/],
  [{ ...OWN_DATABASE, SIR_ENVIRONMENT: 'production', SIR_PUBLIC_URL: 'http://api.example.org' }, /^SIR_PUBLIC_URL/],
  [
    { SIR_JWT_ISSUER: 'https://app.example.org' },
    /^SIR_JWT_ISSUER, SIR_JWT_AUDIENCE and SIR_JWKS_URL must be set together\.$/,
  ],
  [
    { SIR_JWT_ISSUER: 'a', SIR_JWT_AUDIENCE: 'b', SIR_JWKS_URL: 'https://user:hunter2@app.example.org/' },
    /^SIR_JWKS_URL must be an https address/,
  ],
])('%o is refused in one sentence', (variables, sentence) => {
  expect(() => loadConfig(variables)).toThrow(sentence);
});
