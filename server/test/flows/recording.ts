import type { OpenApiDocument } from '../../src/openapi/document.ts';
import type { RecordedCall, RecordedEvent, RecordedExamples } from '../../src/openapi/recorded-examples.ts';
import { type Answer, personsRequest, type SignedOptions, startTestApp, type TestApp } from '../app.ts';
import { startReceiver } from '../webhook-receiver.ts';
import { type ManualClock, manualClock, webhookMachinery } from '../webhook-setup.ts';
import { steadied } from './steady-text.ts';

/** Makes a call and keeps it; answers what the server said. */
type Record<Options> = (
  summary: string,
  method: string,
  path: string,
  body?: unknown,
  options?: Options,
) => Promise<Answer>;

/** A server whose answers are kept, with a webhook's receiver. */
export interface Recording {
  app: TestApp;
  clock: ManualClock;
  /** The root of the receiver that hears of events. */
  receiverUrl: string;
  /** A signed call. */
  record: Record<SignedOptions>;
  /** A call that is not signed: with these headers only. */
  recordUnsigned: Record<{ [header: string]: string }>;
  /** The same on the production host, which has the same database. */
  recordInProduction: Record<{ [header: string]: string }>;
  stop(): Promise<void>;
  result(): RecordedExamples;
}

const STEP_MILLISECONDS = 60_000;
/** Short, so that a person's story fits the life of an access token. */
const UNSIGNED_STEP_MILLISECONDS = 2_000;

/** Starts a server on a clock of its own, and a receiver of webhooks; `result` is what was recorded, without what differs from run to run. */
export async function startRecording(): Promise<Recording> {
  const clock = manualClock();
  const app = await startTestApp({ clock });
  const config = { environment: 'production', allowInsecureWebhooks: false } as const;
  const production = await startTestApp({ clock, config, shareDatabaseOf: app });
  const receiver = await startReceiver();
  const machinery = webhookMachinery(app.sql, { clock, secretBox: app.secretBox });
  const document = await servedDocument(app);
  const calls: RecordedCall[] = [];
  const keep = async (made: Made, answer: Answer) => {
    calls.push(recorded(document, made, answer));
    await machinery.deliverAll();
    return answer;
  };
  const unsigned =
    (host: TestApp): Recording['recordUnsigned'] =>
    async (summary, method, path, body, headers = {}) => {
      clock.advance(UNSIGNED_STEP_MILLISECONDS);
      const answer = await host.request(personsRequest({ method, path, body }, headers));
      return keep({ summary, method, path, ...(body === undefined ? {} : { body }) }, answer);
    };
  return {
    app,
    clock,
    receiverUrl: receiver.url,
    record: async (summary, method, path, body, options) => {
      clock.advance(STEP_MILLISECONDS);
      const answer = await app.signed(method, path, body, options);
      return keep({ summary, method, path, ...(body === undefined ? {} : { body }) }, answer);
    },
    recordUnsigned: unsigned(app),
    recordInProduction: unsigned(production),
    stop: async () => {
      await receiver.close();
      await production.close();
      await app.close();
    },
    result: () => {
      const events = firstOfEachType(receiver.received.map(({ event }) => event));
      return steadied({ calls, events }, receiver.url);
    },
  };
}

/** What the server says about itself, as it is sent to a browser. */
export async function servedDocument({ app }: TestApp): Promise<OpenApiDocument> {
  return (await app.inject('/partner-api/openapi.json')).json<OpenApiDocument>();
}

type Made = Pick<RecordedCall, 'summary'> & RecordedCall['request'];

function recorded(document: OpenApiDocument, { summary, ...request }: Made, answer: Answer): RecordedCall {
  return {
    operationId: operationIdOf(document, request.method, request.path.split('?', 1)[0] ?? ''),
    summary,
    request,
    response: { status: answer.status, ...(answer.text === '' ? {} : { body: answer.body }) },
  };
}

function operationIdOf(document: OpenApiDocument, method: string, path: string): string {
  const matching = Object.entries(document.paths)
    .filter(([template]) => new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path))
    // A word is meant before a parameter in the same place.
    .sort(([a], [b]) => a.split('{').length - b.split('{').length);
  const operation = matching.map(([, methods]) => methods[method.toLowerCase()]).find((found) => found !== undefined);
  if (operation === undefined) throw new Error(`${method} ${path} is not documented`);
  return operation.operationId;
}

function firstOfEachType(events: readonly { type: string }[]): RecordedEvent[] {
  const types = [...new Set(events.map(({ type }) => type))].sort();
  return types.map((type) => ({ type, body: events.find((event) => event.type === type) }));
}
