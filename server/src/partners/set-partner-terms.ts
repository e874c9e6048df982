import type { PartnerFeature } from '@sirgiving/contract';
import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Tx } from '../platform/db.ts';
import { problem } from '../platform/problem-json.ts';
import type { RateLimitOverrides, Tier } from './partner.ts';

/** Gives a partner another tier, and with it other rate limits. Throws 404 NOT_FOUND. */
export async function setPartnerTier(tx: Tx, partnerId: string, tier: Tier): Promise<void> {
  const { count } = await tx`update partners set tier = ${tier} where id = ${partnerId}`;
  await changed(tx, count);
}

/** Sets what is enabled for a partner, in both environments. Throws 404 NOT_FOUND. */
export async function setPartnerFeatures(
  tx: Tx,
  partnerId: string,
  features: readonly PartnerFeature[],
): Promise<void> {
  const { count } = await tx`update partners set features = ${[...features]}::text[] where id = ${partnerId}`;
  await changed(tx, count);
}

/**
 * Sets how many requests a minute a partner has in each environment whatever its tier says; null: its tier's. Throws 404 NOT_FOUND.
 */
export async function setPartnerRateLimits(
  tx: Tx,
  partnerId: string,
  { sandbox, production }: RateLimitOverrides,
): Promise<void> {
  const { count } = await tx`
    update partners set sandbox_requests_per_minute = ${sandbox}, production_requests_per_minute = ${production}
    where id = ${partnerId}`;
  await changed(tx, count);
}

async function changed(tx: Tx, count: number): Promise<void> {
  if (count === 0) throw problem('NOT_FOUND', 'There is no such partner.');
  await raiseCredentialChanges(tx);
}
