import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type BatchMode, Coalescer, type CoalescerOptions, type ItemOutcome } from './coalescer.ts';

interface Batch {
  items: string[];
  mode: BatchMode;
  finish(outcomes?: ItemOutcome<string>[]): void;
}

const started: Coalescer<string, string>[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((coalescer) => coalescer.stop()));
});

/** A coalescer whose batches end when the test says so; `batches` are those under way, in the order of their start. */
function controlled(options: Partial<CoalescerOptions<string, string>> = {}) {
  const batches: Batch[] = [];
  const coalescer = new Coalescer<string, string>({
    sharedLanes: 1,
    aloneLanes: 1,
    maxItemsPerBatch: 4,
    maxKeysPerBatch: 2,
    maxQueuedItems: 100,
    maxWaitMilliseconds: 60_000,
    overloaded: () => new Error('overloaded'),
    unavailable: () => new Error('unavailable'),
    run: (items, mode) =>
      new Promise((resolve) => {
        const finish = (outcomes?: ItemOutcome<string>[]) =>
          resolve(outcomes ?? items.map((item) => ({ result: `done ${item}` })));
        batches.push({ items: [...items], mode, finish });
      }),
    ...options,
  });
  started.push(coalescer);
  const next = async () => {
    while (batches.length === 0) await sleep(1);
    return batches.shift() as Batch;
  };
  return { coalescer, next, batches };
}

describe('a coalescer', () => {
  test('sends together what arrived together, in order, and answers each', async () => {
    const { coalescer, next } = controlled();
    const results = Promise.all(['a1', 'a2', 'a3'].map((item) => coalescer.submit('a', item)));
    const batch = await next();
    expect(batch).toMatchObject({ items: ['a1', 'a2', 'a3'], mode: 'shared' });
    batch.finish();
    expect((await results).map(({ result }) => result)).toEqual(['done a1', 'done a2', 'done a3']);
  });

  test('never runs a key in two batches at once', async () => {
    const { coalescer, next, batches } = controlled({ sharedLanes: 2 });
    const first = coalescer.submit('a', 'a1');
    const running = await next();
    const second = coalescer.submit('a', 'a2');
    await sleep(20);
    expect(batches).toEqual([]);
    running.finish();
    await first;
    (await next()).finish();
    expect((await second).waitedMilliseconds).toBeGreaterThanOrEqual(15);
  });

  test('while a shared batch runs, begins another when it would be full, or when somebody has waited 25 ms', async () => {
    const { coalescer, next, batches } = controlled({ sharedLanes: 3, maxKeysPerBatch: 8 });
    const all = [coalescer.submit('a', 'a1')];
    const first = await next();
    for (const key of ['b', 'c', 'd', 'e']) all.push(coalescer.submit(key, `${key}1`));
    const full = await next();
    expect(full.items).toHaveLength(4);
    const began = performance.now();
    all.push(coalescer.submit('f', 'f1'));
    await sleep(1);
    all.push(coalescer.submit('g', 'g1'));
    await sleep(10);
    expect(batches).toEqual([]);
    const patient = await next();
    expect(performance.now() - began).toBeGreaterThanOrEqual(24);
    expect(patient.items).toEqual(['f1', 'g1']);
    for (const batch of [first, full, patient]) batch.finish();
    await Promise.all(all);
  });

  test('gives keys turns: a long queue does not keep a short one waiting', async () => {
    const { coalescer, next } = controlled();
    const all = [
      ...Array.from({ length: 10 }, (_, index) => coalescer.submit('long', `l${index}`)),
      coalescer.submit('short', 's'),
    ];
    const batch = await next();
    expect(batch.items).toEqual(['l0', 'l1', 'l2', 's']);
    batch.finish();
    for (let index = 0; index < 2; index++) (await next()).finish();
    await Promise.all(all);
  });

  test('puts a held key aside, lets others pass, and then gives it a blocking batch of its own', async () => {
    const { coalescer, next } = controlled({ maxKeysPerBatch: 1 });
    const stuck = coalescer.submit('held', 'h');
    const modes: BatchMode[] = [];
    for (let batch = await next(); ; batch = await next()) {
      modes.push(batch.mode);
      if (batch.mode === 'alone') {
        const other = coalescer.submit('other', 'o');
        (await next()).finish();
        expect((await other).result).toBe('done o');
        batch.finish();
        break;
      }
      batch.finish([{ again: 'held' }]);
    }
    expect(modes).toEqual(['shared', 'shared', 'shared', 'alone']);
    expect((await stuck).result).toBe('done h');
    const later = coalescer.submit('held', 'h2');
    const contended = await next();
    expect(contended.mode).toBe('alone');
    contended.finish();
    await later;
  });

  test('plans an item again at most 3 times', async () => {
    const { coalescer, next } = controlled();
    const item = coalescer.submit('a', 'a1');
    for (let run = 0; run < 4; run++) (await next()).finish([{ again: 'replan' }]);
    await expect(item).rejects.toThrow('unavailable');
  });

  test('refuses what is too much and gives up what waited too long', async () => {
    const { coalescer, next } = controlled({ maxQueuedItems: 2, maxWaitMilliseconds: 50 });
    const running = coalescer.submit('a', 'a1');
    const batch = await next();
    const late = coalescer.submit('a', 'a2');
    await expect(coalescer.submit('a', 'a3')).rejects.toThrow('overloaded');
    await expect(late).rejects.toThrow('unavailable');
    batch.finish();
    await running;
  });

  test('does not begin what has waited too long, also when it came earlier than it was put in', async () => {
    const { coalescer, next, batches } = controlled({ maxWaitMilliseconds: 200 });
    const running = coalescer.submit('a', 'a1');
    const batch = await next();
    const late = coalescer.submit('a', 'a2', performance.now() - 300);
    const early = coalescer.submit('a', 'a3');
    batch.finish();
    await expect(late).rejects.toThrow('unavailable');
    const following = await next();
    expect(following.items).toEqual(['a3']);
    following.finish();
    expect([(await running).result, (await early).result, batches]).toEqual(['done a1', 'done a3', []]);
  });

  test('tells a batch since when its oldest item has been waiting', async () => {
    const told: number[] = [];
    const run: CoalescerOptions<string, string>['run'] = async (items, _mode, _lane, since) => {
      told.push(since);
      return items.map((item) => ({ result: item }));
    };
    const { coalescer } = controlled({ run });
    const oldest = performance.now() - 100;
    await Promise.all([coalescer.submit('a', 'a1'), coalescer.submit('a', 'a2', oldest), coalescer.submit('b', 'b1')]);
    expect(told).toEqual([oldest]);
  });

  test('decides all that it took before it stops, and takes nothing more', async () => {
    const { coalescer, next } = controlled();
    const items = Array.from({ length: 6 }, (_, index) => coalescer.submit('a', `a${index}`));
    const stopping = coalescer.stop();
    await expect(coalescer.submit('a', 'late')).rejects.toThrow('unavailable');
    (await next()).finish();
    (await next()).finish();
    await stopping;
    expect(await Promise.all(items)).toHaveLength(6);
  });
});
