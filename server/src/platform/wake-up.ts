import { randomUUID } from 'node:crypto';
import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Sql } from './db.ts';

/** Tells workers that something was committed for them. It may be lost: workers also look by themselves, every second. */
export interface WakeUp {
  /** Call it after COMMIT, never inside a transaction. Cheap, and never throws. */
  nudge(): void;
  /** Calls `fn` for nudges of this process and of others. Answers how to end that. */
  onWake(fn: () => void): () => void;
  /** Wakes nobody from now on. The listening connection ends with `sql`. */
  stop(): void;
}

const MIN_GAP_MILLISECONDS = 50;

/**
 * A process that has a worker wakes that one, directly; one without tells the others by NOTIFY. Either at once, and then at most once
 * in 50 ms: a busy API would otherwise pay a statement for each commit. `sql`: a pool for single statements; LISTEN opens a connection of its
 * own beside it, which reconnects by itself.
 */
export function createWakeUp(sql: Sql, environment: Environment, log: Pick<Logger, 'warn'>): WakeUp {
  const channel = `sir_wake_${environment}`;
  const self = randomUUID();
  const listeners = new Set<() => void>();
  let listening = false;
  let stopped = false;

  const wakeListeners = () => {
    for (const listener of listeners) listener();
  };
  const tellOthers = () => {
    sql.notify(channel, self).catch((error: unknown) => {
      log.warn({ err: error }, 'workers could not be nudged; they look by themselves within a second');
    });
  };
  const listen = () => {
    listening = true;
    // After a reconnect something may have been missed, so being connected counts as a nudge.
    sql
      .listen(channel, (from) => from !== self && wakeListeners(), wakeListeners)
      .catch((error: unknown) => {
        log.warn({ err: error }, 'no nudges from other processes until the database is back');
      });
  };
  const spaced = spaceOut(() => (listeners.size > 0 ? wakeListeners() : tellOthers()));

  return {
    nudge: () => {
      if (!stopped) spaced.call();
    },
    onWake: (fn) => {
      listeners.add(fn);
      if (!listening) listen();
      return () => void listeners.delete(fn);
    },
    stop: () => {
      stopped = true;
      spaced.cancel();
      listeners.clear();
    },
  };
}

/** Calls `fn` at once, and for calls that come within the gap after it once more at its end. */
function spaceOut(fn: () => void): { call(): void; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  const run = () => {
    again = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (again) run();
    }, MIN_GAP_MILLISECONDS);
    fn();
  };
  return {
    call: () => {
      if (timer === undefined) run();
      else again = true;
    },
    cancel: () => clearTimeout(timer),
  };
}
