import { askDatabase, credentialsUnavailable } from './ask-database.ts';
import type { ChangeWatch } from './change-watch.ts';
import { problem } from './problem-json.ts';

/** What one snapshot of the database said. */
export interface Found<Value> {
  /** The counter of credential changes in the same snapshot. */
  change: number;
  /** By presented key; unknown keys are not in it. One that cannot be read is there as its error. */
  byKey: Map<string, Value | Error>;
}

/** Looks up presented keys, all in one statement together with the counter. */
export type Find<Value> = (keys: readonly string[]) => PromiseLike<Found<Value>>;

interface Entry<Value> {
  value: Value;
  /** The counter's value in the snapshot that the value was read in. */
  change: number;
}

interface Loading<Value> {
  promise: Promise<Entry<Value> | undefined>;
  resolve(entry: Entry<Value> | undefined): void;
  reject(reason: unknown): void;
}

/** About 1 kB each. Only keys that exist are kept, so that made-up ones cannot push them out. */
const MAX_ENTRIES = 10_000;
const MAX_KEYS_PER_STATEMENT = 256;
const MAX_KEYS_WAITING = 2_048;
/** A new round of asking begins only within this time, and a round takes at most 2 s more. */
const PATIENCE_MILLISECONDS = 2_000;

/**
 * What presented credentials stand for, warm in memory (contract §2). An entry counts only while the counter of credential changes, seen by a
 * look that began within the last 800 ms, has the value that it had in the entry's own snapshot. Looks and loads are shared by all
 * requests that wait: one look, one statement of loads at a time.
 */
export class WatchedCache<Value> {
  readonly #find: Find<Value>;
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #loading = new Map<string, Loading<Value>>();
  readonly #queue: string[] = [];
  readonly #watch: ChangeWatch;
  #draining = false;

  constructor(changes: ChangeWatch, find: Find<Value>) {
    this.#watch = changes;
    this.#find = find;
    changes.onTurnedBack(() => this.#entries.clear());
  }

  /** How many keys it holds, for tests and metrics. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * What a key stands for, undefined for an unknown one. At once when the cache is warm; else a promise, which rejects with 503
   * UNAVAILABLE when the database cannot be asked and with OVERLOADED when too many keys wait.
   */
  find(key: string): Value | undefined | Promise<Value | undefined> {
    const change = this.#watch.freshValue();
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.change === change) return entry.value;
    return this.#ask(key);
  }

  async #ask(key: string): Promise<Value | undefined> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS;
    do {
      const change = this.#watch.freshValue();
      const entry = this.#entries.get(key);
      if (entry !== undefined && entry.change === change) return entry.value;
      if (entry !== undefined && change === undefined) {
        await this.#watch.look();
        continue;
      }
      const loaded = await this.#load(key);
      if (loaded === undefined) return undefined;
      if (loaded.change === this.#watch.freshValue()) return loaded.value;
      // The answer took too long to count, or a newer change was seen meanwhile.
    } while (performance.now() < deadline);
    throw credentialsUnavailable();
  }

  #load(key: string): Promise<Entry<Value> | undefined> {
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay.promise;
    if (this.#loading.size >= MAX_KEYS_WAITING) {
      throw problem('OVERLOADED', 'Too many keys are being looked up.', { headers: { 'Retry-After': '1' } });
    }
    const loading = startLoading<Value>();
    this.#loading.set(key, loading);
    this.#queue.push(key);
    if (!this.#draining) void this.#drain();
    return loading.promise;
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#queue.length > 0) await this.#loadTogether(this.#queue.splice(0, MAX_KEYS_PER_STATEMENT));
    this.#draining = false;
  }

  async #loadTogether(keys: readonly string[]): Promise<void> {
    const beganAt = performance.now();
    try {
      const found = await askDatabase(() => this.#find(keys));
      this.#watch.observe(found.change, beganAt);
      for (const key of keys) this.#settle(key, found);
    } catch (error) {
      // Those behind them would ask the same database and wait as long again.
      for (const key of [...keys, ...this.#queue.splice(0)]) this.#take(key)?.reject(error);
    }
  }

  #settle(key: string, { change, byKey }: Found<Value>): void {
    const value = byKey.get(key);
    if (value === undefined) {
      this.#entries.delete(key);
      this.#take(key)?.resolve(undefined);
    } else if (value instanceof Error) {
      this.#take(key)?.reject(value);
    } else {
      const entry = { value, change };
      this.#keep(key, entry);
      this.#take(key)?.resolve(entry);
    }
  }

  #keep(key: string, entry: Entry<Value>): void {
    // What was loaded last stands last: the first is the one to give up.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= MAX_ENTRIES) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  #take(key: string): Loading<Value> | undefined {
    const loading = this.#loading.get(key);
    this.#loading.delete(key);
    return loading;
  }
}

function startLoading<Value>(): Loading<Value> {
  let resolve: Loading<Value>['resolve'] = () => {};
  let reject: Loading<Value>['reject'] = () => {};
  const promise = new Promise<Entry<Value> | undefined>((onEntry, onError) => {
    resolve = onEntry;
    reject = onError;
  });
  return { promise, resolve, reject };
}
