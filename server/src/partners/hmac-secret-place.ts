import type { SecretPlace } from '../platform/secret-box.ts';

/** Where the HMAC secret of a key lies: it opens for this key of this partner only. */
export function hmacSecretPlace(key: { partnerId: string; environment: string; id: string }): SecretPlace {
  return { purpose: 'hmac-secret', environment: key.environment, rowId: `${key.partnerId}/${key.id}` };
}
