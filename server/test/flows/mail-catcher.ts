import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 20;

/** Takes mail by SMTP, as a mail provider would, and keeps it. */
export class MailCatcher {
  /** Whole messages, decoded, as they came. */
  readonly received: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<MailCatcher> {
    const catcher = new MailCatcher();
    catcher.#server.listen(0, '127.0.0.1');
    await once(catcher.#server, 'listening');
    return catcher;
  }

  /** For `SMTP_URL`. */
  get url(): string {
    const address = this.#server.address();
    return `smtp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  /** The token of the newest link to one of the small pages in a mail to this address. */
  async tokenFor(email: string, page: string): Promise<string> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS;
    for (;;) {
      const mail = this.received.findLast((one) => one.includes(`To: ${email}`) && one.includes(`/account/${page}#`));
      const token = mail?.split(`/account/${page}#`)[1]?.match(/^[\w-]{43}/)?.[0];
      if (token !== undefined) return token;
      if (performance.now() > deadline) throw new Error(`no mail to ${email} with a link to ${page} came`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let message: string | undefined;
    let rest = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString('utf8')).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (message === undefined) {
          if (/^DATA/i.test(line)) message = '';
          socket.write(answerTo(line));
        } else if (line === '.') {
          this.received.push(decodeQuotedPrintable(message));
          message = undefined;
          socket.write('250 accepted\r\n');
        } else message += `${line.replace(/^\./, '')}\n`;
      }
    });
    socket.write('220 mail\r\n');
  }
}

function answerTo(command: string): string {
  if (/^DATA/i.test(command)) return '354 go on\r\n';
  return /^QUIT/i.test(command) ? '221 bye\r\n' : '250 ok\r\n';
}

/** RFC 2045 §6.7: what long lines of a mail are written in. */
function decodeQuotedPrintable(message: string): string {
  const joined = message.replaceAll('=\n', '');
  return Buffer.from(
    joined.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');
}
