import { signRequest } from '@sirgiving/signature';
import { Pool } from 'undici';
import type { IssuedKey } from '../../src/partners/index.ts';
import { systemClock } from '../../src/platform/clock.ts';

/** An answer as a partner's backend sees it. */
export interface Answer {
  status: number;
  /** The problem's code, if it is a problem. */
  code: string | undefined;
  header(name: string): string | undefined;
  body: Record<string, unknown>;
  /** From the intended send to the last byte. */
  milliseconds: number;
}

// Longer than any answer may take, so that a request that hangs is seen as one.
const PATIENCE_MILLISECONDS = 30_000;

/** A partner's backend: signed requests over real HTTP, on connections of its own. */
export class SignedClient {
  private readonly pool: Pool;

  constructor(
    readonly baseUrl: string,
    private readonly keys: IssuedKey,
    connections = 64,
  ) {
    this.pool = new Pool(baseUrl, {
      connections,
      headersTimeout: PATIENCE_MILLISECONDS,
      bodyTimeout: PATIENCE_MILLISECONDS,
    });
  }

  /** Rejects when the connection is lost before the answer is there: the outcome is unknown then. */
  async send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const timestamp = String(Math.floor(systemClock.now().getTime() / 1000));
    const signature = signRequest({ hmacSecret: this.keys.hmacSecret, timestamp, method, path, body: text });
    const startedAt = performance.now();
    const response = await this.pool.request({
      method,
      path,
      headers: {
        'x-partner-key': this.keys.secretKey,
        'x-timestamp': timestamp,
        'x-signature': signature,
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = (await response.body.json()) as Record<string, unknown>;
    return {
      status: response.statusCode,
      code: typeof answer.code === 'string' ? answer.code : undefined,
      header: (name) => response.headers[name]?.toString(),
      body: answer,
      milliseconds: performance.now() - startedAt,
    };
  }

  /** Submits one action. */
  submit(body: unknown): Promise<Answer> {
    return this.send('POST', '/v1/partner/actions/submit', body);
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
