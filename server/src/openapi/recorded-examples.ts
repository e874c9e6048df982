import { readFileSync } from 'node:fs';
import type { NamedExample } from './document.ts';

/** One call that a test made against a running server, as it went over the wire. */
export interface RecordedCall {
  operationId: string;
  /** What the call shows, in a few words. */
  summary: string;
  request: { method: string; path: string; body?: unknown };
  response: { status: number; body?: unknown };
}

/** The body of one delivery that a test's receiver was sent. */
export interface RecordedEvent {
  type: string;
  body: unknown;
}

export interface RecordedExamples {
  calls: RecordedCall[];
  events: RecordedEvent[];
}

export const noExamples: RecordedExamples = { calls: [], events: [] };

/** `src/` is there beside `dist/`, so that the path holds for the sources and for the compiled files. */
export const EXAMPLES_FILE = new URL('../../src/docs-site/examples.json', import.meta.url);

/** What `npm run openapi` recorded last; it is committed, and a test fails when the server answers otherwise. */
export function readRecordedExamples(): RecordedExamples {
  return JSON.parse(readFileSync(EXAMPLES_FILE, 'utf8')) as RecordedExamples;
}

export function callsOf(examples: RecordedExamples, operationId: string): RecordedCall[] {
  return examples.calls.filter((call) => call.operationId === operationId);
}

/** The bodies of the requests that succeeded, as examples of an OpenAPI media type. */
export function requestExamples(calls: readonly RecordedCall[]): Record<string, NamedExample> | undefined {
  const made = calls.filter(({ request, response }) => request.body !== undefined && response.status < 300);
  return named(made.map(({ summary, request }) => ({ summary, value: request.body })));
}

/** The bodies of the answers by status. */
export function answerExamples(calls: readonly RecordedCall[]): Map<number, Record<string, NamedExample>> {
  const byStatus = new Map<number, NamedExample[]>();
  for (const { summary, response } of calls) {
    if (response.body === undefined) continue;
    const group = byStatus.get(response.status) ?? [];
    byStatus.set(response.status, [...group, { summary, value: response.body }]);
  }
  const answers = new Map<number, Record<string, NamedExample>>();
  for (const [status, group] of byStatus) {
    const examples = named(group);
    if (examples !== undefined) answers.set(status, examples);
  }
  return answers;
}

/** The parameters that the first call had, in path and query; `template` is the path as in the table of routes. */
export function parameterExamples(template: string, calls: readonly RecordedCall[]): Map<string, string> {
  const [path = '', query = ''] = calls[0]?.request.path.split('?') ?? [];
  const values = path.split('/');
  const inPath = template.split('/').flatMap((name, index): [string, string][] => {
    const value = values[index];
    return name.startsWith(':') && value !== undefined ? [[name.slice(1), decodeURIComponent(value)]] : [];
  });
  return new Map([...inPath, ...new URLSearchParams(query)]);
}

/** Keys of OpenAPI examples are names; ours are made of the summaries. */
function named(examples: readonly NamedExample[]): Record<string, NamedExample> | undefined {
  if (examples.length === 0) return undefined;
  return Object.fromEntries(examples.map((example) => [slug(example.summary), example]));
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}
