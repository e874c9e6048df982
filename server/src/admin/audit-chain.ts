import { createHash } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';

/** What the hash of an entry covers: all of it. Ids of rows are UUIDs. */
export interface ChainedEntry {
  sequence: number;
  id: string;
  actorKind: 'ADMIN' | 'OPERATOR';
  actorAccountId: string | null;
  action: string;
  environment: Environment;
  partnerId: string | null;
  target: string;
  reason: string | null;
  /** JSON, as it is stored. */
  before: string | null;
  after: string | null;
  requestId: string | null;
  createdAt: Date;
}

const CHAIN_VERSION = 1;

/** SHA-256(previous hash ‖ entry), the entry as a JSON array in this order, which leaves nothing to canonicalise. */
export function auditHash(previous: Uint8Array, entry: ChainedEntry): Buffer {
  const fields = [
    CHAIN_VERSION,
    entry.sequence,
    entry.id,
    entry.actorKind,
    entry.actorAccountId,
    entry.action,
    entry.environment,
    entry.partnerId,
    entry.target,
    entry.reason,
    entry.before,
    entry.after,
    entry.requestId,
    entry.createdAt.getTime(),
  ];
  return createHash('sha256').update(previous).update(JSON.stringify(fields)).digest();
}
