import { inPortions } from './in-portions.ts';

/** What became of one item of a batch. `held`: someone else holds what it needs; `replan`: what it was planned on has changed. */
export type ItemOutcome<Result> = { result: Result } | { error: unknown } | { again: 'held' | 'replan' };

/** `shared` batches hold items of many keys and never wait for a lock; an `alone` batch holds one key and may wait. */
export type BatchMode = 'shared' | 'alone';

export interface CoalescerOptions<Item, Result> {
  /**
   * Runs a batch on the lane of that number and answers for each item, in order. Never rejects. `since` is when the oldest of them came
   * (`performance.now()`), so that the batch can end while its answer is still worth something.
   */
  run(items: readonly Item[], mode: BatchMode, lane: number, since: number): Promise<ItemOutcome<Result>[]>;
  sharedLanes: number;
  aloneLanes: number;
  maxItemsPerBatch: number;
  maxKeysPerBatch: number;
  maxQueuedItems: number;
  /** An item that has waited longer than this is taken by no lane any more; it is given `unavailable()`. */
  maxWaitMilliseconds: number;
  overloaded(): Error;
  unavailable(): Error;
}

export interface Settled<Result> {
  result: Result;
  /** From entering the queue to the start of the batch that decided. */
  waitedMilliseconds: number;
}

interface Waiting<Item, Result> {
  item: Item;
  enqueuedAt: number;
  replans: number;
  resolve(settled: Settled<Result>): void;
  reject(error: unknown): void;
}

interface Queue<Item, Result> {
  key: string;
  waiting: Waiting<Item, Result>[];
  running: boolean;
  /** When the key was first found held; undefined while it is free. */
  heldSince: number | undefined;
  skips: number;
  notBefore: number;
  /** Until when the key runs in batches of its own. */
  aloneUntil: number;
}

const SWEEP_MILLISECONDS = 250;
/**
 * While a shared batch runs, the next one begins when it would be full or when its oldest item has waited this long. Two half batches at once
 * cost more than one whole: with 64 connections over 200 partners 1.2 times as much of both cores.
 */
const SECOND_LANE_AFTER_MILLISECONDS = 25;
/** When the first of those that wait came; infinity where none does. */
function oldestOf(queues: readonly { waiting: readonly { enqueuedAt: number }[] }[]): number {
  return Math.min(...queues.map(({ waiting }) => waiting[0]?.enqueuedAt ?? Number.POSITIVE_INFINITY));
}

const HELD_RETRY_MILLISECONDS = 5;
const MAX_SKIPS = 3;
const MAX_HELD_MILLISECONDS = 50;
const MAX_REPLANS = 3;
/** A key that was contended keeps its own blocking batches for this long: the database's lock queue is fair, skipping is not. */
const CONTENDED_MILLISECONDS = 1_000;

/**
 * Gathers single items into batches, since one database transaction for many costs little more than one for one. Items of a key stay
 * in order and never run in two batches of this process at once. Keys take turns; a key that others hold delays no other key.
 */
export class Coalescer<Item, Result> {
  private readonly queues = new Map<string, Queue<Item, Result>>();
  private readonly freeLanes: Record<BatchMode, number[]>;
  private queued = 0;
  private pumpScheduled = false;
  private retryTimer: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly sweep: NodeJS.Timeout;

  constructor(private readonly options: CoalescerOptions<Item, Result>) {
    this.freeLanes = {
      shared: Array.from({ length: options.sharedLanes }, (_, lane) => lane),
      alone: Array.from({ length: options.aloneLanes }, (_, lane) => lane),
    };
    this.sweep = setInterval(() => this.giveUpOnLateItems(performance.now()), SWEEP_MILLISECONDS);
    this.sweep.unref();
  }

  /** Puts an item into the queue of its key; settles when a batch has decided it. `since` is when it came, if that was before. */
  submit(key: string, item: Item, since = performance.now()): Promise<Settled<Result>> {
    if (this.stopped) return Promise.reject(this.options.unavailable());
    if (this.queued >= this.options.maxQueuedItems) return Promise.reject(this.options.overloaded());
    return new Promise((resolve, reject) => {
      this.queueOf(key).waiting.push({ item, enqueuedAt: since, replans: 0, resolve, reject });
      this.queued += 1;
      this.schedulePump();
    });
  }

  /** A key whose item upset a shared batch runs alone for a while, so that it cannot hurt others again. */
  isolate(key: string, milliseconds: number): void {
    const queue = this.queueOf(key);
    queue.aloneUntil = Math.max(queue.aloneUntil, performance.now() + milliseconds);
  }

  /** Takes nothing new and waits until everything taken is decided. */
  async stop(): Promise<void> {
    this.stopped = true;
    while (this.queues.size > 0) {
      const running = [...this.queues.values()].some((queue) => queue.running || queue.waiting.length > 0);
      if (!running) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    clearInterval(this.sweep);
    clearTimeout(this.retryTimer);
  }

  private queueOf(key: string): Queue<Item, Result> {
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = { key, waiting: [], running: false, heldSince: undefined, skips: 0, notBefore: 0, aloneUntil: 0 };
      this.queues.set(key, queue);
    }
    return queue;
  }

  /** After the events of this turn of the loop: what arrived together goes together. */
  private schedulePump(): void {
    if (this.pumpScheduled) return;
    this.pumpScheduled = true;
    setImmediate(() => {
      this.pumpScheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    const now = performance.now();
    this.giveUpOnLateItems(now);
    this.startAlone(now);
    this.startShared(now);
    this.scheduleRetry(now);
  }

  private isReady(queue: Queue<Item, Result>, now: number): boolean {
    return !queue.running && queue.waiting.length > 0 && queue.notBefore <= now;
  }

  private runsAlone(queue: Queue<Item, Result>, now: number): boolean {
    const heldTooLong = queue.heldSince !== undefined && now - queue.heldSince >= MAX_HELD_MILLISECONDS;
    return queue.skips >= MAX_SKIPS || heldTooLong || queue.aloneUntil > now;
  }

  private startAlone(now: number): void {
    for (const queue of this.queues.values()) {
      if (this.freeLanes.alone.length === 0) return;
      if (!this.isReady(queue, now) || !this.runsAlone(queue, now)) continue;
      this.start('alone', [{ queue, taken: queue.waiting.splice(0, this.options.maxItemsPerBatch) }]);
    }
  }

  private startShared(now: number): void {
    while (this.freeLanes.shared.length > 0) {
      const ready: Queue<Item, Result>[] = [];
      for (const queue of this.queues.values()) {
        if (ready.length === this.options.maxKeysPerBatch) break;
        if (this.isReady(queue, now) && !this.runsAlone(queue, now)) ready.push(queue);
      }
      if (ready.length === 0 || !this.isWorthALane(ready, now)) return;
      let room = this.options.maxItemsPerBatch;
      const fairShare = Math.max(1, Math.floor(room / ready.length));
      const parts = ready.map((queue) => {
        const taken = queue.waiting.splice(0, fairShare);
        room -= taken.length;
        return { queue, taken };
      });
      for (const part of parts) {
        const more = part.queue.waiting.splice(0, room);
        room -= more.length;
        part.taken.push(...more);
        // To the end of the line, so that the next batch begins with other keys.
        this.queues.delete(part.queue.key);
        this.queues.set(part.queue.key, part.queue);
      }
      this.start('shared', parts);
    }
  }

  private isWorthALane(ready: readonly Queue<Item, Result>[], now: number): boolean {
    const { sharedLanes, maxKeysPerBatch, maxItemsPerBatch } = this.options;
    if (this.freeLanes.shared.length === sharedLanes || ready.length === maxKeysPerBatch) return true;
    const items = ready.reduce((count, queue) => count + queue.waiting.length, 0);
    return items >= maxItemsPerBatch || now - oldestOf(ready) >= SECOND_LANE_AFTER_MILLISECONDS;
  }

  private start(mode: BatchMode, parts: { queue: Queue<Item, Result>; taken: Waiting<Item, Result>[] }[]): void {
    const lane = this.freeLanes[mode].pop();
    if (lane === undefined) throw new Error('no lane is free');
    for (const { queue } of parts) queue.running = true;
    const startedAt = performance.now();
    const items = parts.flatMap((part) => part.taken.map((waiting) => waiting.item));
    const since = Math.min(...parts.flatMap((part) => part.taken.map((waiting) => waiting.enqueuedAt)));
    this.options.run(items, mode, lane, since).then((outcomes) => {
      let next = 0;
      const answers: (() => void)[] = [];
      for (const { queue, taken } of parts) {
        answers.push(...this.settle(queue, taken, outcomes.slice(next, next + taken.length), mode, startedAt));
        next += taken.length;
      }
      this.freeLanes[mode].push(lane);
      this.pump();
      inPortions(answers);
    });
  }

  private settle(
    queue: Queue<Item, Result>,
    taken: Waiting<Item, Result>[],
    outcomes: ItemOutcome<Result>[],
    mode: BatchMode,
    startedAt: number,
  ): (() => void)[] {
    const now = performance.now();
    queue.running = false;
    const again: Waiting<Item, Result>[] = [];
    const answers: (() => void)[] = [];
    let held = false;
    taken.forEach((waiting, index) => {
      const outcome = outcomes[index] ?? { error: this.options.unavailable() };
      if ('again' in outcome) {
        if (outcome.again === 'held') held = true;
        else waiting.replans += 1;
        if (waiting.replans <= MAX_REPLANS) {
          again.push(waiting);
          return;
        }
      }
      this.queued -= 1;
      answers.push(() => {
        if ('result' in outcome)
          waiting.resolve({ result: outcome.result, waitedMilliseconds: startedAt - waiting.enqueuedAt });
        else waiting.reject('error' in outcome ? outcome.error : this.options.unavailable());
      });
    });
    queue.waiting.unshift(...again);
    if (held) {
      queue.heldSince ??= now;
      queue.skips += 1;
      queue.notBefore = now + HELD_RETRY_MILLISECONDS;
    } else {
      if (mode === 'alone' && queue.heldSince !== undefined)
        queue.aloneUntil = Math.max(queue.aloneUntil, now + CONTENDED_MILLISECONDS);
      queue.heldSince = undefined;
      queue.skips = 0;
      queue.notBefore = 0;
      if (queue.waiting.length === 0 && queue.aloneUntil <= now) this.queues.delete(queue.key);
    }
    return answers;
  }

  private scheduleRetry(now: number): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    let soonest = Number.POSITIVE_INFINITY;
    const ready: Queue<Item, Result>[] = [];
    for (const queue of this.queues.values()) {
      if (queue.running || queue.waiting.length === 0) continue;
      if (queue.notBefore > now) soonest = Math.min(soonest, queue.notBefore);
      else if (!this.runsAlone(queue, now)) ready.push(queue);
    }
    if (this.freeLanes.shared.length > 0) soonest = Math.min(soonest, oldestOf(ready) + SECOND_LANE_AFTER_MILLISECONDS);
    if (soonest !== Number.POSITIVE_INFINITY)
      this.retryTimer = setTimeout(() => this.pump(), Math.max(1, soonest - now));
  }

  private giveUpOnLateItems(now: number): void {
    const isLate = (waiting: Waiting<Item, Result>) => now - waiting.enqueuedAt > this.options.maxWaitMilliseconds;
    for (const queue of this.queues.values()) {
      if (queue.waiting.some(isLate)) {
        const late = queue.waiting.filter(isLate);
        queue.waiting = queue.waiting.filter((waiting) => !isLate(waiting));
        this.queued -= late.length;
        for (const waiting of late) waiting.reject(this.options.unavailable());
      }
      if (queue.waiting.length === 0 && !queue.running && queue.aloneUntil <= now) this.queues.delete(queue.key);
    }
  }
}
