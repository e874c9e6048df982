import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What happens to a connection at its next COMMIT: `answerLost`: PostgreSQL has committed and its answer is cut off; `notArrived`: cut
 * before COMMIT reaches PostgreSQL; `silence`: PostgreSQL has committed and nothing comes back, but the connection stays open;
 * `beforeCommit`: cut at one of the transaction's statements.
 */
export type Cut = 'answerLost' | 'notArrived' | 'silence' | 'beforeCommit';

/** A TCP proxy between server and PostgreSQL that reads along and cuts connections at the worst moment. */
export interface CuttingProxy {
  /** The database's URL with the proxy's address. */
  url: string;
  /**
   * Cuts the next transaction that has a statement like this, of a connection with this application_name; resolves when that has
   * happened.
   */
  cutNext(applicationName: string, statement: RegExp, cut: Cut): Promise<void>;
  close(): Promise<void>;
}

interface Order {
  applicationName: string;
  statement: RegExp;
  cut: Cut;
  done(): void;
}

export async function startCuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl);
  const orders: Order[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    // It lives as long as its sockets.
    void new Conversation(client, upstream, orders);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    cutNext: (applicationName, statement, cut) =>
      new Promise((done) => {
        orders.push({ applicationName, statement, cut, done });
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One connection through the proxy. */
class Conversation {
  private applicationName: string | undefined;
  private unread: Buffer = Buffer.alloc(0);
  /** Texts of prepared statements. */
  private readonly statements = new Map<string, string>();
  /** What the transaction has run so far; undefined outside of one. */
  private transaction: string[] | undefined;
  /** COMMIT has gone out and its answer is to be kept back. */
  private keptBack: Order | undefined;

  constructor(
    private readonly client: Socket,
    private readonly upstream: Socket,
    private readonly orders: Order[],
  ) {
    client.on('data', (bytes: Buffer) => {
      this.unread = Buffer.concat([this.unread, bytes]);
      for (let next = this.nextMessage(); next !== undefined; next = this.nextMessage()) this.fromClient(next);
    });
    upstream.on('data', (bytes: Buffer) => this.fromServer(bytes));
  }

  /** Takes one whole message off what has come in: a type, a length that counts itself, a body; the first one has no type. */
  private nextMessage(): Buffer | undefined {
    const lengthAt = this.applicationName === undefined ? 0 : 1;
    if (this.unread.length < lengthAt + 4) return undefined;
    const end = lengthAt + this.unread.readUInt32BE(lengthAt);
    if (this.unread.length < end) return undefined;
    const message = this.unread.subarray(0, end);
    this.unread = this.unread.subarray(end);
    return message;
  }

  private fromClient(message: Buffer): void {
    if (this.applicationName === undefined) {
      this.applicationName = /application_name\0([^\0]*)\0/.exec(message.toString('latin1'))?.[1] ?? '';
      this.upstream.write(message);
      return;
    }
    const text = this.textToRun(message);
    const order = text === undefined ? undefined : this.orderFor(text);
    if (text === 'begin') this.transaction = [];
    else if (text === 'commit' || text === 'rollback') this.transaction = undefined;
    else if (text !== undefined) this.transaction?.push(text);
    if (order?.cut === 'notArrived' || order?.cut === 'beforeCommit') {
      this.cutOff(order);
      return;
    }
    this.keptBack ??= order;
    this.upstream.write(message);
  }

  /** The statement that a message makes PostgreSQL run, if it does. */
  private textToRun(message: Buffer): string | undefined {
    const [type, [first = '', second = '']] = [
      message.toString('latin1', 0, 1),
      message.toString('latin1', 5).split('\0'),
    ];
    if (type === 'Q') return first.trim();
    if (type === 'P') this.statements.set(first, second.trim());
    return type === 'B' ? this.statements.get(second) : undefined;
  }

  private orderFor(text: string): Order | undefined {
    const { transaction } = this;
    if (transaction === undefined) return undefined;
    const index = this.orders.findIndex(({ applicationName, statement, cut }) => {
      if (applicationName !== this.applicationName) return false;
      if (cut === 'beforeCommit') return statement.test(text);
      return text === 'commit' && transaction.some((earlier) => statement.test(earlier));
    });
    return index === -1 ? undefined : this.orders.splice(index, 1)[0];
  }

  private fromServer(bytes: Buffer): void {
    const order = this.keptBack;
    if (order === undefined) {
      this.client.write(bytes);
      return;
    }
    if (!bytes.includes('COMMIT\0')) return;
    if (order.cut === 'silence') order.done();
    else this.cutOff(order);
  }

  /** PostgreSQL rolls back what was not committed when the connection ends. */
  private cutOff(order: Order): void {
    this.client.destroy();
    this.upstream.end();
    order.done();
  }
}
