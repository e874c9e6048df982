export { GENESIS_HASH } from './hash-chain.ts';
export {
  type Book,
  emptyBook,
  type LockedAccount,
  type LockedPool,
  lockBook,
  lockDefaultPools,
  lockUserAccounts,
  singletonAccount,
  type TenantKey,
} from './lock-book.ts';
export { openPoolAccounts, openUserAccounts } from './open-accounts.ts';
export { LedgerRuleBroken, postTransactions, type TransactionDraft } from './post-transactions.ts';
