import { createHash } from 'node:crypto';

/** What the hash of a ledger transaction covers. No personal data: a person can be erased and the chain still verifies. */
export interface ChainedTransaction {
  partnerId: string;
  environment: string;
  poolId: string;
  sequence: number;
  id: string;
  kind: string;
  actionId: string | null;
  createdAt: Date;
  entries: readonly { accountId: string; amount: number }[];
}

export const CHAIN_VERSION = 1;

/** The head of a pool that has no transaction yet. */
export const GENESIS_HASH = Buffer.alloc(32);

/**
 * The RFC 8785 (JCS) form of a ledger transaction. Written out instead of calling a canonicaliser: every member is a UUID, a word or
 * an integer, so nothing needs escaping, and a reward costs 2 µs less. A test holds it against an RFC 8785 library.
 */
export function canonicalTransaction(t: ChainedTransaction): string {
  const entries = [...t.entries]
    .sort((a, b) => (a.accountId < b.accountId ? -1 : 1))
    .map((entry) => `{"accountId":"${entry.accountId}","amount":"${entry.amount}"}`)
    .join(',');
  const actionId = t.actionId === null ? 'null' : `"${t.actionId}"`;
  return (
    `{"actionId":${actionId},"createdAt":${t.createdAt.getTime()},"entries":[${entries}],"environment":"${t.environment}",` +
    `"id":"${t.id}","kind":"${t.kind}","partnerId":"${t.partnerId}","poolId":"${t.poolId}","sequence":${t.sequence},"v":${CHAIN_VERSION}}`
  );
}

/** SHA-256(previous hash ‖ canonical transaction). */
export function chainHash(previous: Uint8Array, transaction: ChainedTransaction): Buffer {
  return createHash('sha256').update(previous).update(canonicalTransaction(transaction)).digest();
}
