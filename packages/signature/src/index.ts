export {
  EMPTY_BODY_HASH,
  isSha256Hex,
  parseTimestamp,
  type RequestToSign,
  type SignedParts,
  signedPayload,
  TIMESTAMP_TOLERANCE_SECONDS,
} from './canonical.ts';
export {
  hashBody,
  type RequestToVerify,
  signPayload,
  signRequest,
  verifyRequestSignature,
} from './request-signature.ts';
export {
  type ReceivedHeaders,
  signWebhook,
  verifyWebhook,
  type WebhookHeaders,
  type WebhookRefusal,
  type WebhookToSign,
  type WebhookToVerify,
  type WebhookVerdict,
} from './webhook-signature.ts';
