export { type DeliverDependencies, WebhookDeliverer } from './deliver-webhook.ts';
export { type FanOutDependencies, fanOut } from './fan-out.ts';
export { type WebhookDependencies, webhookEndpoints } from './routes.ts';
