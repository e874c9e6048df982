import type { Environment } from '@sirgiving/contract';
import type { Tx } from '../../platform/db.ts';
import { chainHash, GENESIS_HASH } from '../hash-chain.ts';
import { addAll, type FindingList, type LedgerCheck, type Scope, within } from './findings.ts';

interface ChainRow {
  partnerId: string;
  environment: Environment;
  poolId: string;
  sequence: number;
  id: string;
  kind: string;
  actionId: string | null;
  /** Milliseconds since 1970, with what stands below them. */
  createdAt: number;
  /** Hex. */
  hash: string;
  /** `account amount account amount …`, null where there is none. */
  entries: string | null;
}

function parseEntries(text: string | null): { accountId: string; amount: number }[] {
  const parts = text?.split(' ') ?? [];
  const entries: { accountId: string; amount: number }[] = [];
  for (let at = 0; at < parts.length; at += 2) {
    entries.push({ accountId: parts[at] ?? '', amount: Number(parts[at + 1]) });
  }
  return entries;
}

const GENESIS = GENESIS_HASH.toString('hex');

/**
 * Follows chains row by row. The next hash is computed from the one that is stored, not from the one that should be: a changed row is
 * then one finding, and what comes after it is still checked.
 */
class ChainWalk {
  private poolId: string | undefined;
  private sequence = 0;
  private hash = GENESIS;

  constructor(private readonly found: FindingList) {}

  step(row: ChainRow): void {
    if (row.poolId !== this.poolId) {
      this.poolId = row.poolId;
      this.sequence = 0;
      this.hash = GENESIS;
    }
    const { partnerId, environment, sequence } = row;
    const report = (what: string) => {
      this.found.add({
        invariant: 'I12',
        partnerId,
        environment,
        detail: `transaction ${row.id} (${row.kind}) ${what}`,
      });
    };
    if (sequence !== this.sequence + 1) {
      report(`is number ${sequence} of pool ${row.poolId}, after number ${this.sequence}`);
    }
    const transaction = { ...row, createdAt: new Date(row.createdAt), entries: parseEntries(row.entries) };
    // What is below a millisecond is not hashed, and nothing of ours writes it.
    if (!Number.isInteger(row.createdAt) || chainHash(this.hash, transaction) !== row.hash) {
      report(`does not have the hash of what it says (number ${sequence} of pool ${row.poolId})`);
    }
    this.sequence = sequence;
    this.hash = row.hash;
  }
}

/**
 * Every transaction in the order of its chain. Its entries come with it as one text: a row per entry would double what is parsed here,
 * and this, not PostgreSQL, is what the check waits for.
 */
function readChains(tx: Tx, scope: Scope) {
  return tx<ChainRow[]>`
    select t.partner_id as "partnerId", t.environment, t.pool_id as "poolId", t.sequence, t.id, t.kind, t.action_id as "actionId",
      (extract(epoch from t.created_at) * 1000)::float8 as "createdAt", encode(t.hash, 'hex') as hash, e.entries
    from ledger_transactions t
    cross join lateral (
      select string_agg(e.account_id || ' ' || e.amount, ' ') as entries
      from ledger_entries e where e.partner_id = t.partner_id and e.transaction_id = t.id
    ) e
    where ${within(tx, scope, 't')}
    order by t.partner_id, t.pool_id, t.sequence`;
}

async function checkHashes(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  const walk = new ChainWalk(found);
  await readChains(tx, scope).forEach((row) => {
    walk.step(row);
  });
}

/** The head that the next transaction will be chained to is the last transaction there is. */
function checkHeads(tx: Tx, scope: Scope, found: FindingList): Promise<void> {
  return addAll(
    found,
    tx`
    select 'I12' as invariant, p.partner_id as "partnerId", p.environment,
      format('the head of pool %s is number %s with hash %s; its last transaction is number %s with hash %s', p.id, p.head_sequence,
        encode(p.head_hash, 'hex'), coalesce(t.sequence, 0), coalesce(encode(t.hash, 'hex'), 'none')) as detail
    from token_pools p
    left join lateral (
      select t.sequence, t.hash from ledger_transactions t
      where t.partner_id = p.partner_id and t.pool_id = p.id
      order by t.sequence desc
      limit 1
    ) t on true
    where ${within(tx, scope, 'p')}
      and (p.head_sequence, p.head_hash) is distinct from (coalesce(t.sequence, 0), coalesce(t.hash, ${GENESIS_HASH}))`,
  );
}

/** Each pool's chain: numbers without a gap, every hash, the head. */
export const checkChains: LedgerCheck = {
  invariants: ['I12'],
  run: async (tx, scope, found) => {
    await checkHashes(tx, scope, found);
    await checkHeads(tx, scope, found);
  },
};
