import { type ErrorCode, errorCatalog } from '@sirgiving/contract';
import { expect } from 'vitest';
import { signedBy } from '../../src/partners/index.ts';
import type { Route } from '../../src/route.ts';
import type { Answer, TestApp, TestPartner } from '../app.ts';
import { type Existing, type GoodRequest, goodRequest, makeExisting } from './good-requests.ts';
import { tableContents } from './table-contents.ts';

/** A request that must be refused, with what it must be answered. */
export interface BadRequest {
  /** What is wrong with it. */
  name: string;
  code: ErrorCode;
  /** Where the fault is: what `errors` must name. */
  path?: string;
  send(): Promise<Answer>;
}

/** What the bad requests of one route are made from. */
export interface Attempt {
  good: GoodRequest;
  partner: TestPartner;
  existing: Existing;
  /** Sends the good request with something else in a place, signed as it should be. */
  signed(change?: {
    method?: string;
    path?: string;
    body?: unknown;
    headers?: Record<string, string>;
  }): Promise<Answer>;
}

const LEAKS = /\bselect\b.*\bfrom\b|\binsert into\b|node_modules|\.[jt]s:\d+|postgres|stack/i;
let made = 0;

/**
 * Sends the bad requests of every route that there are any for, and then its good one. Each must be refused with its code, in the
 * shape of a problem; all of them together must write nothing, and use neither the key of the body nor the header's up: the good
 * request is then answered as the first one.
 */
export async function expectRefusals(
  t: TestApp,
  badRequestsOf: (attempt: Attempt) => BadRequest[],
  as?: TestPartner,
): Promise<void> {
  const partner = as ?? (await t.newPartner());
  const existing = await makeExisting(t, partner);
  const attempts = t.table.filter(takesKeys).map((route) => attemptOf(t, partner, existing, route));
  const before = await tableContents(t.sql);
  const faults: string[] = [];
  const tried: Attempt[] = [];
  for (const attempt of attempts) {
    const badRequests = badRequestsOf(attempt);
    if (badRequests.length > 0) tried.push(attempt);
    for (const bad of badRequests) {
      const fault = faultOf(bad, await bad.send());
      if (fault !== undefined) faults.push(`${attempt.good.method} ${attempt.good.path} ${bad.name}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
  expect(await tableContents(t.sql)).toEqual(before);
  expect(tried.length).toBeGreaterThan(0);
  await expectSuccess(tried);
}

/** The good requests succeed, and none is taken for the repetition of a bad one. */
async function expectSuccess(attempts: readonly Attempt[]): Promise<void> {
  // What deletes comes last: the others need what is there.
  const inOrder = [...attempts].sort((a, b) => Number(a.good.method === 'DELETE') - Number(b.good.method === 'DELETE'));
  for (const { good, signed } of inOrder) {
    const { status, headers, text } = await signed();
    expect(
      { status, replayed: headers['idempotent-replayed'] },
      `${good.method} ${good.path} answered ${text}`,
    ).toEqual({
      status: good.route[3].status,
      replayed: undefined,
    });
  }
}

/** Whether a route is one of those that are tried here: they are called by signed requests. */
export function takesKeys([, , scope]: Route): boolean {
  return signedBy(scope) !== undefined;
}

export function attemptOf(t: TestApp, partner: TestPartner, existing: Existing, route: Route): Attempt {
  const good = goodRequest(route, existing);
  const key: Record<string, string> = route[3].kind === 'keyed' ? { 'idempotency-key': `refusals_${made++}` } : {};
  return {
    good,
    partner,
    existing,
    signed: ({ method = good.method, path = good.path, body = good.body, headers } = {}) =>
      t.signed(method, path, body, { partner, headers: { ...key, ...headers } }),
  };
}

/** What is wrong with the answer to a bad request. */
function faultOf({ code, path }: BadRequest, { status, headers, body, text }: Answer): string | undefined {
  const entry = errorCatalog[code];
  const isHead = text === '' && status === entry.status;
  if (isHead) return undefined;
  if (status !== entry.status || body?.code !== code) return `answered ${status} ${text.slice(0, 300)}`;
  const { type, title, retryable, requestId, errors } = body;
  const said = { status: body.status, title, retryable, requestId, type: String(type).split('#')[1] };
  const expected = { ...entry, requestId: headers['x-request-id'], type: code };
  for (const [name, value] of Object.entries(said)) {
    if (value !== expected[name as keyof typeof expected]) return `says ${name} ${String(value)}`;
  }
  if (LEAKS.test(text)) return `tells of what is inside: ${text}`;
  const paths = ((errors ?? []) as { path: string }[]).map((one) => one.path);
  if (path !== undefined && !paths.includes(path)) return `names ${JSON.stringify(paths)} and not ${path}`;
  return undefined;
}
