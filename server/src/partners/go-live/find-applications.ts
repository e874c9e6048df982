import type { GoLiveStanding } from '@sirgiving/contract';
import { ACCEPTABLE_USE_VERSION } from '@sirgiving/contract';
import type { Queryable } from '../../platform/db.ts';
import { rowId } from '../../platform/ids.ts';
import { type Page, type PageRequest, pageOf, pageOffset } from '../../platform/keyset-page.ts';
import { problem } from '../../platform/problem-json.ts';
import type { PartnerStatus } from '../partner.ts';
import { type ApplicationRow, applicationColumns, presentApplication } from './application.ts';

/** The newest application of a partner. */
export async function findLatestApplication(sql: Queryable, partnerId: string): Promise<ApplicationRow | undefined> {
  const [row] = await sql<ApplicationRow[]>`
    select ${applicationColumns(sql)} from go_live_applications
    where partner_id = ${partnerId}
    order by id desc limit 1`;
  return row;
}

/** Where a partner stands on its way to production. */
export async function readGoLive(sql: Queryable, partnerId: string): Promise<GoLiveStanding> {
  const [[partner], application] = await Promise.all([
    sql<{ status: PartnerStatus }[]>`select status from partners where id = ${partnerId}`,
    findLatestApplication(sql, partnerId),
  ]);
  if (partner === undefined) throw problem('NOT_FOUND', 'There is no such partner.');
  return {
    partnerStatus: partner.status,
    application: application === undefined ? null : presentApplication(application),
    acceptableUseVersion: ACCEPTABLE_USE_VERSION,
  };
}

/** For admins: an application of whatever partner, by its public id. */
export async function findApplication(sql: Queryable, id: string): Promise<ApplicationRow | undefined> {
  const [row] = await sql<ApplicationRow[]>`
    select ${applicationColumns(sql)} from go_live_applications where id = ${rowId('glv', id) ?? null}`;
  return row;
}

/** For admins: the applications of all partners, newest first; `present` shapes each. */
export async function listApplications<T>(
  sql: Queryable,
  filter: { status?: ApplicationRow['status'] },
  request: PageRequest,
  present: (row: ApplicationRow) => T,
): Promise<Page<T>> {
  const matching = sql`
    from go_live_applications where ${filter.status === undefined ? sql`true` : sql`status = ${filter.status}`}`;
  const [rows, counted] = await Promise.all([
    sql<ApplicationRow[]>`
      select ${applicationColumns(sql)} ${matching}
      ${request.before === undefined ? sql`` : sql`and id < ${request.before}`}
      order by id desc limit ${request.limit + 1} offset ${pageOffset(request)}`,
    request.page === undefined ? [] : sql<{ total: number }[]>`select count(*) as total ${matching}`,
  ]);
  return pageOf(request, rows, present, counted[0]?.total);
}
