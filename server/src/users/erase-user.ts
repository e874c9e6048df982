import { lockBook } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import type { Tenant } from '../platform/endpoint.ts';
import { blankEvents, type ClearedTraces, forgetLeafHashes, keptAnswersAbout } from './clear-personal-traces.ts';
import { noSuchUser } from './queries.ts';

/**
 * Erases a person and keeps the books (docs/ledger.md): the user's row loses e-mail, names, metadata and the partner's own id, which is
 * free again; events name a marker in its place; the hashes that would tell the person's fields in a retry and the kept answers that
 * show them are deleted. Balances, ledger, traces and chains are untouched: they know the user by row id.
 *
 * `clearPersonalTraces` did the long part before. Every writer that names a user in events holds a pool of the tenant, so all of them
 * are locked first; then actions, then the user, in the order of every writer. What came meanwhile is cleared under these locks.
 * Throws 404 `NOT_FOUND`, also when another request erased the user meanwhile.
 */
export async function eraseUser(tx: Tx, tenant: Tenant, cleared: ClearedTraces, now: Date): Promise<void> {
  const { partnerId, environment } = tenant;
  const { person } = cleared;
  const pools = await tx<{ partnerId: string; id: string }[]>`
    select partner_id as "partnerId", id from token_pools where partner_id = ${partnerId} and environment = ${environment}`;
  await lockBook(tx, { pools });
  await forgetLeafHashes(tx, tenant, person, { after: cleared.actionsUntil, until: undefined });
  const erased = await tx`
    update partner_users
    set external_user_id = ${person.marker}, email = null, first_name = null, last_name = null, metadata = '{}', erased_at = ${now},
      updated_at = ${now}
    where partner_id = ${partnerId} and environment = ${environment} and id = ${person.userId}
      and external_user_id = ${person.externalUserId} and erased_at is null`;
  if (erased.count === 0) throw noSuchUser();
  // New statements: what waited for the user's row is seen now.
  await blankEvents(tx, tenant, person, { after: cleared.eventPosition, until: undefined });
  const lateAnswers = await keptAnswersAbout(tx, tenant, person, { after: cleared.keptAnswersUntil, until: undefined });
  await forgetKeptAnswers(tx, tenant, [...cleared.keptAnswerIds, ...lateAnswers]);
}

/** Answers that show the user, and the signatures that stand for them. */
async function forgetKeptAnswers(tx: Tx, tenant: Tenant, shown: readonly string[]): Promise<void> {
  if (shown.length === 0) return;
  await tx`
    delete from idempotent_requests
    where partner_id = ${tenant.partnerId} and (id = any(${[...shown]}::uuid[]) or replays_id = any(${[...shown]}::uuid[]))`;
}
