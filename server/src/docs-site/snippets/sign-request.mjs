import { createHash, createHmac } from 'node:crypto';

// `path` with its query string, `body` exactly as it is sent.
export function signedHeaders({ method, path, body = '', key, hmacSecret }) {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const bodyHash = createHash('sha256').update(body).digest('hex');
  const payload = timestamp + method + path + bodyHash;
  const mac = createHmac('sha256', hmacSecret).update(payload);
  return {
    'X-Partner-Key': key,
    'X-Timestamp': timestamp,
    'X-Signature': mac.digest('hex'),
  };
}
