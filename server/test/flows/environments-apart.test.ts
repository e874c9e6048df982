import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, environments } from '@sirgiving/contract';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SubmissionQueue } from '../../src/actions/index.ts';
import { createKey } from '../../src/partners/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { Failpoints } from '../../src/platform/failpoints.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { MailBox } from '../../src/platform/mail.ts';
import { MailOutbox } from '../../src/platform/mail-outbox.ts';
import { approvePoolRequest, createPool, filePoolRequest } from '../../src/pools/index.ts';
import { createWebhook } from '../../src/webhooks/create-webhook.ts';
import { startWorker } from '../../src/worker.ts';
import { publicPoolId, startTestApp, type TestApp, type TestPartner } from '../app.ts';

// One partner has work of every kind waiting in both environments. The worker of one does its own and touches nothing of the other. What
// is of no environment, accounts and invitations into a team, is tidied up by whichever worker comes first.

vi.setConfig({ testTimeout: 30_000 });

const HOUR_MILLISECONDS = 3_600_000;
const log = pino({ level: 'silent' });
const apps = {} as Record<Environment, TestApp>;
const partners = {} as Record<Environment, TestPartner>;
const outboxes = {} as Record<Environment, { mailBox: MailBox; outbox: MailOutbox }>;
/** Where deliveries went. */
const sent: string[] = [];

const ago = (hours: number) => new Date(systemClock.now().getTime() - hours * HOUR_MILLISECONDS);
/** Nobody asks for the name, and nothing is sent there. */
const hookOf = (environment: Environment) => `https://${environment}.example.org/hook`;
const mailOf = (environment: Environment) => `${environment}@example.org`;

beforeAll(async () => {
  apps.sandbox = await startTestApp({ poolTokens: 0 });
  apps.production = await startTestApp({ config: { environment: 'production' }, shareDatabaseOf: apps.sandbox });
  for (const environment of environments) await prepare(environment);
  await preparePeople();
  // What the APIs still had to note, such as the use of keys, is written now.
  await Promise.all([apps.sandbox.app.close(), apps.production.app.close()]);
});
afterAll(async () => {
  await apps.production.close();
  await apps.sandbox.close();
});

async function prepare(environment: Environment): Promise<void> {
  const { sql, secretBox, partner } = apps.sandbox;
  const tenant = { partnerId: partner.partnerId, environment };
  const now = systemClock.now();
  const keys = await sql.begin(async (tx) => {
    // A day before its end a key is warned of.
    const wanted = { ...tenant, name: 'Ends soon', createdAt: ago(24 * 200), expiresAt: ago(-12) };
    return createKey(tx, randomIds, secretBox, wanted);
  });
  const { poolId } = await sql.begin((tx) => createPool(tx, randomIds, { ...tenant, name: 'Main' }, now));
  partners[environment] = { ...tenant, keys, poolId };
  const mailBox = new MailBox('no-reply@example.org', systemClock);
  const outbox = new MailOutbox({
    ...{ environment, clock: systemClock, ids: randomIds, secretBox },
    delivery: { kind: 'memory', mailBox },
  });
  outboxes[environment] = { mailBox, outbox };
  await sql.begin((tx) => outbox.queue(tx, { to: mailOf(environment), subject: 'Hello', text: 'Hello' }, { now }));
  const webhook = { url: hookOf(environment), receiveAllEvents: true };
  await sql.begin((tx) => createWebhook(tx, { ids: randomIds, secretBox }, tenant, webhook, now));
  await prepareByHttp(environment);
  await fundWhatFailed(environment);
  await sql`update idempotent_requests set created_at = ${ago(24 * 30)} where environment = ${environment}`;
  await apps[environment].requestLog.flush();
  await sql`update request_log set created_at = ${ago(24 * 30)} where environment = ${environment}`;
}

/** Mailed links that are too old, of people who are of no environment. */
async function preparePeople(): Promise<void> {
  const { sandbox } = apps;
  const owner = await sandbox.newMember('owner');
  const invitation = { email: 'late@example.org', role: 'viewer' };
  expect((await sandbox.by(owner, 'POST', '/v1/partner/invitations', invitation)).status).toBe(201);
  const registration = { email: 'unconfirmed@example.org', password: 'correct horse battery' };
  await sandbox.request({ method: 'POST', url: '/v1/partner/auth/register', payload: registration });
  await sandbox.sql`update partner_invitations set expires_at = ${ago(1)} where partner_id = ${sandbox.partner.partnerId}`;
  await sandbox.sql`update account_registrations set expires_at = ${ago(1)}`;
}

async function prepareByHttp(environment: Environment): Promise<void> {
  const partner = partners[environment];
  const call = (method: string, path: string, body: unknown, headers = {}) =>
    apps[environment].signed(method, `/v1/partner/${path}`, body, { partner, headers });
  const user = await call('POST', 'users', { externalUserId: 'a' }, { 'idempotency-key': 'u' });
  expect(user.status).toBe(201);
  const settings = {
    autoRefill: { amount: 70, floor: 60, monthlyCeiling: 1_000 },
    reprocessFailed: { actions: true },
  };
  expect((await call('PATCH', `token-pools/${publicPoolId(partner)}`, settings)).status).toBe(200);
  const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'a' }];
  const action = { idempotencyKey: 'o', actionType: 'PURCHASE', amount: 5, currency: 'USD', stakeholders };
  expect((await call('POST', 'actions/submit', action)).body.code).toBe('INSUFFICIENT_POOL');
}

async function fundWhatFailed(environment: Environment): Promise<void> {
  const { partnerId, poolId = '' } = partners[environment];
  const requester = { kind: 'MEMBER', id: randomIds.uuid() } as const;
  const wanted = { partnerId, environment, poolId, tokens: 50, requester };
  const now = systemClock.now();
  await apps.sandbox.sql.begin(async (tx) => {
    const request = await filePoolRequest(tx, randomIds, wanted, now);
    if (request.status === 'APPROVED') return;
    const named = { partnerId, environment, requestId: request.id };
    await approvePoolRequest(tx, randomIds, named, { adminAccountId: randomIds.uuid() }, now);
  });
}

/** A digest of all rows of an environment, of every table that tells them apart; undefined: of every other table. */
async function rowsOf(environment: Environment | undefined): Promise<Record<string, string>> {
  const { sql } = apps.sandbox;
  const tables = await sql<{ name: string }[]>`
    select t.tablename as name from pg_tables t
    where t.schemaname = 'public' and ${environment !== undefined} = exists (
      select from information_schema.columns c
      where c.table_schema = t.schemaname and c.table_name = t.tablename and c.column_name = 'environment')
    order by 1`;
  expect(tables.length).toBeGreaterThan(15);
  const digests = tables.map(async ({ name }) => {
    const [row] = await sql.unsafe<{ digest: string }[]>(
      `select count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)), 0) as digest from ${name} t
       where ${environment === undefined ? 'true' : `environment = '${environment}'`}`,
    );
    return [name, row?.digest ?? ''];
  });
  return Object.fromEntries(await Promise.all(digests));
}

/** What is still to be done in an environment; nothing when its worker has been at work. */
async function waitingIn(environment: Environment): Promise<string[]> {
  const { sql } = apps.sandbox;
  const [row] = await sql<Record<string, boolean>[]>`
    select
      exists (select from mail_outbox where environment = ${environment}) as mail,
      not exists (select from token_pool_requests where environment = ${environment} and requested_by_kind = 'AUTO_REFILL') as refill,
      exists (select from actions where environment = ${environment} and status = 'FAILED') as "failed action",
      not exists (select from events where environment = ${environment} and type = 'api_key.expiring') as "expiring key",
      exists (select from idempotent_requests where environment = ${environment} and created_at < ${ago(24 * 20)}) as "kept answer",
      exists (select from request_log where environment = ${environment} and created_at < ${ago(24 * 20)}) as "logged request",
      exists (select from webhook_deliveries where environment = ${environment} and status <> 'SUCCEEDED')
        or not exists (select from webhook_deliveries where environment = ${environment}) as delivery`;
  return Object.entries(row ?? {}).flatMap(([name, waits]) => (waits ? [name] : []));
}

async function runWorker(environment: Environment): Promise<void> {
  const { sql, secretBox, databaseUrl } = apps.sandbox;
  const parts = { clock: systemClock, ids: randomIds, secretBox, log };
  const failpoints = new Failpoints(undefined);
  const submissions = new SubmissionQueue({ ...parts, databaseUrl, failpoints, onCommitted: () => {} });
  const worker = startWorker({
    ...parts,
    sql,
    environment,
    submissions,
    wakeUp: { onWake: () => () => {} },
    allowInsecureLoopback: false,
    mailOutbox: outboxes[environment].outbox,
    http: {
      fetch: async ({ url }) => {
        sent.push(String(url));
        return { kind: 'answered', status: 204, headers: {}, bodyText: '', truncated: false, durationMilliseconds: 1 };
      },
    },
  });
  const deadline = performance.now() + 12_000;
  while ((await waitingIn(environment)).length > 0 && performance.now() < deadline) await sleep(100);
  // Once more round, for what comes of what was done.
  await sleep(1_200);
  await worker.stop();
  await submissions.stop();
}

test('the worker of one environment does all of its work, and nothing of the other is sent, swept or scheduled', async () => {
  const everything = await waitingIn('sandbox');
  expect(everything).toHaveLength(7);
  expect(await waitingIn('production')).toEqual(everything);

  const [production, ofNone] = [await rowsOf('production'), await rowsOf(undefined)];
  await runWorker('sandbox');
  expect(await waitingIn('sandbox')).toEqual([]);
  expect(await rowsOf('production')).toEqual(production);
  const tidied = await rowsOf(undefined);
  expect(Object.keys(ofNone).filter((table) => tidied[table] !== ofNone[table])).toEqual([
    'account_registrations',
    'partner_invitation_lookup',
    'partner_invitations',
  ]);
  expect(new Set(sent)).toEqual(new Set([hookOf('sandbox')]));
  expect(outboxes.sandbox.mailBox.list().map(({ to }) => to)).toContain(mailOf('sandbox'));

  sent.length = 0;
  const sandbox = await rowsOf('sandbox');
  await runWorker('production');
  expect(await waitingIn('production')).toEqual([]);
  expect(await rowsOf('sandbox')).toEqual(sandbox);
  expect(await rowsOf(undefined)).toEqual(tidied);
  expect(new Set(sent)).toEqual(new Set([hookOf('production')]));
  expect(outboxes.production.mailBox.list().map(({ to }) => to)).toContain(mailOf('production'));
});
