import type { Logger } from 'pino';

/** What was started and has to be stopped again, the newest first. */
export interface Started {
  /** Notes how to stop what has just been started, and how long that may take. */
  push(name: string, stop: () => Promise<unknown>, limitMilliseconds?: number): void;
  /** Stops everything; a step that fails or takes too long does not keep the next ones from their turn. */
  stopAll(): Promise<void>;
}

// Leaves the rest some time of the 10 s in which a stop under load must have ended (bars.md).
const DEFAULT_LIMIT_MILLISECONDS = 8_000;

/** Collects what has been started. */
export function createStarted(log: Logger): Started {
  const steps: { name: string; stop: () => Promise<unknown>; limitMilliseconds: number }[] = [];
  let stopping: Promise<void> | undefined;
  const run = async () => {
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      try {
        if (!(await endsInTime(step.stop(), step.limitMilliseconds)))
          log.warn({ step: step.name }, 'not stopped in time');
      } catch (error) {
        log.error({ step: step.name, err: error }, 'not stopped cleanly');
      }
    }
  };
  return {
    push: (name, stop, limitMilliseconds = DEFAULT_LIMIT_MILLISECONDS) => {
      steps.push({ name, stop, limitMilliseconds });
    },
    stopAll: () => {
      stopping ??= run();
      return stopping;
    },
  };
}

async function endsInTime(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([work.then(() => true), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
