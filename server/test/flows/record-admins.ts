import { publicId } from '../../src/platform/ids.ts';
import { application, bearer, type Headers, mailedToken, PASSWORD, proveByTotp } from './record-people.ts';
import type { Recording } from './recording.ts';

const AUTH = '/v1/admin/auth';
const ADMIN = '/v1/admin';
const AVA = 'ava@sirgiving.example';

/** What people of SIR Giving do, on the production host but for their sessions. */
export async function recordAdmins(recording: Recording): Promise<void> {
  const { app } = recording;
  await keepSession(recording);
  const ava = bearer((await app.newPerson({ email: 'ava.admin@sirgiving.example', admin: true })).accessToken);
  const ben = bearer((await app.newPerson({ email: 'ben@sirgiving.example', admin: true })).accessToken);
  const poolId = await decideApplications(recording, ava, ben);
  await moveTokens(recording, poolId, ava);
  await changePartner(recording, ava);
  await readOverview(recording, ben);
}

async function keepSession(recording: Recording): Promise<void> {
  const { app, recordUnsigned: call } = recording;
  const person = { email: AVA, password: PASSWORD };
  const post = (url: string, payload: object) => app.request({ method: 'POST', url, payload });
  await post('/v1/partner/auth/register', person);
  await post('/v1/partner/auth/verify-email', { token: await mailedToken(recording, AVA) });
  await app.sql`update accounts set is_admin = true where email_key = ${AVA}`;
  const { body } = await call('An admin', 'POST', `${AUTH}/login`, person);
  const refreshed = await call('The next pair', 'POST', `${AUTH}/refresh`, { refreshToken: body.refreshToken });
  const ava = bearer(refreshed.body.accessToken);
  await call('Ava', 'GET', `${AUTH}/me`, undefined, ava);
  await proveByTotp(recording, AUTH, ava);
  const passwords = { currentPassword: PASSWORD, newPassword: `${PASSWORD}, sliced` };
  await call('A better one', 'POST', `${AUTH}/change-password`, passwords, ava);
  const again = await post(`${AUTH}/login`, { ...person, password: passwords.newPassword });
  await call('Done for today', 'POST', `${AUTH}/logout`, { refreshToken: again.body.refreshToken });
}

/** The application of the recording's partner is approved, another one is denied; answers the pool that it came with. */
async function decideApplications(recording: Recording, ava: Headers, ben: Headers): Promise<string> {
  const { app, recordInProduction: call } = recording;
  const other = await app.newPartner({ status: 'PENDING_APPROVAL', poolTokens: 0 });
  const owner = await app.newMember('owner', other);
  const { body } = await app.by(owner, 'POST', '/v1/partner/go-live', { ...application, partnerName: 'Gift Mill' });
  const waiting = await call('Who waits', 'GET', `${ADMIN}/go-live?status=PENDING`, undefined, ava);
  const applications = waiting.body.data as { application: { id: string; partnerName: string } }[];
  const bakery = applications.find((one) => one.application.partnerName === 'Corner Bakery')?.application.id;
  const path = `${ADMIN}/go-live/${bakery}`;
  await call('The bakery’s', 'GET', path, undefined, ava);
  const terms = { identityChecked: true, tier: 'STANDARD', poolTokens: 60_000 };
  const approved = await call('With a smaller pool', 'POST', `${path}/approve`, terms, ava);
  await call('It is decided', 'POST', `${path}/deny`, { reason: 'Too late' }, ben);
  const reason = 'Nobody answers at the address.';
  await call('Told why', 'POST', `${ADMIN}/go-live/${body.id}/deny`, { reason }, ben);
  await call('What waits', 'GET', `${ADMIN}/pool-requests?status=PENDING&limit=2`, undefined, ben);
  const request = `${ADMIN}/pool-requests/${approved.body.poolRequestId}`;
  await call('The first pool of the bakery', 'GET', request, undefined, ben);
  await call('Its tokens', 'POST', `${request}/approve`, { reason: 'As agreed' }, ben);
  return String(approved.body.tokenPoolId);
}

async function moveTokens({ app, recordInProduction: call }: Recording, poolId: string, ava: Headers): Promise<void> {
  const pools = `${ADMIN}/partners/${publicId('ptn', app.partner.partnerId)}/token-pools`;
  const wanted = { tokens: 5_000, reason: 'The spring campaign' };
  const { body } = await call('Others have to approve', 'POST', `${pools}/${poolId}/fund`, wanted, ava);
  const request = `${ADMIN}/pool-requests/${body.poolRequestId}`;
  await call('Who asked does not approve', 'POST', `${request}/approve`, {}, ava);
  await call('A slip', 'POST', `${request}/deny`, { reason: 'It was meant for another pool' }, ava);
  const back = { tokens: 10_000, reason: 'The campaign was smaller' };
  await call('What is not needed', 'POST', `${pools}/${poolId}/withdraw`, back, ava);
  const extra = { name: 'Summer', reason: 'A campaign of its own' };
  const made = await call('A second pool', 'POST', pools, extra, ava);
  await call('It is over', 'POST', `${pools}/${made.body.id}/close`, { reason: 'The summer is over' }, ava);
}

async function changePartner({ app, recordInProduction: call }: Recording, ava: Headers): Promise<void> {
  const { partnerId, keys } = app.partner;
  await call('The first page of one', 'GET', `${ADMIN}/partners?limit=1`, undefined, ava);
  const partner = `${ADMIN}/partners/${publicId('ptn', partnerId)}`;
  await call('The bakery', 'GET', partner, undefined, ava);
  const terms = { tier: 'PROFESSIONAL', reason: 'The new contract' };
  await call('A higher tier', 'PATCH', partner, terms, ava);
  const more = { rateLimitOverrides: { production: 20_000 }, reason: 'A sale over the weekend' };
  await call('More requests in production', 'PATCH', partner, more, ava);
  await call('Writes are refused within a second', 'POST', `${partner}/suspend`, { reason: 'Unpaid' }, ava);
  await call('All is well again', 'POST', `${partner}/approve`, { reason: 'Paid' }, ava);
  const sandbox = { ...ava, 'x-partner-environment': 'sandbox' };
  await call('Those of the sandbox', 'GET', `${partner}/keys?limit=1`, undefined, sandbox);
  const key = `${partner}/keys/${publicId('key', keys.id)}/revoke`;
  await call('It was in a public repository', 'POST', key, { reason: 'Leaked' }, sandbox);
}

async function readOverview({ app, recordInProduction: call }: Recording, ben: Headers): Promise<void> {
  await call('In production', 'GET', `${ADMIN}/issuance`, undefined, ben);
  const of = `partnerId=${publicId('ptn', app.partner.partnerId)}`;
  await call('The bakery’s books', 'GET', `${ADMIN}/ledger/verification?${of}`, undefined, ben);
  const former = await app.newPerson({ email: 'former@sirgiving.example', admin: true });
  const place = `${ADMIN}/admins/${publicId('acc', former.accountId)}`;
  await call('Somebody who has left', 'POST', `${place}/revoke`, { reason: 'Has left' }, ben);
  await call('The two latest changes', 'GET', `${ADMIN}/audit-log?limit=2`, undefined, ben);
}
