import { ACCEPTABLE_USE_VERSION } from '@sirgiving/contract';
import { TOTP } from 'otpauth';
import { countEvents } from '../../src/dashboard/index.ts';
import { warnOfExpiringKeys } from '../../src/partners/index.ts';
import { publicId, randomIds, rowId } from '../../src/platform/ids.ts';
import { joinTeam } from '../people.ts';
import { silentLog } from '../webhook-setup.ts';
import type { Recording } from './recording.ts';

const AUTH = '/v1/partner/auth';
const KEYS = '/v1/partner/keys';
const TEAM = '/v1/partner/members';
const INVITATIONS = '/v1/partner/invitations';
const SAM = 'sam@bakery.example';
export const PASSWORD = 'nine loaves and a roll';
const NEW_PASSWORD = 'ten loaves and a bun';
const TOTP_PERIOD_MILLISECONDS = 31_000;
const HOUR_MILLISECONDS = 3_600_000;

export const application = {
  partnerName: 'Corner Bakery',
  legalEntity: 'Corner Bakery Ltd.',
  contactEmail: 'alerts@bakery.example',
  useCase: 'Customers get SIR for every loaf.',
  integrationModel: 'SERVER',
  expectedMonthlyActions: 20_000,
  expectedMonthlyTokens: 150_500,
  actionTypes: ['PURCHASE'],
  stakeholderModel: 'The customer gets it all.',
  allowedIps: ['192.0.2.0/24'],
  acceptableUse: { version: ACCEPTABLE_USE_VERSION, accepted: true },
};

/** What people do: an account, its partner's settings, keys and team, and the way to production. */
export async function recordPeople(recording: Recording): Promise<void> {
  const sam = await registerSam(recording);
  await keepSettings(recording, sam);
  await keepKeys(recording, sam);
  await gatherTeam(recording, sam);
  await goLive(recording, sam);
  await readOwnFigures(recording, sam);
  await proveByTotp(recording, AUTH, sam);
  await endSessions(recording, sam);
}

export type Headers = { authorization: string };

export const bearer = (token: unknown): Headers => ({ authorization: `Bearer ${token}` });

/** What a link of the newest mail to somebody ends in. */
export async function mailedToken({ app }: Recording, to: string): Promise<string> {
  const mail = (await app.mails()).find((one) => one.to === to);
  const [, token] = /#([A-Za-z0-9_-]{43})/.exec(mail?.text ?? '') ?? [];
  if (token === undefined) throw new Error(`nothing was mailed to ${to}`);
  return token;
}

/** Sam registers, becomes the owner of the recording's partner, and logs in. */
async function registerSam(recording: Recording): Promise<Headers> {
  const { app, clock, recordUnsigned: call } = recording;
  const person = { email: SAM, password: PASSWORD, firstName: 'Sam', lastName: 'Baker' };
  await call('A new account', 'POST', `${AUTH}/register`, person);
  const token = await mailedToken(recording, SAM);
  await call('The link of the mail', 'POST', `${AUTH}/verify-email`, { token });
  await call('The same link again', 'POST', `${AUTH}/verify-email`, { token });
  const [account] = await app.sql<{ id: string }[]>`select id from accounts where email_key = ${SAM}`;
  await joinTeam(app.sql, clock, app.partner.partnerId, account?.id ?? '', 'owner');
  await call('Another password', 'POST', `${AUTH}/login`, { email: SAM, password: NEW_PASSWORD });
  const logIn = { email: SAM, password: PASSWORD };
  const { body } = await call('An owner', 'POST', `${AUTH}/login`, logIn);
  const refreshed = await call('The next pair', 'POST', `${AUTH}/refresh`, { refreshToken: body.refreshToken });
  const sam = bearer(refreshed.body.accessToken);
  await call('Sam', 'GET', `${AUTH}/me`, undefined, sam);
  return sam;
}

async function keepSettings({ app, recordUnsigned: call }: Recording, sam: Headers): Promise<void> {
  const settings = {
    name: 'Corner Bakery',
    contactEmail: 'alerts@bakery.example',
    tipConfig: { enabled: true, defaultPercent: 10 },
  };
  await call('Name, contact and tips', 'PATCH', '/v1/partner/settings', settings, sam);
  await call('As they are now', 'GET', '/v1/partner/settings', undefined, sam);
  await call('A bakery', 'GET', `${KEYS}/partner-info`, undefined, sam);
  const widget = { 'x-partner-key': app.keys.publicKey };
  await call('For a widget', 'GET', '/v1/partner/config', undefined, widget);
}

async function keepKeys({ app, clock, recordUnsigned: call }: Recording, sam: Headers): Promise<void> {
  const wanted = { name: 'Shop server', environment: 'sandbox', allowedIps: ['192.0.2.0/24'] };
  const { body } = await call('Secrets are shown once', 'POST', KEYS, wanted, sam);
  const key = `${KEYS}/${body.id}`;
  await call('None of them shows a secret', 'GET', `${KEYS}?limit=2`, undefined, sam);
  await call('One of them', 'GET', key, undefined, sam);
  const expiresAt = new Date(clock.now().getTime() + 20 * HOUR_MILLISECONDS).toISOString();
  await call('It ends tomorrow', 'PATCH', key, { name: 'Old shop server', expiresAt }, sam);
  // What the worker does each minute; tomorrow, a key that lived for months would have been warned of.
  await app.sql`
    update api_keys set expiry_set_at = created_at - interval '90 days'
    where partner_id = ${app.partner.partnerId} and id = ${rowId('key', String(body.id)) ?? ''}`;
  await warnOfExpiringKeys({ sql: app.sql, environment: 'sandbox', clock, ids: randomIds, log: silentLog });
  await call('A day for both', 'POST', `${key}/rotate`, { overlapHours: 24 }, sam);
  await call('A successor has been made', 'POST', `${key}/rotate`, { overlapHours: 24 }, sam);
  await call('It stops within a second', 'DELETE', key, undefined, sam);
}

async function gatherTeam(recording: Recording, sam: Headers): Promise<void> {
  const { app, recordUnsigned: call } = recording;
  const invite = async (summary: string, email: string, role: string) => {
    const { body } = await call(summary, 'POST', INVITATIONS, { email, role }, sam);
    return { id: String(body.id), token: await mailedToken(recording, email) };
  };
  const kim = await app.newPerson({ email: 'kim@bakery.example' });
  const lou = await app.newPerson({ email: 'lou@bakery.example' });
  const toKim = await invite('A developer', kim.email, 'developer');
  const toLou = await invite('A viewer', lou.email, 'viewer');
  const toMax = await invite('Somebody else', 'max@bakery.example', 'viewer');
  await call('Who has been asked', 'GET', INVITATIONS, undefined, sam);
  await call('What the link is for', 'POST', `${INVITATIONS}/show`, { token: toKim.token });
  await call('No, thank you', 'POST', `${INVITATIONS}/decline`, { token: toMax.token });
  const again = await invite('Asked again', 'max@bakery.example', 'viewer');
  await call('Taken back', 'DELETE', `${INVITATIONS}/${again.id}`, undefined, sam);
  const accept = `${INVITATIONS}/accept`;
  await call('Of somebody else', 'POST', accept, { token: toKim.token }, bearer(lou.accessToken));
  await call('Kim joins', 'POST', accept, { token: toKim.token }, bearer(kim.accessToken));
  await call('Lou joins', 'POST', accept, { token: toLou.token }, bearer(lou.accessToken));
  await call('Sam, Kim and Lou', 'GET', TEAM, undefined, sam);
  const kimsPlace = `${TEAM}/${publicId('acc', kim.accountId)}`;
  await call('A viewer may not', 'PATCH', kimsPlace, { role: 'owner' }, bearer(lou.accessToken));
  await call('Kim becomes an owner', 'PATCH', kimsPlace, { role: 'owner' }, sam);
  await call('Lou leaves', 'POST', `${TEAM}/leave`, undefined, bearer(lou.accessToken));
  await call('Kim is no longer of the team', 'DELETE', kimsPlace, undefined, sam);
  await call('The last owner stays', 'POST', `${TEAM}/leave`, undefined, sam);
}

async function goLive({ app, recordUnsigned: call }: Recording, sam: Headers): Promise<void> {
  const path = '/v1/partner/go-live';
  await app.sql`update partners set status = 'PENDING_APPROVAL' where id = ${app.partner.partnerId}`;
  await call('Before an application', 'GET', path, undefined, sam);
  await call('What has been shown so far', 'GET', `${path}/checklist`, undefined, sam);
  await call('An application', 'POST', path, application, sam);
}

async function readOwnFigures({ app, clock, recordUnsigned: call }: Recording, sam: Headers): Promise<void> {
  await app.requestLog.flush();
  const requests = '/v1/partner/requests';
  const { body } = await call('What was refused', 'GET', `${requests}?status=422&limit=2`, undefined, sam);
  const [latest] = body.data as { id: string }[];
  await call('Why it was refused', 'GET', `${requests}/${latest?.id}`, undefined, sam);
  await countEvents({ sql: app.sql, environment: 'sandbox' });
  const until = clock.now().toISOString();
  await call('The last seven days', 'GET', '/v1/partner/dashboard/summary?days=7', undefined, sam);
  const hours = `interval=hour&since=2026-11-24T12:00:00.000Z&until=${until}`;
  await call('By the hour', 'GET', `/v1/partner/dashboard/timeseries?${hours}`, undefined, sam);
}

export async function proveByTotp(
  { clock, recordUnsigned: call }: Recording,
  auth: string,
  person: Headers,
): Promise<void> {
  const totp = `${auth}/totp`;
  const { body } = await call('A secret for the app', 'POST', totp, { password: PASSWORD }, person);
  const nextCode = () => {
    clock.advance(TOTP_PERIOD_MILLISECONDS);
    return new TOTP({ secret: String(body.secret) }).generate({ timestamp: clock.now().getTime() });
  };
  await call('The first code', 'POST', `${totp}/confirm`, { otp: nextCode() }, person);
  await call('A new code', 'POST', `${totp}/prove`, { otp: nextCode() }, person);
  await call('Off again', 'POST', `${totp}/disable`, { password: PASSWORD, otp: nextCode() }, person);
}

async function endSessions(recording: Recording, sam: Headers): Promise<void> {
  const { recordUnsigned: call } = recording;
  const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
  await call('A better one', 'POST', `${AUTH}/change-password`, passwords, sam);
  await call('By mail', 'POST', `${AUTH}/forgot-password`, { email: SAM });
  const token = await mailedToken(recording, SAM);
  await call('The link of the mail', 'POST', `${AUTH}/reset-password`, { token, password: PASSWORD });
  const again = { email: SAM, password: PASSWORD };
  const { body } = await call('With the new password', 'POST', `${AUTH}/login`, again);
  await call('Done for today', 'POST', `${AUTH}/logout`, { refreshToken: body.refreshToken });
}
