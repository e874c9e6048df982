import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '@sirgiving/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endSession } from '../../src/accounts/end-sessions.ts';
import type { OpenApiDocument } from '../../src/openapi/document.ts';
import { setKeyExpiry } from '../../src/partners/change-key.ts';
import { type CallerKind, callersOf, createKey, lowestRole, revokeKey, signedBy } from '../../src/partners/index.ts';
import { leaveTeam } from '../../src/partners/team/change-team.ts';
import { roles } from '../../src/platform/caller.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type IdPrefix, publicId, randomIds } from '../../src/platform/ids.ts';
import type { Route } from '../../src/route.ts';
import { type Answer, startTestApp, type TestApp, type TestPartner } from '../app.ts';
import { idPrefix } from '../fuzz/good-requests.ts';
import { tableContents } from '../fuzz/table-contents.ts';
import { personMaker, type TestPerson } from '../people.ts';

// Every route of the server's own table is called by everybody, with a query that no endpoint takes: who is let in is told so, and
// nothing is done. The table to hold is the published one, `x-roles` of the OpenAPI document.

let t: TestApp;
let document: OpenApiDocument;
let callers: Caller[];
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
  document = JSON.parse((await t.request({ url: '/openapi.json' })).text);
  callers = await makeCallers();
});
afterAll(() => t.close());

type Send = (method: string, path: string) => Promise<Answer>;

interface Caller {
  name: string;
  /** Under which names of the published table it is let in. */
  kinds: readonly CallerKind[];
  send: Send;
}

/** A path of the route's shape, with ids that name nothing, and a query that nobody takes. */
function target([, path, , endpoint]: Route): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const prefix = idPrefix(endpoint, name);
    return prefix === undefined ? 'x' : publicId(prefix as IdPrefix, randomIds.uuid());
  });
  return `${filled}?nobody-takes-this=1`;
}

/** Whether a request came as far as its endpoint's schema. */
function isLetIn({ status, body }: Answer): boolean {
  const errors = (body?.errors ?? []) as { path: string }[];
  return status === 400 && body.code === 'INVALID_REQUEST' && errors.some(({ path }) => path === 'nobody-takes-this');
}

const bearer =
  (token: string, headers: Record<string, string> = {}): Send =>
  (method, path) =>
    t.request({ method: method as 'GET', url: path, headers: { authorization: `Bearer ${token}`, ...headers } });
const asPerson = ({ accessToken }: TestPerson, headers?: Record<string, string>) => bearer(accessToken, headers);
const withHeaders =
  (headers: Record<string, string>): Send =>
  (method, path) =>
    t.request({ method: method as 'GET', url: path, headers });
const inProduction = { 'x-partner-environment': 'production' };

async function makeCallers(): Promise<Caller[]> {
  const { keys } = t;
  const [viewer, developer, owner] = await Promise.all([
    t.newMember('viewer'),
    t.newMember('developer'),
    t.newMember('owner'),
  ]);
  const [stranger, admin, hasty] = await Promise.all([
    t.newPerson(),
    t.newPerson({ admin: true }),
    t.newPerson({ admin: true, otp: false }),
  ]);
  return [
    { name: 'nobody', kinds: [], send: withHeaders({}) },
    {
      name: 'the publishable key, signed',
      kinds: ['publishableKey', 'widget'],
      send: (method, path) => t.signed(method, path, undefined, { key: 'publishable' }),
    },
    { name: 'the secret key, signed', kinds: ['secretKey'], send: (method, path) => t.signed(method, path) },
    { name: 'the publishable key alone', kinds: ['widget'], send: withHeaders({ 'x-partner-key': keys.publicKey }) },
    { name: 'the secret key alone', kinds: [], send: withHeaders({ 'x-partner-key': keys.secretKey }) },
    { name: 'a viewer', kinds: ['viewer', 'account'], send: asPerson(viewer) },
    { name: 'a developer', kinds: ['developer', 'developerInSandbox', 'account'], send: asPerson(developer) },
    { name: 'an owner', kinds: ['owner', 'ownerInSandbox', 'account'], send: asPerson(owner) },
    { name: 'a viewer, in production', kinds: ['viewer', 'account'], send: asPerson(viewer, inProduction) },
    { name: 'a developer, in production', kinds: ['developer', 'account'], send: asPerson(developer, inProduction) },
    { name: 'an owner, in production', kinds: ['owner', 'account'], send: asPerson(owner, inProduction) },
    { name: 'somebody without a partner', kinds: ['account', 'newcomer'], send: asPerson(stranger) },
    { name: 'an admin', kinds: ['admin'], send: asPerson(admin) },
    { name: 'an admin, in production', kinds: ['admin'], send: asPerson(admin, inProduction) },
    { name: 'an admin by password only', kinds: ['admin'], send: asPerson(hasty) },
    {
      name: 'an admin by password only, in production',
      kinds: ['adminWithoutOtp'],
      send: asPerson(hasty, inProduction),
    },
  ];
}

/** What is in the tables, but for the log of requests, which keeps refusals too. */
async function writtenSoFar(): Promise<object> {
  const contents = Object.entries(await tableContents(t.sql));
  return Object.fromEntries(contents.filter(([table]) => !/^(?:request_log|dashboard_)/.test(table)));
}

/** Why a scope refuses a caller, by the rules of contract §3: how a request proves itself, then whom it speaks for, then their rights. */
function refusalOf([, , scope]: Route, caller: string): string {
  const isPerson = !/nobody|key/.test(caller);
  if (scope === 'widget')
    return caller.includes('the secret key') ? '401 INVALID_API_KEY' : '401 AUTHENTICATION_REQUIRED';
  if (!isPerson) {
    const isSigned = caller.endsWith('signed') && signedBy(scope) !== undefined;
    return isSigned ? '403 SECRET_KEY_REQUIRED' : '401 AUTHENTICATION_REQUIRED';
  }
  const isAdmin = caller.startsWith('an admin');
  if (isAdmin && scope === 'admins') return '401 OTP_REQUIRED';
  if (isAdmin || scope === 'admins' || scope === 'adminAccount' || scope === 'account')
    return '401 INVALID_ACCESS_TOKEN';
  if (caller === 'somebody without a partner') return '400 PARTNER_REQUIRED';
  const role = roles.find((one) => caller.includes(one)) ?? 'viewer';
  const isTooLow = roles.indexOf(role) < roles.indexOf(lowestRole(scope) ?? 'owner');
  return isTooLow ? '403 ROLE_REQUIRED' : '403 SECRET_KEY_REQUIRED';
}

const publishedCallers = ([method, path]: Route) =>
  document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]?.['x-roles'] ?? [];

test('every route lets in whom the published table names, and nobody else; and nothing is written', async () => {
  const faults: string[] = [];
  const before = await writtenSoFar();
  for (const route of t.table) {
    const [method, path] = route;
    const published = publishedCallers(route);
    expect(published.length, `${method} ${path}`).toBeGreaterThan(0);
    for (const { name, kinds, send } of callers) {
      const expected = published.includes('anyone') || kinds.some((kind) => published.includes(kind));
      const answer = await send(method, target(route));
      const wanted = expected ? 'let in' : refusalOf(route, name);
      const got = isLetIn(answer) ? 'let in' : `${answer.status} ${answer.body?.code}`;
      if (got !== wanted) faults.push(`${method} ${path} by ${name}: ${got}, not ${wanted}`);
    }
  }
  expect(faults).toEqual([]);
  expect(await writtenSoFar()).toEqual(before);
});

test('the table names every kind of caller that there is', () => {
  const named = new Set(Object.values(callersOf).flat());
  const tried = new Set(callers.flatMap(({ kinds }) => kinds));
  expect([...named].filter((kind) => kind !== 'anyone' && !tried.has(kind))).toEqual([]);
});

/** The routes that a kind of credential is for, and what each bad one must be answered there. */
async function expectRefused(
  isFor: (route: Route) => boolean,
  bad: readonly { name: string; code: ErrorCode; send: Send }[],
): Promise<void> {
  const routes = t.table.filter(isFor);
  expect(routes.length).toBeGreaterThan(0);
  const faults: string[] = [];
  for (const route of routes) {
    const [method, path] = route;
    for (const { name, code, send } of bad) {
      const { status, body } = await send(method, target(route));
      if (body?.code !== code)
        faults.push(`${method} ${path} by ${name}: ${status} ${String(body?.code)}, not ${code}`);
    }
  }
  expect(faults).toEqual([]);
}

async function newKeyPair(): Promise<TestPartner> {
  const { partnerId, environment } = t.partner;
  const wanted = { partnerId, environment, name: 'Another', createdAt: systemClock.now() };
  return { ...t.partner, keys: await t.sql.begin((tx) => createKey(tx, randomIds, t.secretBox, wanted)) };
}

test('keys that work no more, are unknown or belong to the other environment are refused on every route for keys', async () => {
  const [revoked, expired, live] = await Promise.all([
    newKeyPair(),
    newKeyPair(),
    t.newPartner({ environment: 'production' }),
  ]);
  const reference = ({ partnerId, keys }: TestPartner) => ({ partnerId, keyId: keys.id });
  await t.sql.begin((tx) => revokeKey(tx, reference(revoked), systemClock.now()));
  await t.sql.begin((tx) => setKeyExpiry(tx, reference(expired), systemClock.now()));
  const unknown = { ...t.partner, keys: { ...t.keys, secretKey: `sk_test_${randomBytes(32).toString('hex')}` } };
  const signedAs =
    (partner: TestPartner): Send =>
    (method, path) =>
      t.signed(method, path, undefined, { partner });
  await expectRefused(
    ([, , scope]) => signedBy(scope) !== undefined,
    [
      { name: 'a revoked key', code: 'INVALID_API_KEY', send: signedAs(revoked) },
      { name: 'an expired key', code: 'INVALID_API_KEY', send: signedAs(expired) },
      { name: 'an unknown key', code: 'INVALID_API_KEY', send: signedAs(unknown) },
      { name: 'a live key', code: 'WRONG_ENVIRONMENT', send: signedAs(live) },
    ],
  );
  const shown = ({ keys }: TestPartner) => withHeaders({ 'x-partner-key': keys.publicKey });
  await expectRefused(
    ([, , scope]) => scope === 'widget',
    [
      { name: 'a revoked key', code: 'INVALID_API_KEY', send: shown(revoked) },
      { name: 'an expired key', code: 'INVALID_API_KEY', send: shown(expired) },
      { name: 'a live key', code: 'WRONG_ENVIRONMENT', send: shown(live) },
      { name: 'a secret key', code: 'INVALID_API_KEY', send: withHeaders({ 'x-partner-key': t.keys.secretKey }) },
    ],
  );
});

const takesPeople = ([, , scope]: Route) => scope !== 'anyone' && scope !== 'widget';

test('access tokens that are expired, ended, forged or of another kind are refused on every route for people', async () => {
  const past = { now: () => new Date(systemClock.now().getTime() - 601_000) };
  const [ended, expired] = await Promise.all([
    t.newMember('owner'),
    personMaker({ sql: t.sql, secretBox: t.secretBox, clock: past })(),
  ]);
  await t.sql.begin((tx) => endSession(tx, ended.sessionId, 'LOG_OUT', systemClock.now()));
  const { accessToken } = await t.newMember('owner');
  const [header, payload, signature] = accessToken.split('.');
  const forged = Buffer.from(
    Buffer.from(payload ?? '', 'base64url')
      .toString()
      .replace('partner', 'admin'),
  );
  const none = Buffer.from('{"alg":"none","typ":"at+jwt","kid":"partner"}').toString('base64url');
  const code = 'INVALID_ACCESS_TOKEN';
  await expectRefused(takesPeople, [
    { name: 'an expired token', code, send: asPerson(expired) },
    { name: 'the token of a session that has ended', code, send: asPerson(ended) },
    { name: 'a forged token', code, send: bearer(`${header}.${forged.toString('base64url')}.${signature}`) },
    { name: 'an unsigned token', code, send: bearer(`${none}.${payload}.`) },
    { name: 'a secret key as a token', code, send: bearer(t.keys.secretKey) },
    { name: 'a password', code, send: withHeaders({ authorization: 'Basic b3duZXI6b3duZXI=' }) },
  ]);
});

test('members who have left, and members of other partners, see nothing of a partner', async () => {
  const [gone, stranger] = await Promise.all([t.newMember('owner'), t.newPartner({ poolTokens: 0 })]);
  const other = await t.newMember('owner', stranger);
  await t.sql.begin((tx) => leaveTeam(tx, t.partner.partnerId, gone.accountId));
  const named = { 'x-partner-id': publicId('ptn', t.partner.partnerId) };
  await expectRefused(
    // Who has left may begin anew with a partner of their own.
    (route) => isOfPartners(route) && route[2] !== 'keyMakers',
    [{ name: 'somebody who has left', code: 'PARTNER_REQUIRED', send: asPerson(gone) }],
  );
  await expectRefused(isOfPartners, [
    { name: 'somebody who has left and names the partner', code: 'NOT_FOUND', send: asPerson(gone, named) },
    { name: 'the owner of another partner', code: 'NOT_FOUND', send: asPerson(other, named) },
    {
      name: 'somebody who names what is no partner',
      code: 'NOT_FOUND',
      send: asPerson(other, { 'x-partner-id': 'ptn_1' }),
    },
    {
      name: 'somebody in no environment',
      code: 'INVALID_REQUEST',
      send: asPerson(other, { 'x-partner-environment': 'test' }),
    },
  ]);
});

test('seeded accounts never come near production data, and laptop mode has none', async () => {
  const seeded = await t.newPerson({ sandboxOnly: true });
  await expectRefused(takesPeople, [
    { name: 'a seeded account', code: 'SANDBOX_ONLY', send: asPerson(seeded, inProduction) },
  ]);
  const laptop = await startTestApp({ config: { laptop: true, rateLimitPerMinute: 0 }, shareDatabaseOf: t });
  const owner = await t.newMember('owner');
  const send: Send = (method, path) => laptop.by(owner, method, path, undefined, { environment: 'production' });
  await expectRefused(takesPeople, [{ name: 'an owner on a laptop', code: 'WRONG_HOST', send }]);
  await laptop.close();
});

/** What each route answers to one caller, where `expected` says what it must be. */
async function expectByRoute(
  isFor: (route: Route) => boolean,
  send: Send,
  expected: (route: Route) => ErrorCode | undefined,
): Promise<void> {
  const faults: string[] = [];
  for (const route of t.table.filter(isFor)) {
    const [method, path] = route;
    const answer = await send(method, target(route));
    const code = isLetIn(answer) ? undefined : answer.body?.code;
    if (code !== expected(route)) faults.push(`${method} ${path}: ${code}, not ${expected(route)}`);
  }
  expect(faults).toEqual([]);
}

const isOfPartners = ([, , scope]: Route) => lowestRole(scope) !== undefined;
const isForKeys = ([, , scope]: Route) => signedBy(scope) !== undefined;

test('a suspended partner reads and changes nothing, with keys and as people', async () => {
  const partner = await t.newPartner({ status: 'SUSPENDED', poolTokens: 0 });
  const owner = await t.newMember('owner', partner);
  const expected = ([method]: Route) => (method === 'GET' ? undefined : 'PARTNER_SUSPENDED');
  await expectByRoute(isForKeys, (method, path) => t.signed(method, path, undefined, { partner }), expected);
  await expectByRoute(isOfPartners, asPerson(owner), expected);
});

test('a partner without approval only reads live data, and keeps its keys, its team and the way to go live', async () => {
  const production = await startTestApp({
    config: { environment: 'production', rateLimitPerMinute: 0 },
    shareDatabaseOf: t,
  });
  const partner = await t.newPartner({ status: 'PENDING_APPROVAL', environment: 'production' });
  const owner = await t.newMember('owner', partner);
  // Actions answer 402 by themselves, since there is no pool (contract §2).
  const isOpen = ([method, path, scope]: Route) =>
    method === 'GET' || /\/actions\/(?:submit|batch)$/.test(path) || signedBy(scope) === undefined;
  const expected = (route: Route) => (isOpen(route) ? undefined : 'PARTNER_NOT_APPROVED');
  const signed: Send = (method, path) => production.signed(method, path, undefined, { partner });
  await expectByRoute(isForKeys, signed, expected);
  const byOwner: Send = (method, path) => production.by(owner, method, path);
  await expectByRoute((route) => isOfPartners(route) && route[2] !== 'submits', byOwner, expected);
  await production.close();
});

test('what the server answers beyond its table lets nobody further than the table does', async () => {
  const inTable = new Set(t.table.map(([method, path]) => `${method} ${path}`));
  const beyond = t.routes.filter(({ method, path }) => !inTable.has(`${method} ${path}`));
  const shown: string[] = [];
  for (const { method, path, scope } of beyond) {
    const url = path.replaceAll(/:\w+/g, 'x').replace('*', 'x');
    const { status } = await t.request({ method: method as 'GET', url });
    if (method === 'HEAD' && scope !== 'anyone') expect({ path, status }).toEqual({ path, status: 401 });
    else if (method === 'HEAD') expect(status, path).toBeLessThan(500);
    else shown.push(`${method} ${path} ${scope}`);
  }
  // Pages, files and preflights: all that is there without credentials and is not in the table.
  expect(shown.filter((one) => !/^(?:GET|OPTIONS) \S+ anyone$/.test(one))).toEqual([]);
  expect(shown.filter((one) => one.includes('/v1/') && !one.startsWith('OPTIONS /v1/partner/config '))).toEqual([]);
});

test('a route that is planted without a scope, or with one that nobody knows, does not build', async () => {
  const [first] = t.table;
  for (const scope of [undefined, 'everybody']) {
    const planted = ['GET', '/v1/partner/planted', scope, first?.[3]] as unknown as Route;
    const start = startTestApp({ table: [...t.table, planted], shareDatabaseOf: t });
    await expect(start).rejects.toThrow('the route GET /v1/partner/planted declares no scope');
  }
});
