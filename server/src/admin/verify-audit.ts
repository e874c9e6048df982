import type { FindingList, LedgerCheck, Scope } from '../ledger/index.ts';
import { GENESIS_HASH, within } from '../ledger/index.ts';
import type { Tx } from '../platform/db.ts';
import { publicId } from '../platform/ids.ts';
import { auditHash, type ChainedEntry } from './audit-chain.ts';

const ENTRIES_AT_ONCE = 500;
const NO_PARTNER = 'none';

/** Of I14 that the audit log is whole and that each decision of an admin is in it. */
export const verifyAudit: LedgerCheck = {
  invariants: ['I14'],
  run: async (tx, scope, found) => {
    await checkAuditChain(tx, found);
    await checkDecisions(tx, scope, found);
  },
};

type StoredEntry = ChainedEntry & { previousHash: Buffer; hash: Buffer };

/** The chain goes through all environments and partners, so it is checked as a whole whatever the scope. */
async function checkAuditChain(tx: Tx, found: FindingList): Promise<void> {
  let previous: Buffer = GENESIS_HASH;
  let sequence = 0;
  const entries = tx<StoredEntry[]>`
    select sequence, id, actor_kind as "actorKind", actor_account_id as "actorAccountId", action, environment,
      partner_id as "partnerId", target, reason, before_change::text as before, after_change::text as after,
      request_id as "requestId", created_at as "createdAt", previous_hash as "previousHash", hash
    from audit_log order by sequence`;
  await entries.cursor(ENTRIES_AT_ONCE, (rows) => {
    for (const row of rows) {
      sequence += 1;
      const isNext = row.sequence === sequence && row.previousHash.equals(previous);
      if (!isNext || !row.hash.equals(auditHash(previous, row))) {
        const { partnerId, environment } = row;
        const detail = `the audit log is broken at entry ${row.sequence}: something before it is missing, or it was changed`;
        found.add({ invariant: 'I14', partnerId: partnerId ?? NO_PARTNER, environment, detail });
      }
      // Goes on from what is stored, so that one change is one finding.
      previous = row.hash;
      sequence = row.sequence;
    }
  });
  const [head] = await tx<{ sequence: number; hash: Buffer }[]>`select sequence, hash from audit_head`;
  if (head?.sequence !== sequence || !head.hash.equals(previous)) {
    const detail = `the audit log ends at entry ${sequence}, and its head says ${head?.sequence ?? 'nothing'}`;
    found.add({ invariant: 'I14', partnerId: NO_PARTNER, environment: 'production', detail });
  }
}

interface Decision {
  partnerId: string;
  environment: 'sandbox' | 'production';
  id: string;
  kind: 'preq' | 'glv';
  actorAccountId: string;
}

/** Each person who stands in a decision must have an entry about it. */
async function checkDecisions(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  let last: Decision | undefined;
  for (;;) {
    const decisions: Decision[] = await readDecisions(tx, scope, last);
    const targets = decisions.map(({ kind, id }) => publicId(kind, id));
    const audited = await tx<{ target: string; actorAccountId: string }[]>`
      select distinct target, actor_account_id as "actorAccountId" from audit_log where target = any (${targets}::text[])`;
    const known = new Set(audited.map(({ target, actorAccountId }) => `${target} ${actorAccountId}`));
    for (const { partnerId, environment, kind, id, actorAccountId } of decisions) {
      if (known.has(`${publicId(kind, id)} ${actorAccountId}`)) continue;
      const detail = `the decision of ${publicId('acc', actorAccountId)} about ${publicId(kind, id)} is not in the audit log`;
      found.add({ invariant: 'I14', partnerId, environment, detail });
    }
    last = decisions.at(-1);
    if (decisions.length < ENTRIES_AT_ONCE) return;
  }
}

/** The next decisions of people, in the order of their ids. */
function readDecisions(tx: Tx, scope: Scope, last: Decision | undefined) {
  return tx<Decision[]>`
    select * from (
      select r.partner_id as "partnerId", r.environment, r.id, 'preq' as kind, p.account_id as "actorAccountId"
      from token_pool_requests r
      cross join lateral (values (r.first_approved_by), (r.second_approved_by), (r.denied_by)) p (account_id)
      where p.account_id is not null and ${within(tx, scope, 'r')}
      union
      select g.partner_id, g.environment, g.id, 'glv', g.decided_by
      from (select *, 'production' as environment from go_live_applications) g
      where g.decided_by is not null and ${within(tx, scope, 'g')}
    ) d
    ${last === undefined ? tx`` : tx`where (d.id, d."actorAccountId") > (${last.id}, ${last.actorAccountId})`}
    order by d.id, d."actorAccountId" limit ${ENTRIES_AT_ONCE}`;
}
