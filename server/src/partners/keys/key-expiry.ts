import { problem } from '../../platform/problem-json.ts';

const LATEST = new Date('9999-12-31T23:59:59.999Z');

/** Reads the time at which a key is to stop working. Throws 400 `INVALID_REQUEST` for one that has passed. */
export function assertFuture(text: string, now: Date): Date {
  const time = new Date(text);
  if (time > now && time <= LATEST) return time;
  throw problem('INVALID_REQUEST', '`expiresAt` must be a time to come.', {
    errors: [{ path: '/expiresAt', message: 'must be a time to come' }],
  });
}
