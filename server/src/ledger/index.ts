export { GENESIS_HASH } from './hash-chain.ts';
export {
  type Book,
  emptyBook,
  type LockedPool,
  lockAccounts,
  lockBook,
  lockUserAccounts,
  type PoolAlerts,
  readDefaultPools,
  singletonAccount,
} from './lock-book.ts';
export { openPoolAccounts, openUserAccounts } from './open-accounts.ts';
export { LedgerRuleBroken, postTransactions, type TransactionDraft } from './post-transactions.ts';
export { type FindingList, type LedgerCheck, type Scope, within } from './verify/findings.ts';
export { type VerificationReport, verifyLedger } from './verify/verify-ledger.ts';
