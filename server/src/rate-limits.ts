import type { Caller, Tenant } from './platform/caller.ts';
import type { Clock } from './platform/clock.ts';
import { type Counting, rateLimited } from './platform/count-request.ts';
import { createRateLimits } from './platform/rate-limit.ts';
import { addressToCount } from './platform/trusted-proxy.ts';

/** Requests a minute with a publishable key alone, per key and address (contract §4). */
export const WIDGET_REQUESTS_PER_MINUTE = 60;
/** And per key a part of what the partner has, so that nobody starves it with its public key. */
const WIDGET_PART_OF_PARTNER = 10;

/** Requests a minute of a person who speaks for no partner, or for SIR Giving. Ours: far more than anybody clicks. */
const ACCOUNT_REQUESTS_PER_MINUTE = 600;

/**
 * Requests a minute and address that are public, unsigned or wrongly signed. Ours, since the contract gives no figure: enough for an
 * office full of people who read the documentation, far too few to try keys or signatures.
 */
const ANONYMOUS_REQUESTS_PER_MINUTE = 600;

export interface Limits {
  /** The limits that a caller's requests count under; the first one counts first, and what it refuses costs the others nothing. */
  of(caller: Caller, ip: string): readonly Counting[];
  /** Counts a request of nobody in particular. Throws 429. */
  countAddress(ip: string): Promise<void>;
}

const partnerKey = ({ partnerId, environment }: Tenant) => `${partnerId}/${environment}`;

const NONE: readonly Counting[] = [];

/** `override` takes the place of every limit; 0: nothing is limited (contract §4, `SIR_RATE_LIMIT_PER_MINUTE`). */
export function createLimits(clock: Clock, override: number | undefined): Limits {
  if (override === 0) return { of: () => NONE, countAddress: async () => {} };
  const limits = () => {
    const limitOf = createRateLimits(clock);
    return (perMinute: number) => limitOf(override ?? perMinute);
  };
  const anonymous = limits()(ANONYMOUS_REQUESTS_PER_MINUTE);
  const accounts = limits()(ACCOUNT_REQUESTS_PER_MINUTE);
  const widgetAddresses = limits()(WIDGET_REQUESTS_PER_MINUTE);
  const partners = limits();
  const widgetKeys = limits();
  return {
    of: (caller, ip) => {
      switch (caller.kind) {
        case 'apiKey':
        case 'member':
          return [{ limit: partners(caller.requestsPerMinute), key: partnerKey(caller.tenant) }];
        case 'widget':
          return [
            { limit: widgetAddresses, key: `${caller.apiKeyId} ${addressToCount(ip)}` },
            { limit: widgetKeys(Math.ceil(caller.requestsPerMinute / WIDGET_PART_OF_PARTNER)), key: caller.apiKeyId },
          ];
        case 'account':
        case 'admin':
          return [{ limit: accounts, key: caller.accountId }];
      }
    },
    countAddress: async (ip) => {
      const standing = await anonymous.count(addressToCount(ip), 1);
      if (!standing.allowed) throw rateLimited(standing);
    },
  };
}
