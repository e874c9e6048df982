import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './signed-client.ts';

const TICK_MILLISECONDS = 5;

/**
 * Sends so many a second, each when its time has come and whether or not those before it are answered, as clients in the world do;
 * answers are given back with the time from the intended send.
 */
export async function openLoop(
  perSecond: number,
  seconds: number,
  send: (number: number) => Promise<Answer>,
): Promise<Answer[]> {
  const startedAt = performance.now();
  const total = Math.round(perSecond * seconds);
  const sent: Promise<Answer>[] = [];
  while (sent.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) + 1);
    for (let number = sent.length; number < due; number++) {
      const intendedAt = startedAt + (number / perSecond) * 1_000;
      sent.push(send(number).then((answer) => ({ ...answer, milliseconds: performance.now() - intendedAt })));
    }
    await sleep(TICK_MILLISECONDS);
  }
  return Promise.all(sent);
}

/** So many clients at once, each sending anew as soon as it has its answer; answers how many a second were answered. */
export async function closedLoop(
  clients: number,
  seconds: number,
  send: (number: number) => Promise<Answer>,
): Promise<number> {
  const startedAt = performance.now();
  let sent = 0;
  const work = async () => {
    while (performance.now() - startedAt < seconds * 1_000) await send(sent++);
  };
  await Promise.all(Array.from({ length: clients }, work));
  return sent / ((performance.now() - startedAt) / 1_000);
}

/** The value that a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** How long an answered submission waited for the batch that decided it: `Server-Timing: queue;dur=…`, in milliseconds. */
export function queueMilliseconds(answer: Answer): number {
  return Number(/^queue;dur=([\d.]+)$/.exec(answer.header('server-timing') ?? '')?.[1] ?? Number.NaN);
}
