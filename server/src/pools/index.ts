export { type CreatedPool, createPool } from './create-pool.ts';
export { type FundedPool, fundPool, PoolFundingRefused } from './fund-pool.ts';
export { type PoolDependencies, poolEndpoints } from './routes.ts';
