import { AMOUNT_DECIMALS, type Environment, type SubmitAction } from '@sirgiving/contract';
import { type Ids, rowId } from '../platform/ids.ts';
import type { FieldError } from '../platform/problem-json.ts';
import { decimalText } from '../platform/strict-json.ts';
import { canonicalLeaves, fingerprintOf, type Leaf, leafHashesJson } from './fingerprint.ts';

/** Where an action comes from; keys of different sources never meet. */
export type Source = 'api' | 'donation';

export interface SubmittedStakeholder {
  stakeholderTypeCode: string;
  externalUserId: string;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
}

/** A validated action on its way into a batch. */
export interface Submission {
  partnerId: string;
  environment: Environment;
  source: Source;
  idempotencyKey: string;
  /** The id that the action gets if this submission is the first with its key. */
  actionId: string;
  /** The canonical body in parts, to be told where another one differs. */
  leaves(): readonly Leaf[];
  /** Hex. */
  fingerprint: string;
  /** JSON; made on arrival, since inside of a batch it would keep the pool's lock waiting. */
  fingerprintLeaves: string;
  actionType: string;
  /** Decimal text, exactly as sent but for its form. */
  amount: string | null;
  currency: string | null;
  quantity: string | null;
  unit: string | null;
  occurredAt: Date | null;
  campaignId: string | null;
  stakeholders: readonly SubmittedStakeholder[];
  autoCreateUsers: boolean;
  metadata: Record<string, unknown>;
}

function decimalPlaces(value: number): number {
  return decimalText(String(value)).split('.')[1]?.length ?? 0;
}

/** What the JSON schema cannot say of an action's body; empty when all is well. Paths are JSON Pointers below `at`. */
export function faultsOf(body: SubmitAction, at = ''): FieldError[] {
  const faults: FieldError[] = [];
  for (const field of ['amount', 'quantity'] as const) {
    const value = body[field];
    if (value !== undefined && decimalPlaces(value) > AMOUNT_DECIMALS) {
      faults.push({ path: `${at}/${field}`, message: `must have at most ${AMOUNT_DECIMALS} decimals` });
    }
  }
  if ((body.amount === undefined) !== (body.currency === undefined)) {
    const missing = body.amount === undefined ? 'amount' : 'currency';
    faults.push({ path: `${at}/${missing}`, message: 'amount and currency come together or not at all' });
  }
  if ((body.quantity === undefined) !== (body.unit === undefined)) {
    const missing = body.quantity === undefined ? 'quantity' : 'unit';
    faults.push({ path: `${at}/${missing}`, message: 'quantity and unit come together or not at all' });
  }
  if (body.stakeholders.length > 1) {
    const seen = new Set<string>();
    body.stakeholders.forEach(({ stakeholderTypeCode, partnerUserId }, index) => {
      const pair = `${stakeholderTypeCode} ${partnerUserId}`;
      if (seen.has(pair))
        faults.push({
          path: `${at}/stakeholders/${index}`,
          message: 'the same user stands here twice in the same role',
        });
      seen.add(pair);
    });
  }
  return faults;
}

const decimalOrNull = (value: number | undefined) => (value === undefined ? null : decimalText(String(value)));

/** Takes a valid body apart for the recipe; money is decimal text from here on. */
export function submissionOf(
  tenant: { partnerId: string; environment: Environment },
  source: Source,
  body: SubmitAction,
  ids: Ids,
): Submission {
  const leaves = canonicalLeaves(body);
  const actionId = ids.uuid();
  return {
    partnerId: tenant.partnerId,
    environment: tenant.environment,
    source,
    idempotencyKey: body.idempotencyKey,
    actionId,
    leaves: () => canonicalLeaves(body),
    fingerprint: fingerprintOf(leaves),
    fingerprintLeaves: leafHashesJson(leaves, actionId),
    actionType: body.actionType,
    amount: decimalOrNull(body.amount),
    currency: body.currency ?? null,
    quantity: decimalOrNull(body.quantity),
    unit: body.unit ?? null,
    occurredAt: body.occurredAt === undefined ? null : new Date(body.occurredAt),
    campaignId: body.campaignId === undefined ? null : (rowId('cmp', body.campaignId) ?? null),
    stakeholders: body.stakeholders.map((stakeholder) => ({
      stakeholderTypeCode: stakeholder.stakeholderTypeCode,
      externalUserId: stakeholder.partnerUserId,
      email: stakeholder.userEmail ?? null,
      firstName: stakeholder.userFirstName ?? null,
      lastName: stakeholder.userLastName ?? null,
    })),
    autoCreateUsers: body.autoCreateUsers ?? true,
    metadata: body.metadata ?? {},
  };
}
