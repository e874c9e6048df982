import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Contender, shareSlots } from './share-slots.ts';

const TOTAL = 300;

function contender(inFlight = 0, limit = 10): Contender {
  return { inFlight, limit };
}

test('a free worker gives each endpoint its full limit', () => {
  const shares = shareSlots([contender(), contender(4), contender(0, 1)], TOTAL, TOTAL, 0);
  expect(shares.map((share) => share.slots)).toEqual([10, 6, 1]);
});

test('what is scarce goes round, beginning with another endpoint each time', () => {
  const all = [contender(), contender(), contender()];
  expect(shareSlots(all, 2, TOTAL, 0).map(({ contender: c }) => all.indexOf(c))).toEqual([0, 1]);
  expect(shareSlots(all, 2, TOTAL, 2).map(({ contender: c }) => all.indexOf(c))).toEqual([0, 2]);
});

test('the last free slots go to endpoints that have none', () => {
  const busy = contender(5);
  const newcomer = contender();
  expect(shareSlots([busy, newcomer], 10, TOTAL, 0)).toEqual([{ contender: newcomer, slots: 1 }]);
});

test('eighty receivers that hang one after the other leave a slot for one that does not', () => {
  let free = TOTAL;
  for (let receiver = 0; receiver < 80; receiver++) {
    const [share] = shareSlots([contender()], free, TOTAL, 0);
    free -= share?.slots ?? 0;
  }
  expect(shareSlots([contender()], free, TOTAL, 0)).toHaveLength(1);
});

test('never more than is free, never past a limit, and nothing is left lying while someone may have it', () => {
  const contenders = fc.array(fc.record({ inFlight: fc.nat(12), limit: fc.integer({ min: 1, max: 10 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(contenders, fc.nat(TOTAL), fc.nat(100), (all, free, start) => {
      const shares = shareSlots(all, free, TOTAL, start);
      const given = shares.reduce((sum, share) => sum + share.slots, 0);
      expect(given).toBeLessThanOrEqual(free);
      for (const { contender: c, slots } of shares) expect(c.inFlight + slots).toBeLessThanOrEqual(c.limit);
      const idle = all.filter((c) => c.inFlight === 0).length;
      expect(shares.length).toBeGreaterThanOrEqual(Math.min(idle, free));
    }),
  );
});
