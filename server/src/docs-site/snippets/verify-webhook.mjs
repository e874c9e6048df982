import { createHmac, timingSafeEqual } from 'node:crypto';

// `rawBody` as it came in: before any JSON parser has touched it.
export function isFromSirGiving(rawBody, headers, secret) {
  const timestamp = headers['x-sir-timestamp'] ?? '';
  const isRecent = Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300;
  const mac = createHmac('sha256', secret).update(`${timestamp}.`).update(rawBody);
  const expected = Buffer.from(`sha256=${mac.digest('hex')}`);
  const given = Buffer.from(headers['x-sir-signature'] ?? '');
  return isRecent && given.length === expected.length && timingSafeEqual(given, expected);
}
