export * from './actions.ts';
export * from './common.ts';
export * from './error-catalog.ts';
export * from './events.ts';
export * from './token-pools.ts';
export * from './transactions.ts';
export * from './users.ts';
export * from './webhooks.ts';
