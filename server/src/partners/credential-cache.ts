import { problem } from '../platform/problem-json.ts';
import { askDatabase, credentialsUnavailable } from './ask-database.ts';
import { ChangeWatch } from './change-watch.ts';
import type { Credential } from './credential.ts';
import type { FoundCredentials } from './find-credentials.ts';

/** What the cache asks the database. */
export interface CredentialSource {
  readCounter(): PromiseLike<number>;
  find(keys: readonly string[]): PromiseLike<FoundCredentials>;
}

interface Entry {
  credential: Credential;
  /** The counter's value in the snapshot that the credential was read in. */
  change: number;
}

interface Loading {
  promise: Promise<Entry | undefined>;
  resolve(entry: Entry | undefined): void;
  reject(reason: unknown): void;
}

/** About 1 kB each. Only keys that exist are kept, so that made-up ones cannot push them out. */
const MAX_ENTRIES = 10_000;
const MAX_KEYS_PER_STATEMENT = 256;
const MAX_KEYS_WAITING = 2_048;
/** A new round of asking begins only within this time, and a round takes at most 2 s more. */
const PATIENCE_MILLISECONDS = 2_000;

/**
 * Credentials of presented keys, warm in memory (contract §2). An entry counts only while the counter of credential changes, seen by a
 * look that began within the last 800 ms, has the value that it had in the entry's own snapshot. Looks and loads are shared by all
 * requests that wait: one look, one statement of loads at a time.
 */
export class CredentialCache {
  readonly #source: CredentialSource;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Loading>();
  readonly #queue: string[] = [];
  readonly #watch: ChangeWatch;
  #draining = false;

  constructor(source: CredentialSource) {
    this.#source = source;
    this.#watch = new ChangeWatch(
      () => source.readCounter(),
      () => this.#entries.clear(),
    );
  }

  /** How many keys it holds, for tests and metrics. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The credential of a key, undefined for an unknown one. At once when the cache is warm; else a promise, which rejects with 503
   * UNAVAILABLE when the database cannot be asked and with OVERLOADED when too many keys wait.
   */
  find(key: string): Credential | undefined | Promise<Credential | undefined> {
    const change = this.#watch.freshValue();
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.change === change) return entry.credential;
    return this.#ask(key);
  }

  async #ask(key: string): Promise<Credential | undefined> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS;
    do {
      const change = this.#watch.freshValue();
      const entry = this.#entries.get(key);
      if (entry !== undefined && entry.change === change) return entry.credential;
      if (entry !== undefined && change === undefined) {
        await this.#watch.look();
        continue;
      }
      const loaded = await this.#load(key);
      if (loaded === undefined) return undefined;
      if (loaded.change === this.#watch.freshValue()) return loaded.credential;
      // The answer took too long to count, or a newer change was seen meanwhile.
    } while (performance.now() < deadline);
    throw credentialsUnavailable();
  }

  #load(key: string): Promise<Entry | undefined> {
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay.promise;
    if (this.#loading.size >= MAX_KEYS_WAITING) {
      throw problem('OVERLOADED', 'Too many keys are being looked up.', { headers: { 'Retry-After': '1' } });
    }
    const loading = startLoading();
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
      const found = await askDatabase(() => this.#source.find(keys));
      this.#watch.observe(found.change, beganAt);
      for (const key of keys) this.#settle(key, found);
    } catch (error) {
      // Those behind them would ask the same database and wait as long again.
      for (const key of [...keys, ...this.#queue.splice(0)]) this.#take(key)?.reject(error);
    }
  }

  #settle(key: string, { change, byKey }: FoundCredentials): void {
    const credential = byKey.get(key);
    if (credential === undefined) {
      this.#entries.delete(key);
      this.#take(key)?.resolve(undefined);
    } else if (credential instanceof Error) {
      this.#take(key)?.reject(credential);
    } else {
      const entry = { credential, change };
      this.#keep(key, entry);
      this.#take(key)?.resolve(entry);
    }
  }

  #keep(key: string, entry: Entry): void {
    // What was loaded last stands last: the first is the one to give up.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= MAX_ENTRIES) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  #take(key: string): Loading | undefined {
    const loading = this.#loading.get(key);
    this.#loading.delete(key);
    return loading;
  }
}

function startLoading(): Loading {
  let resolve: Loading['resolve'] = () => {};
  let reject: Loading['reject'] = () => {};
  const promise = new Promise<Entry | undefined>((onEntry, onError) => {
    resolve = onEntry;
    reject = onError;
  });
  return { promise, resolve, reject };
}
