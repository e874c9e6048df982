import { problem } from './problem-json.ts';

const READ_DEADLINE_MILLISECONDS = 4_500;

/** Gives a read up when the database hangs: nothing can have happened that its sender would have to know. Throws 503 `UNAVAILABLE`. */
export async function withinReadDeadline(reading: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        problem('UNAVAILABLE', 'The database does not answer. Nothing was written.', {
          headers: { 'Retry-After': '1' },
        }),
      );
    }, READ_DEADLINE_MILLISECONDS);
  });
  try {
    return await Promise.race([reading, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
