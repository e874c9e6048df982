import fc from 'fast-check';
import type { Answer } from '../app.ts';
import { anyCall, type GeneratedCall } from './generated-call.ts';
import { faultOf } from './judge.ts';
import { type Operation, readOperations } from './operations.ts';
import type { FuzzTarget, SentCall } from './target.ts';

/** What was seen of the answers. */
class Sightings {
  /** `404 NOT_FOUND`, `200` and so on → how often. */
  readonly answers = new Map<string, number>();
  /** Operations that were answered with success at least once. */
  readonly succeeded = new Set<string>();
  /** Each kind of fault once, with the call that showed it. */
  readonly faults = new Map<string, string>();

  add({ status, body }: Answer, operation: Operation): void {
    // An answer to HEAD has a status only.
    const label = status < 400 ? `${status}` : `${status} ${String(body?.code ?? '(no body)')}`;
    this.answers.set(label, (this.answers.get(label) ?? 0) + 1);
    if (status < 300) this.succeeded.add(operation.id);
  }
}

export interface FuzzReport {
  seed: number;
  calls: number;
  /** How long all took, and of it making the calls. */
  milliseconds: number;
  generatingMilliseconds: number;
  seen: Sightings;
  /** Operations that take keys and were never answered with success. */
  neverSucceeded: string[];
}

const CALLS_AT_ONCE = 16;
/** Calls are made and sent in portions, so that a long run needs no more memory than a short one. */
const PORTION = 100;

/** Sends `calls` generated calls, 16 at a time, and judges every answer by what the OpenAPI document says. */
export async function runFuzz(target: FuzzTarget, calls: number, seed: number): Promise<FuzzReport> {
  const operations = readOperations();
  const generated = anyCall(operations);
  const seen = new Sightings();
  const startedAt = performance.now();
  let generatingMilliseconds = 0;
  for (let done = 0; done < calls; done += PORTION) {
    const generatingSince = performance.now();
    const portion = fc.sample(generated, { seed: seed + done, numRuns: Math.min(PORTION, calls - done) });
    generatingMilliseconds += performance.now() - generatingSince;
    const queue = portion.values();
    const sendAll = async () => {
      for (const call of queue) await sendOne(target, operations, call, seen);
    };
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, sendAll));
    await target.liftRestrictions();
  }
  const milliseconds = performance.now() - startedAt;
  const neverSucceeded = operations
    .filter(({ id, takesKeys }) => takesKeys && !seen.succeeded.has(id))
    .map(({ id }) => id);
  return { seed, calls, milliseconds, generatingMilliseconds, seen, neverSucceeded };
}

async function sendOne(
  target: FuzzTarget,
  operations: readonly Operation[],
  call: GeneratedCall,
  seen: Sightings,
): Promise<void> {
  const request = target.requestFor(call);
  try {
    const answer = await target.send(call, request);
    seen.add(answer, call.operation);
    const fault = faultOf(operations, request, answer);
    if (fault !== undefined) seen.faults.set(fault, `${shown(request)}\n${answer.text.slice(0, 500)}`);
  } catch (error) {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    // What the test server found: an answer that is not as declared, or a 500 with its cause.
    const kind = message.split('\n', 1)[0]?.replaceAll(/\d+|_[0-9a-z]{26}/g, '…') ?? '';
    seen.faults.set(`${call.operation.id}: ${kind}`, `${shown(request)}\n${stack.slice(0, 2_000)}`);
  }
}

/** A request as one can send it again. */
function shown({ method, url, headers, payload }: SentCall): string {
  const body = Buffer.isBuffer(payload) ? `base64 ${payload.toString('base64')}` : String(payload ?? '');
  return `${method} ${url}\n${JSON.stringify(headers)}\n${body.slice(0, 2_000)}`;
}

/** What a run was and saw, for the log. */
export function describeReport({ seed, calls, milliseconds, generatingMilliseconds, seen }: FuzzReport): string {
  const seconds = (value: number) => `${(value / 1_000).toFixed(1)} s`;
  const lines = [...seen.answers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([label, count]) => `  ${label}: ${count}`);
  return [
    `${calls} calls with seed ${seed} in ${seconds(milliseconds)} (${seconds(generatingMilliseconds)} of it to make them):`,
    ...lines,
  ].join('\n');
}
