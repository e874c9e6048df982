import type { IncomingHttpHeaders } from 'node:http';
import type { CreatedKey, CreateKey, Environment } from '@sirgiving/contract';
import { lockPerson, type Person } from '../../accounts/index.ts';
import type { AccountCaller } from '../../platform/caller.ts';
import { raiseCredentialChanges } from '../../platform/credential-changes.ts';
import type { Tx } from '../../platform/db.ts';
import type { Tenant } from '../../platform/endpoint.ts';
import type { Ids } from '../../platform/ids.ts';
import { problem } from '../../platform/problem-json.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import { canonicalAllowList } from '../allow-list.ts';
import {
  chooseMembership,
  isNewcomer,
  judgeEnvironment,
  judgePartnerAudience,
  judgeRole,
  readEnvironment,
} from '../bearer-request.ts';
import { createKey } from '../create-key.ts';
import { createPartner } from '../create-partner.ts';
import { judgePartner } from '../judge-partner.ts';
import { listMemberships } from '../memberships.ts';
import { addMember } from '../team/add-member.ts';
import { canonicalOrigins } from './allowed-origins.ts';
import { assertFuture } from './key-expiry.ts';
import { presentIssued } from './present-key.ts';

export interface IssueKeyDependencies {
  ids: Ids;
  secretBox: SecretBox;
  /** Laptop mode: sandbox data only. */
  laptop: boolean;
}

/** Who asks for a key, and how. */
export interface KeyRequest {
  caller: AccountCaller;
  headers: IncomingHttpHeaders;
  body: CreateKey;
  now: Date;
}

const MAX_KEYS = 50;
const ACCESS = { scope: 'developers', mutates: true, unapprovedMayCall: true } as const;

/**
 * Issues a key pair; a person's first one makes their partner, which waits for its approval (contract §2). The environment is that of
 * the body: a header that says another one is 400. Throws as the room of credentials does, and 409 `LIMIT_REACHED`.
 */
export async function issueKey(tx: Tx, deps: IssueKeyDependencies, request: KeyRequest): Promise<CreatedKey> {
  const { caller, headers, body } = request;
  judgePartnerAudience(caller);
  assertSameEnvironment(readEnvironment(headers), body.environment);
  judgeEnvironment(body.environment, caller, deps.laptop);
  const person = await lockPerson(tx, caller.accountId);
  if (person === undefined) throw problem('INVALID_ACCESS_TOKEN', 'This account is no more. Log in again.');
  const { partnerId, isNew } = await partnerOf(tx, deps.ids, person, request);
  const issued = await issueFor(tx, deps, { partnerId, environment: body.environment }, request);
  // Caches know that the person belonged to nobody.
  if (isNew) await raiseCredentialChanges(tx);
  return issued;
}

function assertSameEnvironment(named: Environment | undefined, wanted: Environment): void {
  if (named === undefined || named === wanted) return;
  const message = `differs from environment of the body, which decides: ${wanted}`;
  throw problem('INVALID_REQUEST', `X-Partner-Environment ${message}.`, {
    errors: [{ path: 'X-Partner-Environment', message }],
  });
}

/** The person's row is locked, so that two first keys at once make one partner. */
async function partnerOf(
  tx: Tx,
  ids: Ids,
  person: Person,
  { headers, body, now }: KeyRequest,
): Promise<{ partnerId: string; isNew: boolean }> {
  const memberships = await listMemberships(tx, person.id);
  if (isNewcomer(memberships, headers)) {
    const name = body.partnerName ?? nameOf(person);
    const { sandboxOnly } = person;
    const partner = await createPartner(tx, ids, { name, status: 'PENDING_APPROVAL', sandboxOnly, createdAt: now });
    await addMember(tx, { partnerId: partner.id, accountId: person.id, role: 'owner' }, now);
    return { partnerId: partner.id, isNew: true };
  }
  const membership = chooseMembership(memberships, headers);
  judgeRole(membership.role, 'developer');
  judgePartner(membership.partner, body.environment, ACCESS);
  return { partnerId: membership.partnerId, isNew: false };
}

function nameOf({ firstName, lastName, email }: Person): string {
  const name = [firstName, lastName].filter((part) => part !== null).join(' ');
  return name === '' ? (email?.split('@')[0] ?? 'My company') : name;
}

async function issueFor(
  tx: Tx,
  deps: IssueKeyDependencies,
  tenant: Tenant,
  { caller, body, now }: KeyRequest,
): Promise<CreatedKey> {
  const { partnerId, environment } = tenant;
  const { name } = body;
  const expiresAt = body.expiresAt === undefined ? undefined : assertFuture(body.expiresAt, now);
  const startsWith = await assertRoomForOne(tx, tenant);
  const allowedIps = body.allowedIps === undefined ? startsWith : canonicalAllowList(body.allowedIps);
  const allowedOrigins = canonicalOrigins(body.allowedOrigins ?? [], environment);
  const lists = { allowedIps, allowedOrigins };
  const wanted = { partnerId, environment, name, createdAt: now, expiresAt, createdBy: caller.accountId, ...lists };
  const issued = await createKey(tx, deps.ids, deps.secretBox, wanted);
  return presentIssued(tenant, issued, { name, createdAt: now, expiresAt });
}

/** Answers the addresses that a new key of this environment starts with. The partner's row makes those who count take turns. */
async function assertRoomForOne(tx: Tx, { partnerId, environment }: Tenant): Promise<string[]> {
  const [partner] = await tx<{ productionAllowedIps: string[]; sandboxOnly: boolean }[]>`
    select production_allowed_ips as "productionAllowedIps", sandbox_only as "sandboxOnly"
    from partners where id = ${partnerId} for no key update`;
  if (partner === undefined) throw new Error(`there is no partner ${partnerId}`);
  if (environment === 'production' && partner.sandboxOnly) {
    throw problem('SANDBOX_ONLY', 'This partner was made for trying things out: it has sandbox data only.');
  }
  const [counted] = await tx<{ count: number }[]>`
    select count(*) as count from api_keys
    where partner_id = ${partnerId} and environment = ${environment} and revoked_at is null`;
  if ((counted?.count ?? 0) >= MAX_KEYS) {
    throw problem('LIMIT_REACHED', `A partner has at most ${MAX_KEYS} keys per environment that are not revoked.`);
  }
  return environment === 'production' ? partner.productionAllowedIps : [];
}
