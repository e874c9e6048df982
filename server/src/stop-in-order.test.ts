import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createStarted } from './stop-in-order.ts';

test('the newest is stopped first, one at a time, and one that fails or hangs does not keep the others from their turn', async () => {
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) });
  const stopped: string[] = [];
  const started = createStarted(log);
  started.push('database', async () => stopped.push('database'));
  started.push('pool', async () => {
    await sleep(20);
    stopped.push('pool');
  });
  started.push('hanging', () => new Promise(() => {}), 10);
  started.push('failing', async () => {
    throw new Error('no');
  });
  await Promise.all([started.stopAll(), started.stopAll()]);
  expect(stopped).toEqual(['pool', 'database']);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { step: 'failing', msg: 'not stopped cleanly', err: { message: 'no' } },
    { step: 'hanging', msg: 'not stopped in time' },
  ]);
});
