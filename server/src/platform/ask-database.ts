import { isDatabaseUnavailable } from './database-faults.ts';
import { type Problem, problem } from './problem-json.ts';

/** How long a request waits for one answer about its credentials. Sessions' own timeouts are longer, and a lost network has none. */
const PATIENCE_MILLISECONDS = 2_000;

/**
 * Waits for an answer of the database. What keeps it from answering, also in time, becomes 503 UNAVAILABLE with the cause inside:
 * without an answer nobody is let in, and nobody is turned away for good.
 */
export async function askDatabase<T>(ask: () => PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(credentialsUnavailable(`no answer within ${PATIENCE_MILLISECONDS} ms`));
    }, PATIENCE_MILLISECONDS);
  });
  try {
    return await Promise.race([ask(), timeout]);
  } catch (cause) {
    throw isDatabaseUnavailable(cause) ? credentialsUnavailable(cause) : cause;
  } finally {
    clearTimeout(timer);
  }
}

/** The 503 of a request whose credentials cannot be checked. */
export function credentialsUnavailable(cause?: unknown): Problem {
  const unavailable = problem('UNAVAILABLE', 'Your credentials cannot be checked right now. Nothing was done.', {
    headers: { 'Retry-After': '1' },
  });
  unavailable.cause = cause;
  return unavailable;
}
