import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../test/app.ts';
import { joinTeam } from '../../test/people.ts';
import { systemClock } from '../platform/clock.ts';
import { randomIds } from '../platform/ids.ts';
import { createAccount } from './create-account.ts';
import { hashPassword } from './passwords.ts';

const FIRST = 'made by somebody else';
const OWN = 'chosen by the person';

let t: TestApp;
beforeAll(async () => {
  t = await startTestApp({ config: { rateLimitPerMinute: 0 } });
});
afterAll(() => t.close());

/** An owner and admin whose password somebody else has made. */
async function newPerson(email: string): Promise<void> {
  const createdAt = systemClock.now();
  const wanted = { email, passwordHash: await hashPassword(FIRST), isAdmin: true, mustChangePassword: true, createdAt };
  const accountId = (await t.sql.begin((tx) => createAccount(tx, randomIds, wanted))) ?? '';
  await joinTeam(t.sql, systemClock, t.partner.partnerId, accountId, 'owner');
}

const post = (path: string, payload: object, accessToken?: unknown) =>
  t.request({
    method: 'POST',
    url: path,
    payload,
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
  });

test.each(['partner', 'admin'])(
  'a first password opens nothing but its own change and the log-out: %s',
  async (host) => {
    const email = `first.${host}@example.org`;
    await newPerson(email);
    const auth = `/v1/${host}/auth`;
    const { status, body } = await post(`${auth}/login`, { email, password: FIRST });
    expect({ status, body }).toMatchObject({ status: 200, body: { account: { mustChangePassword: true } } });
    const authorization = `Bearer ${body.accessToken}`;
    const answered: string[] = [];
    for (const [method, path, scope] of t.table) {
      if (scope === 'anyone' || scope === 'widget' || !path.startsWith(`/v1/${host}/`)) continue;
      const url = path.replaceAll(/:\w+/g, 'x');
      const answer = await t.request({
        method,
        url,
        headers: { authorization },
        ...(method === 'GET' ? {} : { payload: {} }),
      });
      if (answer.status !== 403 || answer.body.code !== 'PASSWORD_CHANGE_REQUIRED') answered.push(`${method} ${path}`);
    }
    expect(answered).toEqual([`POST ${auth}/change-password`]);
    expect((await post(`${auth}/logout`, {}, body.accessToken)).status).toBe(204);

    const again = await post(`${auth}/login`, { email, password: FIRST });
    const change = (newPassword: string) =>
      post(`${auth}/change-password`, { currentPassword: FIRST, newPassword }, again.body.accessToken);
    expect(await change(FIRST)).toMatchObject({ status: 400, body: { errors: [{ path: '/newPassword' }] } });
    expect((await change(OWN)).status).toBe(204);
    const own = await post(`${auth}/login`, { email, password: OWN });
    expect(own.body).toMatchObject({ account: { mustChangePassword: false } });
    const me = await t.request({ url: `${auth}/me`, headers: { authorization: `Bearer ${own.body.accessToken}` } });
    expect(me.status).toBe(200);
  },
);

test('a password that was chosen by the link of a mail is the person’s own', async () => {
  const email = 'mailed@example.org';
  await newPerson(email);
  await post('/v1/partner/auth/forgot-password', { email });
  const [, token] = /#([\w-]{43})\n/.exec((await t.mails()).find(({ to }) => to === email)?.text ?? '') ?? [];
  expect((await post('/v1/partner/auth/reset-password', { token, password: OWN })).status).toBe(204);
  const { body } = await post('/v1/partner/auth/login', { email, password: OWN });
  expect(body).toMatchObject({ account: { mustChangePassword: false } });
});
