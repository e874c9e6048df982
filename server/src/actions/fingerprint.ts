import { hash } from 'node:crypto';
import type { SubmitAction } from '@sirgiving/contract';
import { decimalText } from '../platform/strict-json.ts';

export const FINGERPRINT_VERSION = 1;

/** A leaf of the canonical body: where it stands (JSON Pointer) and its canonical JSON text. */
export type Leaf = readonly [path: string, text: string];

const LEAF_HASH_CHARACTERS = 16;

/** Most objects here are written in order, and sorting costs more than looking. */
function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  return keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key) ? keys : keys.sort();
}

/** JSON Pointer (RFC 6901) of a member. */
function memberPath(path: string, key: string): string {
  return `${path}/${/[~/]/.test(key) ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key}`;
}

function collectLeaves(value: unknown, path: string, leaves: Leaf[]): void {
  if (value === undefined) return;
  if (typeof value === 'object' && value !== null) {
    const before = leaves.length;
    if (Array.isArray(value))
      for (const [index, item] of value.entries()) collectLeaves(item, `${path}/${index}`, leaves);
    else {
      const object = value as Record<string, unknown>;
      for (const key of sortedKeys(object)) collectLeaves(object[key], memberPath(path, key), leaves);
    }
    if (leaves.length > before) return;
  }
  leaves.push([path, typeof value === 'number' ? decimalText(String(value)) : JSON.stringify(value)]);
}

/**
 * The body as version 1 compares it: the schema's known fields with defaults filled in, keys sorted, numbers as plain decimals, array
 * order kept. The key itself is left out: two bodies are only ever compared under the same key. The field list of a version stays in
 * the tree for ever, since a retry is compared by the version that its first request was stored with.
 */
export function canonicalLeaves(body: SubmitAction): Leaf[] {
  const leaves: Leaf[] = [];
  const known = {
    actionType: body.actionType,
    amount: body.amount,
    autoCreateUsers: body.autoCreateUsers ?? true,
    campaignId: body.campaignId,
    currency: body.currency,
    metadata: body.metadata ?? {},
    occurredAt: body.occurredAt === undefined ? undefined : new Date(body.occurredAt).toISOString(),
    quantity: body.quantity,
    stakeholders: body.stakeholders.map((stakeholder) => ({
      partnerUserId: stakeholder.partnerUserId,
      stakeholderTypeCode: stakeholder.stakeholderTypeCode,
      userEmail: stakeholder.userEmail,
      userFirstName: stakeholder.userFirstName,
      userLastName: stakeholder.userLastName,
    })),
    unit: body.unit,
  };
  collectLeaves(known, '', leaves);
  return leaves;
}

/** SHA-256, hex, over the version and all leaves. JSON text holds no line feed, so the joined form is unambiguous. */
export function fingerprintOf(leaves: readonly Leaf[]): string {
  let text = `${FINGERPRINT_VERSION}`;
  for (const [path, value] of leaves) text += `\n${path}=${value}`;
  return hash('sha256', text, 'hex');
}

function leafHash([path, value]: Leaf, salt: string): string {
  return hash('sha256', `${salt}${path}=${value}`).slice(0, LEAF_HASH_CHARACTERS);
}

/**
 * A short salted hash per leaf, stored so that a later request with the same key and another body can be told which paths differ,
 * without keeping the personal data itself. Those of an erased person's fields can be deleted by path.
 */
export function saltedLeafHashes(leaves: readonly Leaf[], salt: string): Record<string, string> {
  return Object.fromEntries(leaves.map((leaf) => [leaf[0], leafHash(leaf, salt)]));
}

/** The same as JSON text. */
export function leafHashesJson(leaves: readonly Leaf[], salt: string): string {
  return `{${leaves.map((leaf) => `${JSON.stringify(leaf[0])}:"${leafHash(leaf, salt)}"`).join(',')}}`;
}

/** The paths at which a body differs from the one that was stored, sorted; a path that only one of them has differs too. */
export function differingPaths(leaves: readonly Leaf[], stored: Record<string, string>, salt: string): string[] {
  const now = saltedLeafHashes(leaves, salt);
  const paths = new Set([...Object.keys(now), ...Object.keys(stored)]);
  return [...paths].filter((path) => now[path] !== stored[path]).sort();
}
