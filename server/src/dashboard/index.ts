export { countEvents } from './count-events.ts';
export { dashboardEndpoints } from './routes.ts';
