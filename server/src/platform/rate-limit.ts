import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Clock } from './clock.ts';

/** How a key stands within its minute, as the headers tell it. */
export interface Standing {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** When the count begins anew, in Unix seconds. */
  resetAtSeconds: number;
  retryAfterSeconds: number;
}

export interface RateLimit {
  readonly pointsPerMinute: number;
  /** Counts `points` for a key; what is refused because it is more than what remains is not taken from it. */
  count(key: string, points: number): Promise<Standing>;
}

const WINDOW_SECONDS = 60;

/**
 * Limits that count together: at most so many points a minute and key, counted in this process. What a key has used is kept when its
 * limit changes. The minute of a key begins with its first request. Costs 1 µs.
 */
export function createRateLimits(clock: Clock): (pointsPerMinute: number) => RateLimit {
  const limiter = new RateLimiterMemory({ points: 0, duration: WINDOW_SECONDS });
  const limits = new Map<number, RateLimit>();
  return (pointsPerMinute) => {
    let limit = limits.get(pointsPerMinute);
    if (limit === undefined) {
      limit = limitBy(limiter, clock, pointsPerMinute);
      limits.set(pointsPerMinute, limit);
    }
    return limit;
  };
}

/** `limiter` only counts: how much is too much is judged here. */
function limitBy(limiter: RateLimiterMemory, clock: Clock, pointsPerMinute: number): RateLimit {
  const standing = (consumed: number, millisecondsLeft: number, allowed: boolean): Standing => ({
    allowed,
    limit: pointsPerMinute,
    remaining: Math.max(0, pointsPerMinute - consumed),
    resetAtSeconds: Math.ceil((clock.now().getTime() + millisecondsLeft) / 1000),
    retryAfterSeconds: Math.max(1, Math.ceil(millisecondsLeft / 1000)),
  });
  return {
    pointsPerMinute,
    async count(key, points) {
      // `penalty` counts like `consume`, without an exception for each request past the limit.
      const counted = await limiter.penalty(key, points);
      if (counted.consumedPoints <= pointsPerMinute) {
        return standing(counted.consumedPoints, counted.msBeforeNext, true);
      }
      const left = await limiter.reward(key, points);
      return standing(left.consumedPoints, counted.msBeforeNext, false);
    },
  };
}
