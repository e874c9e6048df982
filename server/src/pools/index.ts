export { createPool } from './create-pool.ts';
export { fundPool, PoolFundingRefused } from './fund-pool.ts';
export { findDefaultPoolId } from './queries.ts';
export { poolEndpoints } from './routes.ts';
