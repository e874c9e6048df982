import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp, type TestPartner } from '../../../test/app.ts';
import { joinTeam, type TestPerson } from '../../../test/people.ts';
import { systemClock } from '../../platform/clock.ts';
import { publicId } from '../../platform/ids.ts';
import { purgeInvitations } from './purge-invitations.ts';

const MEMBERS = '/v1/partner/members';
const INVITATIONS = '/v1/partner/invitations';
const DAY_MILLISECONDS = 86_400_000;

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

async function newTeam(): Promise<{ partner: TestPartner; owner: TestPerson }> {
  const partner = await t.newPartner({ poolTokens: 0 });
  return { partner, owner: await t.newMember('owner', partner) };
}

const accountId = ({ accountId: id }: TestPerson) => publicId('acc', id);

/** The token in the newest mail to somebody. */
async function mailedToken(email: string): Promise<string> {
  const mail = (await t.mails()).find(({ to }) => to === email);
  const [, token] = /\/account\/invitation#([A-Za-z0-9_-]{43})/.exec(mail?.text ?? '') ?? [];
  if (token === undefined) throw new Error(`nothing was mailed to ${email}`);
  return token;
}

async function invite(owner: TestPerson, email: string, role = 'developer') {
  const answer = await t.by(owner, 'POST', INVITATIONS, { email, role });
  expect(answer.status, answer.text).toBe(201);
  return { invitation: answer.body, token: await mailedToken(email) };
}

describe('an invitation', () => {
  test('is mailed, shown to who has the link, and makes its account a member with the role', async () => {
    const { owner } = await newTeam();
    const email = 'Jane.Invited@Example.org';
    const { invitation, token } = await invite(owner, email);
    expect(invitation).toMatchObject({ id: expect.stringMatching(/^inv_/), email, role: 'developer' });
    const listed = await t.by(owner, 'GET', INVITATIONS);
    expect(listed.body.data).toEqual([invitation]);
    expect(listed.text).not.toContain(token);
    const shown = await t.request({ method: 'POST', url: `${INVITATIONS}/show`, payload: { token } });
    expect(shown.body).toMatchObject({ partner: { name: 'Test Partner' }, role: 'developer', email });

    const jane = await t.newPerson({ email: 'jane.invited@example.org' });
    const joined = await t.by(jane, 'POST', `${INVITATIONS}/accept`, { token });
    expect(joined).toMatchObject({ status: 200, body: { role: 'developer' } });
    const team = await t.by(jane, 'GET', MEMBERS);
    expect(team.body.data).toMatchObject([
      { id: accountId(owner), role: 'owner', isYou: false, email: owner.email },
      { id: accountId(jane), role: 'developer', isYou: true },
    ]);
    expect((await t.by(jane, 'POST', `${INVITATIONS}/accept`, { token })).status).toBe(404);
    expect((await t.by(owner, 'GET', INVITATIONS)).body.data).toEqual([]);
  });

  test('lets in nobody else who has the link, and nobody twice', async () => {
    const { owner } = await newTeam();
    const { token } = await invite(owner, 'meant@example.org');
    const stranger = await t.newPerson();
    const refused = await t.by(stranger, 'POST', `${INVITATIONS}/accept`, { token });
    expect(refused).toMatchObject({ status: 403, body: { code: 'INVITATION_NOT_YOURS' } });
    const meant = await t.newPerson({ email: 'meant@example.org' });
    const answers = await Promise.all([1, 2, 3].map(() => t.by(meant, 'POST', `${INVITATIONS}/accept`, { token })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
  });

  test('works no more once it is declined, taken back, replaced or too old', async () => {
    const { owner, partner } = await newTeam();
    const person = await t.newPerson({ email: 'often@example.org' });
    const isGone = async (token: string) => {
      const answers = [
        await t.by(person, 'POST', `${INVITATIONS}/accept`, { token }),
        await t.request({ method: 'POST', url: `${INVITATIONS}/show`, payload: { token } }),
        await t.request({ method: 'POST', url: `${INVITATIONS}/decline`, payload: { token } }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    };
    const declined = await invite(owner, person.email);
    const answer = await t.request({
      method: 'POST',
      url: `${INVITATIONS}/decline`,
      payload: { token: declined.token },
    });
    expect(answer.status).toBe(204);
    await isGone(declined.token);

    const revoked = await invite(owner, person.email);
    expect((await t.by(owner, 'DELETE', `${INVITATIONS}/${revoked.invitation.id}`)).status).toBe(204);
    expect((await t.by(owner, 'DELETE', `${INVITATIONS}/${revoked.invitation.id}`)).status).toBe(404);
    await isGone(revoked.token);

    const replaced = await invite(owner, person.email);
    await invite(owner, 'OFTEN@example.org', 'viewer');
    await isGone(replaced.token);

    const old = await invite(owner, person.email);
    await t.sql`
      update partner_invitations set expires_at = ${systemClock.now()}
      where partner_id = ${partner.partnerId} and status = 'PENDING'`;
    await isGone(old.token);
  });

  test('keeps no address once it is decided or too old', async () => {
    const { owner, partner } = await newTeam();
    const { token } = await invite(owner, 'forgotten@example.org');
    await t.request({ method: 'POST', url: `${INVITATIONS}/decline`, payload: { token } });
    await invite(owner, 'forgotten.too@example.org');
    const later = { now: () => new Date(systemClock.now().getTime() + 8 * DAY_MILLISECONDS) };
    await purgeInvitations(t.sql, later);
    const rows = await t.sql`select * from partner_invitations where partner_id = ${partner.partnerId}`;
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain('forgotten');
    const links = await t.sql`select from partner_invitation_lookup where partner_id = ${partner.partnerId}`;
    expect(links).toHaveLength(0);
  });

  test('is not for who belongs to the team, and at most 50 wait', async () => {
    const { owner, partner } = await newTeam();
    const again = await t.by(owner, 'POST', INVITATIONS, { email: owner.email.toUpperCase(), role: 'viewer' });
    expect(again).toMatchObject({ status: 409, body: { code: 'MEMBER_EXISTS' } });
    const now = systemClock.now();
    await t.sql`
      insert into partner_invitations (partner_id, id, email, email_key, role, invited_by, created_at, expires_at)
      select ${partner.partnerId}, gen_random_uuid(), 'x', 'x' || n, 'viewer', gen_random_uuid(), ${now},
        ${new Date(now.getTime() + DAY_MILLISECONDS)}
      from generate_series(1, 50) n`;
    const full = await t.by(owner, 'POST', INVITATIONS, { email: 'one.more@example.org', role: 'viewer' });
    expect(full.body.code).toBe('LIMIT_REACHED');
  });
});

describe('a role', () => {
  test('that is changed holds with the next request, and ends the member’s sessions', async () => {
    const { partner, owner } = await newTeam();
    const member = await t.newMember('developer', partner);
    const key = { name: 'x', environment: 'sandbox' };
    expect((await t.by(member, 'POST', '/v1/partner/keys', key)).status).toBe(201);
    const changed = await t.by(owner, 'PATCH', `${MEMBERS}/${accountId(member)}`, { role: 'viewer' });
    expect(changed).toMatchObject({ status: 200, body: { id: accountId(member), role: 'viewer' } });
    expect((await t.by(member, 'GET', '/v1/partner/keys')).body.code).toBe('INVALID_ACCESS_TOKEN');
    const same = await t.by(owner, 'PATCH', `${MEMBERS}/${accountId(owner)}`, { role: 'owner' });
    expect(same.status).toBe(200);
    expect((await t.by(owner, 'GET', MEMBERS)).status).toBe(200);
  });

  test('of who is removed or leaves is none', async () => {
    const { partner, owner } = await newTeam();
    const [removed, leaving] = [await t.newMember('developer', partner), await t.newMember('viewer', partner)];
    expect((await t.by(owner, 'DELETE', `${MEMBERS}/${accountId(removed)}`)).status).toBe(204);
    expect((await t.by(removed, 'GET', MEMBERS)).body.code).toBe('INVALID_ACCESS_TOKEN');
    expect((await t.by(leaving, 'POST', `${MEMBERS}/leave`)).status).toBe(204);
    expect((await t.by(leaving, 'GET', MEMBERS)).body.code).toBe('PARTNER_REQUIRED');
    expect((await t.by(owner, 'GET', MEMBERS)).body.data).toMatchObject([{ id: accountId(owner) }]);
    const gone = await t.by(owner, 'PATCH', `${MEMBERS}/${accountId(removed)}`, { role: 'owner' });
    expect(gone.status).toBe(404);
  });

  test('of the last owner cannot be given up, also when two go at once', async () => {
    const { partner, owner } = await newTeam();
    const path = `${MEMBERS}/${accountId(owner)}`;
    const attempts = [
      await t.by(owner, 'POST', `${MEMBERS}/leave`),
      await t.by(owner, 'DELETE', path),
      await t.by(owner, 'PATCH', path, { role: 'developer' }),
    ];
    expect(attempts.map(({ body }) => body.code)).toEqual(['LAST_OWNER', 'LAST_OWNER', 'LAST_OWNER']);
    const second = await t.newMember('owner', partner);
    const left = await Promise.all([owner, second].map((one) => t.by(one, 'POST', `${MEMBERS}/leave`)));
    expect(left.map(({ status }) => status).sort()).toEqual([204, 409]);
  });

  test('in several partners is told apart by X-Partner-Id', async () => {
    const [first, second] = [await newTeam(), await newTeam()];
    const person = first.owner;
    await joinTeam(t.sql, systemClock, second.partner.partnerId, person.accountId, 'viewer');
    const other = await startTestApp({ config: { rateLimitPerMinute: 0 }, shareDatabaseOf: t });
    const unnamed = await other.by(person, 'GET', MEMBERS);
    expect(unnamed).toMatchObject({ status: 400, body: { code: 'PARTNER_REQUIRED' } });
    const named = (partner: TestPartner, method: string, path: string, body?: unknown) =>
      other.by(person, method, path, body, { partnerId: partner.partnerId });
    expect((await named(first.partner, 'GET', MEMBERS)).body.data).toHaveLength(1);
    expect((await named(second.partner, 'GET', MEMBERS)).body.data).toHaveLength(2);
    const key = { name: 'x', environment: 'sandbox' };
    expect((await other.by(person, 'POST', '/v1/partner/keys', key)).body.code).toBe('PARTNER_REQUIRED');
    expect((await named(first.partner, 'POST', '/v1/partner/keys', key)).status).toBe(201);
    expect((await named(second.partner, 'POST', '/v1/partner/keys', key)).body.code).toBe('ROLE_REQUIRED');
    expect((await named(second.partner, 'POST', '/v1/partner/users', { externalUserId: 'a' })).body.code).toBe(
      'ROLE_REQUIRED',
    );
    const me = await other.by(person, 'GET', '/v1/partner/auth/me');
    expect(me.body.memberships).toMatchObject([{ role: 'owner' }, { role: 'viewer' }]);
    await other.close();
  });
});

test('a suspended partner’s team reads and changes nothing', async () => {
  const partner = await t.newPartner({ status: 'SUSPENDED', poolTokens: 0 });
  const owner = await t.newMember('owner', partner);
  expect((await t.by(owner, 'GET', MEMBERS)).status).toBe(200);
  const writes = await Promise.all([
    t.by(owner, 'POST', INVITATIONS, { email: 'a@example.org', role: 'viewer' }),
    t.by(owner, 'POST', '/v1/partner/keys', { name: 'x', environment: 'sandbox' }),
    t.by(owner, 'POST', '/v1/partner/users', { externalUserId: 'a' }),
  ]);
  expect(writes.map(({ body }) => body.code)).toEqual(['PARTNER_SUSPENDED', 'PARTNER_SUSPENDED', 'PARTNER_SUSPENDED']);
});
