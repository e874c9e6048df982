import type { Balance, User } from '@sirgiving/contract';
import { type CreatedWindow, createdWithin } from '../platform/created-window.ts';
import type { Queryable } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../platform/keyset-page.ts';
import { problem } from '../platform/problem-json.ts';
import { presentUser, type UserRow } from './present-user.ts';

/** The columns of a UserRow. */
export const userColumns = (sql: Queryable) => sql`
  id, external_user_id as "externalUserId", email, first_name as "firstName", last_name as "lastName", metadata,
  created_at as "createdAt", updated_at as "updatedAt"`;

/** The 404 of a user; it tells nothing about users of other partners or of the other environment. */
export const noSuchUser = () => problem('NOT_FOUND', 'There is no user with this `externalUserId`.');

/** One user by the partner's own id. Throws 404 `NOT_FOUND`. */
export async function getUser(sql: Queryable, tenant: Tenant, externalUserId: string): Promise<User> {
  const [row] = await sql<UserRow[]>`
    select ${userColumns(sql)} from partner_users
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and external_user_id = ${externalUserId}
      and erased_at is null`;
  if (row === undefined) throw noSuchUser();
  return presentUser(row);
}

// An id has at most 255 characters, so nothing that begins with a prefix sorts behind the prefix and 255 times the last character.
const LAST_CHARACTER = '\u{10ffff}';
const MAX_EXTERNAL_ID_CHARACTERS = 255;

/**
 * The users of a tenant, newest first. `search` is the beginning of the external id: written as a range, since `like` with a
 * parameter would not use the index of a prepared statement.
 */
export async function listUsers(
  sql: Queryable,
  tenant: Tenant,
  filter: CreatedWindow & { search?: string },
  request: PageRequest,
): Promise<Page<User>> {
  const { search } = filter;
  const matching = sql`
    from partner_users
    where partner_id = ${tenant.partnerId} and environment = ${tenant.environment} and erased_at is null
      ${createdWithin(sql, filter)}
      ${search === undefined ? sql`` : sql`and external_user_id between ${search} and ${search + LAST_CHARACTER.repeat(MAX_EXTERNAL_ID_CHARACTERS)}`}`;
  const [rows, counted] = await Promise.all([
    sql<UserRow[]>`
      select ${userColumns(sql)} ${matching}
      ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, presentUser, counted[0]?.total);
}

interface BalanceRow {
  available: number | null;
  rewarded: number | null;
  reversed: number | null;
  redeemed: number | null;
}

/**
 * What a user has and had, in whole tokens, from the running totals of the user's account. Nothing is pending: vesting comes with
 * accounts of its own. Throws 404 `NOT_FOUND`.
 */
export async function readBalance(
  sql: Queryable,
  tenant: Tenant,
  externalUserId: string,
  asOf: Date,
): Promise<Balance> {
  const [row] = await sql<BalanceRow[]>`
    select a.balance as available, a.rewarded, a.reversed, a.redeemed
    from partner_users u
    left join ledger_accounts a
      on a.partner_id = ${tenant.partnerId} and a.environment = ${tenant.environment} and a.id = u.id and a.kind = 'user.available'
    where u.partner_id = ${tenant.partnerId} and u.environment = ${tenant.environment} and u.external_user_id = ${externalUserId}
      and u.erased_at is null`;
  if (row === undefined) throw noSuchUser();
  return {
    externalUserId,
    available: row.available ?? 0,
    pending: 0,
    lifetimeEarned: row.rewarded ?? 0,
    lifetimeReversed: row.reversed ?? 0,
    lifetimeRedeemed: row.redeemed ?? 0,
    asOf: asOf.toISOString(),
  };
}
