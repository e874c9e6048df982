export { WebhookDeliverer } from './deliver-webhook.ts';
export { fanOut } from './fan-out.ts';
export { webhookEndpoints } from './routes.ts';
