/** Time comes in from outside, so that tests and the sandbox can set it. */
export interface Clock {
  now(): Date;
}

/** The machine's clock, in whole milliseconds (what every stored time has). */
export const systemClock: Clock = { now: () => new Date() };
