export { createPool } from './create-pool.ts';
export { fundPool, PoolFundingRefused } from './fund-pool.ts';
export { poolEndpoints } from './routes.ts';
