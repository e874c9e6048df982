export { WebhookDeliverer } from './deliver-webhook.ts';
export { fanOut, passUnheard } from './fan-out.ts';
export { findFirstAnsweredDelivery, findFirstWebhookUrl } from './queries.ts';
export { webhookEndpoints } from './routes.ts';
