import { randomInt } from 'node:crypto';
import { processVariables } from '../../src/config.ts';

const { SIR_FAULTS, SIR_FAULTS_SEED } = processVariables();

/** `npm run test:faults` asks for the full form; `npm test` runs the short one. */
export const isFull = SIR_FAULTS === 'full';

/** How often something is done: in the short form, in the full one (bars.md, Reliability). */
export function times(short: number, full: number): number {
  return isFull ? full : short;
}

/** Numbers that look random and come again with the same seed. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    // mulberry32: short, and even enough to choose moments and orders with.
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const fraction = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    return low + Math.floor(fraction * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list];
    return list.map(() => rest.splice(this.integer(0, rest.length - 1), 1)[0] as T);
  }
}

/** Dice for one test file. Their seed is printed; SIR_FAULTS_SEED throws the same ones again. */
export function throwDice(file: string): Dice {
  const seed = SIR_FAULTS_SEED === undefined ? randomInt(2 ** 31) : Number(SIR_FAULTS_SEED);
  tell(`${file}: ${isFull ? 'full' : 'short'} form, seed ${seed}`);
  return new Dice(seed);
}

/** Prints what a fault test did. */
export function tell(text: string): void {
  process.stdout.write(`[faults] ${text}\n`);
}

/** How long a test may take at most. */
export function minutes(short: number, full: number): { timeout: number } {
  return { timeout: times(short, full) * 60_000 };
}
