export { transactionEndpoints } from './routes.ts';
