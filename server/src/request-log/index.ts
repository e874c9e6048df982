export { RequestLog } from './log-requests.ts';
export { purgeRequests } from './purge-requests.ts';
export { requestLogEndpoints } from './routes.ts';
