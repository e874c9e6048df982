import { problem } from './problem-json.ts';

/** What a list was asked for, parsed: newest first by id (UUIDv7, so also by time). */
export interface PageRequest {
  limit: number;
  /** Rows with an id below this one. */
  before?: string;
  /** 1-based page, for clients of the documented `page` parameter. */
  page?: number;
}

export interface Page<T> {
  data: T[];
  pagination: {
    limit: number;
    nextCursor: string | null;
    hasMore: boolean;
    page?: number;
    total?: number;
    totalPages?: number;
  };
}

const DEFAULT_LIMIT = 20;
const CURSOR_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Reads `limit`, `cursor` and `page` of a list's query. A cursor that this server did not make is 400 `INVALID_CURSOR`. */
export function pageRequest(query: { limit?: number; cursor?: string; page?: number }): PageRequest {
  const limit = query.limit ?? DEFAULT_LIMIT;
  if (query.cursor !== undefined && query.page !== undefined) {
    throw problem('INVALID_REQUEST', 'Send either `cursor` or `page`.', {
      errors: [{ path: 'page', message: 'not together with cursor' }],
    });
  }
  if (query.page !== undefined) return { limit, page: query.page };
  if (query.cursor === undefined) return { limit };
  const before = Buffer.from(query.cursor, 'base64url').toString();
  if (!CURSOR_PATTERN.test(before)) throw problem('INVALID_CURSOR', 'This cursor was not given out by this list.');
  return { limit, before };
}

/** The rows to skip for a `page`; 0 for a cursor. */
export function pageOffset(request: PageRequest): number {
  return request.page === undefined ? 0 : (request.page - 1) * request.limit;
}

/**
 * Makes the answer of a list from `limit + 1` rows (the one too many tells whether there is more). `total` is counted only for
 * clients that ask by `page`.
 */
export function pageOf<Row extends { id: string }, T>(
  request: PageRequest,
  rows: readonly Row[],
  present: (row: Row) => T,
  total?: number,
): Page<T> {
  const kept = rows.slice(0, request.limit);
  const hasMore = rows.length > request.limit;
  const last = kept.at(-1);
  return {
    data: kept.map(present),
    pagination: {
      limit: request.limit,
      nextCursor: hasMore && last !== undefined ? Buffer.from(last.id).toString('base64url') : null,
      hasMore,
      ...(request.page === undefined || total === undefined
        ? {}
        : { page: request.page, total, totalPages: Math.ceil(total / request.limit) }),
    },
  };
}
