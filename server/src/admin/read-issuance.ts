import type { Environment, Issuance } from '@sirgiving/contract';
import type { Queryable } from '../platform/db.ts';

interface Sums {
  issued: number;
  inPools: number;
  redeemed: number;
  pools: number;
  requests: number;
  requestedTokens: number;
}

/** Where the tokens of an environment are. What is with users is the rest, so that their accounts need not be read. */
export async function readIssuance(sql: Queryable, environment: Environment): Promise<Issuance> {
  const [sums] = await sql<Sums[]>`
    select
      (select coalesce(-sum(balance), 0)::bigint from ledger_accounts
       where environment = ${environment} and kind = 'issuance') as issued,
      (select coalesce(sum(balance), 0)::bigint from ledger_accounts
       where environment = ${environment} and kind = 'redeemed') as redeemed,
      p.tokens as "inPools", p.count as pools, r.tokens as "requestedTokens", r.count as requests
    from (
      select coalesce(sum(a.balance), 0)::bigint as tokens, count(*) from token_pools p
      join ledger_accounts a on a.partner_id = p.partner_id and a.id = p.id
      where p.environment = ${environment}
    ) p, (
      select coalesce(sum(tokens), 0)::bigint as tokens, count(*) from token_pool_requests
      where environment = ${environment} and status = 'PENDING'
    ) r`;
  if (sums === undefined) throw new Error('sums have one row always');
  const { issued, inPools, redeemed, pools, requests, requestedTokens } = sums;
  const pendingRequests = { count: requests, tokens: requestedTokens };
  return { environment, issued, inPools, withUsers: issued - inPools - redeemed, redeemed, pools, pendingRequests };
}
