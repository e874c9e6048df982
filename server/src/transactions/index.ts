export { type TransactionDependencies, transactionEndpoints } from './routes.ts';
