import type { FastifyReply } from 'fastify';
import { type Problem, problem } from './problem-json.ts';
import type { RateLimit, Standing } from './rate-limit.ts';

/** Under which limit a request counts, and as whose. */
export interface Counting {
  limit: RateLimit;
  key: string;
}

/** Counts a request and tells its sender where it stands, in headers. Throws 429. */
export async function countRequest({ limit, key }: Counting, points: number, reply: FastifyReply): Promise<void> {
  const standing = await limit.count(key, points);
  if (standing.allowed && isTighterThan(standing, reply)) return;
  reply.header('x-ratelimit-limit', standing.limit);
  reply.header('x-ratelimit-remaining', standing.remaining);
  reply.header('x-ratelimit-reset', standing.resetAtSeconds);
  if (!standing.allowed) throw rateLimited(standing, points);
}

/** Whether another limit, counted before, leaves less: the headers tell the one that is met first. */
function isTighterThan(standing: Standing, reply: FastifyReply): boolean {
  const told = reply.getHeader('x-ratelimit-limit');
  return (
    told !== undefined &&
    told !== standing.limit &&
    Number(reply.getHeader('x-ratelimit-remaining')) < standing.remaining
  );
}

/** The first point was taken before the body was read. No request is so big that a whole minute would not be enough for it. */
export async function countRest(counting: Counting, cost: number, reply: FastifyReply): Promise<void> {
  const rest = Math.min(cost, counting.limit.pointsPerMinute) - 1;
  if (rest > 0) await countRequest(counting, rest, reply);
}

/** 429 with the seconds to wait. */
export function rateLimited(standing: Standing, points = 1): Problem {
  const what = points === 1 ? 'requests' : `requests, and this one counts for ${points + 1}`;
  return problem('RATE_LIMITED', `At most ${standing.limit} ${what} a minute.`, {
    headers: { 'Retry-After': String(standing.retryAfterSeconds) },
  });
}
