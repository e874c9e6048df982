import { createHmac, timingSafeEqual } from 'node:crypto';

// `rawBody` as it came in: before a JSON parser touched it.
export function isFromSirGiving(rawBody, headers, secret) {
  const timestamp = headers['x-sir-timestamp'] ?? '';
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!(age <= 300)) return false;

  const mac = createHmac('sha256', secret);
  const hex = mac.update(`${timestamp}.`).update(rawBody).digest('hex');
  const expected = Buffer.from(`sha256=${hex}`);
  const given = Buffer.from(headers['x-sir-signature'] ?? '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
