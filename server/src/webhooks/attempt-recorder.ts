import { type Attempt, type RecordDependencies, recordAttempts } from './record-attempts.ts';

/** Attempts of one partner that wait while those before them are being written. */
interface Waiting {
  readonly attempt: Attempt;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const MAX_BATCH = 200;

/**
 * Writes attempts down, those of a partner together: while one transaction is on its way the next ones gather, so that a busy
 * endpoint costs one commit for many deliveries and an idle one waits for nothing.
 */
export class AttemptRecorder {
  readonly #deps: RecordDependencies;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(deps: RecordDependencies) {
    this.#deps = deps;
  }

  /** Resolves once the attempt is committed (or was found to be no longer ours). Rejects with the database's error. */
  record(attempt: Attempt): Promise<void> {
    return new Promise((done, failed) => {
      const { partnerId } = attempt.delivery;
      const waiting = this.#waiting.get(partnerId);
      if (waiting !== undefined) {
        waiting.push({ attempt, done, failed });
        return;
      }
      const first = [{ attempt, done, failed }];
      this.#waiting.set(partnerId, first);
      void this.#write(partnerId, first);
    });
  }

  async #write(partnerId: string, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_BATCH);
      try {
        const attempts = batch.map(({ attempt }) => attempt);
        await recordAttempts(this.#deps, partnerId, attempts);
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#waiting.delete(partnerId);
  }
}
