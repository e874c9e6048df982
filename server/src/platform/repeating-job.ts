import type { Logger } from 'pino';

export interface Job {
  readonly name: string;
  readonly everyMilliseconds: number;
  run(): Promise<void>;
}

export interface RepeatingJob {
  /** Runs it now; when it is running already, once more right after. */
  wake(): void;
  /** Ends the repetition and waits for a run that is under way. */
  stop(): Promise<void>;
}

/**
 * Runs a job at once, then at intervals and whenever it is woken, never twice at the same time. A run that fails is logged and does not
 * end the repetition.
 */
export function repeatJob(job: Job, log: Pick<Logger, 'error'>): RepeatingJob {
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;
  const runAll = async () => {
    while (again && !stopped) {
      again = false;
      try {
        await job.run();
      } catch (error) {
        log.error({ err: error, job: job.name }, 'a background job failed');
      }
    }
  };
  const wake = () => {
    if (stopped) return;
    again = true;
    running ??= runAll().finally(() => {
      running = undefined;
    });
  };
  const timer = setInterval(wake, job.everyMilliseconds);
  wake();
  return {
    wake,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
