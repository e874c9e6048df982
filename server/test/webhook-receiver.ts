import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One request as it came in. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** The parsed envelope. */
  event: { id: string; type: string; sequence?: number; position: number; data: Record<string, unknown> };
}

export interface Receiver {
  /** Ends without a slash. */
  url: string;
  received: Received[];
  /** Waits until so many requests have come in. Throws after 10 s. */
  waitFor(count: number): Promise<void>;
  close(): Promise<void>;
}

const PATIENCE_MILLISECONDS = 10_000;

/** Answers 204 to every request; or whatever it is told to. */
export type Respond = (response: ServerResponse, received: Received) => void;

/** A real HTTP server on loopback, as a partner has one. */
export async function startReceiver(respond: Respond = (response) => response.writeHead(204).end()): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const one = { path: request.url ?? '', headers: request.headers, body, event: JSON.parse(body) };
      received.push(one);
      respond(response, one);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    waitFor: (count) => until(() => received.length >= count, `${count} webhooks`),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** Waits until something holds, looking every few milliseconds. Throws after 10 s, saying what was waited for. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain for ${what}`);
    await sleep(5);
  }
}
