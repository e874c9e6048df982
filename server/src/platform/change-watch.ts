import { askDatabase } from './ask-database.ts';

/** A look that began this long ago says nothing any more: that leaves 200 ms of the second that contract §2 allows. */
const LOOK_LIFE_MILLISECONDS = 800;
/** From this age on the next look is taken while the last one still counts, so that a busy process never waits for one. */
const LOOK_AGAIN_MILLISECONDS = 400;

/**
 * Follows the counter of credential changes; one for all caches of a process. Age is counted from before a look was sent, on the monotonic clock: everything that had
 * been committed by then is in it, however long the answer took.
 */
export class ChangeWatch {
  readonly #readCounter: () => PromiseLike<number>;
  readonly #onTurnedBack: (() => void)[] = [];
  #value = -1;
  #beganAt = Number.NEGATIVE_INFINITY;
  #seenAt = Number.NEGATIVE_INFINITY;
  #lookBeganAt = Number.NEGATIVE_INFINITY;
  #look: Promise<void> | undefined;

  constructor(readCounter: () => PromiseLike<number>) {
    this.#readCounter = readCounter;
  }

  /** `listener` is called when the counter has become smaller: the database was restored, and nothing known counts any more. */
  onTurnedBack(listener: () => void): void {
    this.#onTurnedBack.push(listener);
  }

  /** The counter's value if a look that began within the last 800 ms saw it. Starts the next look in the background when it is time. */
  freshValue(): number | undefined {
    const now = performance.now();
    const age = now - this.#beganAt;
    if (age >= LOOK_LIFE_MILLISECONDS) return undefined;
    if (age >= LOOK_AGAIN_MILLISECONDS && now - this.#lookBeganAt >= LOOK_AGAIN_MILLISECONDS) {
      // Nobody waits for it. If it fails, those who find nothing fresh ask again and are told.
      this.look().catch(() => {});
    }
    return this.#value;
  }

  /** Looks now, or joins the look that is under way. 503 UNAVAILABLE when the database does not answer. */
  look(): Promise<void> {
    this.#look ??= this.#start().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  /** Looks with a look that has not begun yet, so that it sees what was committed before this call. Never rejects. */
  async lookAnew(): Promise<void> {
    await this.#look?.catch(() => {});
    // Who asks next is told if the database does not answer.
    await this.look().catch(() => {});
  }

  /** Takes in a value that was read by a statement sent at `beganAt` (`performance.now()`). */
  observe(value: number, beganAt: number): void {
    if (value > this.#value) {
      this.#value = value;
      this.#beganAt = beganAt;
    } else if (value === this.#value) {
      this.#beganAt = Math.max(this.#beganAt, beganAt);
    } else if (beganAt < this.#seenAt) {
      // An older snapshot than one already seen: statements may overtake each other.
      return;
    } else {
      for (const listener of this.#onTurnedBack) listener();
      this.#value = value;
      this.#beganAt = beganAt;
    }
    this.#seenAt = performance.now();
  }

  async #start(): Promise<void> {
    const beganAt = performance.now();
    this.#lookBeganAt = beganAt;
    this.observe(await askDatabase(this.#readCounter), beganAt);
  }
}
