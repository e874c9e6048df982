export { asPoolProblem, PoolFundingRefused } from './allocate-tokens.ts';
export { refillPools } from './auto-refill.ts';
export { closePool } from './close-pool.ts';
export { createPool } from './create-pool.ts';
export { approvePoolRequest, denyPoolRequest } from './decide-pool-request.ts';
export { filePoolRequest } from './file-pool-request.ts';
export { fundPool } from './fund-pool.ts';
export { findPoolRequest, listAllPoolRequests } from './list-pool-requests.ts';
export { poolBalances, settlePoolAlerts } from './pool-alerts.ts';
export {
  approvalsNeeded,
  type PoolRequest,
  presentPoolRequest,
  SANDBOX_SELF_APPROVAL_TOKENS,
  SECOND_APPROVAL_ABOVE_TOKENS,
} from './pool-request.ts';
export { findDefaultPoolId, readPool } from './queries.ts';
export { poolEndpoints } from './routes.ts';
export { withdrawTokens } from './withdraw-tokens.ts';
