import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SettableClock } from '../../test/account-app.ts';
import { testSecretBox } from '../../test/partner-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.ts';
import { randomIds } from './ids.ts';
import { type Mail, MailBox, type MailDelivery, openMail } from './mail.ts';
import { MailOutbox } from './mail-outbox.ts';
import { StartupError } from './startup-error.ts';

const MINUTE = 60_000;
const FROM = 'SIR Giving <no-reply@example.org>';

let database: TestDatabase;
let mailServer: StandInMailServer;
const clock = new SettableClock();
beforeAll(async () => {
  database = await createTestDatabase();
  mailServer = await StandInMailServer.start();
});
beforeEach(async () => {
  await database.sql`delete from mail_outbox`;
  mailServer.reset();
});
afterAll(async () => {
  await mailServer.stop();
  await database.drop();
});

/** Speaks as much SMTP as a client needs, and answers what a test wants. */
class StandInMailServer {
  /** Whole messages, as they arrived. */
  received: string[] = [];
  /** The answer to RCPT TO; 250 when left out. */
  recipientAnswer = '';
  /** Takes the message and says nothing any more. */
  isSilent = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<StandInMailServer> {
    const self = new StandInMailServer();
    self.#server.listen(0, '127.0.0.1');
    await once(self.#server, 'listening');
    return self;
  }

  get url(): string {
    const address = this.#server.address();
    return `smtp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  reset(): void {
    this.received = [];
    this.recipientAnswer = '';
    this.isSilent = false;
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
    const say = (line: string) => socket.write(`${line}\r\n`);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest += chunk.toString('utf8');
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (message === undefined) message = this.#command(line, say);
        else if (line !== '.') message += `${line}\n`;
        else {
          if (!this.isSilent) say('250 accepted');
          this.received.push(message);
          message = undefined;
        }
      }
    });
    say('220 stand-in');
  }

  /** Answers an empty message where one begins. */
  #command(line: string, say: (line: string) => void): string | undefined {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'RCPT') say(this.recipientAnswer === '' ? '250 ok' : this.recipientAnswer);
    else if (verb === 'DATA') say('354 go on');
    else if (verb === 'QUIT') say('221 bye');
    else say('250 ok');
    return verb === 'DATA' ? '' : undefined;
  }
}

function outboxOf(delivery: MailDelivery, environment: 'sandbox' | 'production' = 'sandbox') {
  return new MailOutbox({ delivery, environment, clock, ids: randomIds, secretBox: testSecretBox });
}

const smtp = () => openMail({ environment: 'sandbox', laptop: false, smtpUrl: mailServer.url, mailFrom: FROM }, clock);
const memory = () => {
  const mailBox = new MailBox(FROM, clock);
  return { mailBox, delivery: { kind: 'memory', mailBox } as const };
};
const aMail: Mail = { to: 'ada@example.org', subject: 'Grüße', text: 'Hello,\n\nhttps://example.org/#secret-token\n' };
const quiet = pino({ level: 'silent' });
const queue = (outbox: MailOutbox, mail = aMail, expiresAt?: Date) =>
  database.sql.begin((tx) =>
    outbox.queue(tx, mail, { now: clock.now(), ...(expiresAt === undefined ? {} : { expiresAt }) }),
  );
const waiting = async () => (await database.sql`select from mail_outbox`).length;

describe('a start', () => {
  const start = { environment: 'sandbox', laptop: false, smtpUrl: undefined, mailFrom: FROM } as const;

  test('on a laptop keeps mails, elsewhere in the sandbox has none, in production needs SMTP_URL and says so in a sentence', () => {
    expect(openMail({ ...start, laptop: true }, clock).kind).toBe('memory');
    expect(openMail(start, clock).kind).toBe('none');
    const production = () => openMail({ ...start, environment: 'production' }, clock);
    expect(production).toThrow(StartupError);
    expect(production).toThrow(/^SIR_ENVIRONMENT=production needs SMTP_URL[^.]*\.$/);
    expect(smtp().kind).toBe('smtp');
  });
});

describe('a mail', () => {
  test('is sent after COMMIT only, and not at all after ROLLBACK', async () => {
    const { mailBox, delivery } = memory();
    const outbox = outboxOf(delivery);
    await expect(
      database.sql.begin(async (tx) => {
        await outbox.queue(tx, aMail, { now: clock.now() });
        await outbox.sendDue(database.sql, quiet);
        throw new Error('given up');
      }),
    ).rejects.toThrow('given up');
    await outbox.sendDue(database.sql, quiet);
    expect(mailBox.list()).toEqual([]);
    await queue(outbox);
    await outbox.sendDue(database.sql, quiet);
    expect(mailBox.list()).toMatchObject([{ ...aMail, from: FROM }]);
    expect(await waiting()).toBe(0);
  });

  test('arrives by SMTP as it was written, marked as made by a machine', async () => {
    const delivery = smtp();
    const outbox = outboxOf(delivery);
    await queue(outbox);
    await outbox.sendDue(database.sql, quiet);
    const [message = ''] = mailServer.received;
    expect(message).toMatch(/^From: SIR Giving <no-reply@example.org>$/m);
    expect(message).toMatch(/^To: ada@example.org$/m);
    expect(message).toMatch(/^Auto-Submitted: auto-generated$/m);
    expect(message).toMatch(/^Message-ID: <[0-9a-f-]{36}@example.org>$/m);
    expect(message).toContain('https://example.org/#secret-token');
    if (delivery.kind === 'smtp') delivery.close();
  });

  test('cannot be given more recipients or headers by what an address says', async () => {
    const delivery = smtp();
    const outbox = outboxOf(delivery);
    const to = 'ada@example.org, eve@example.org\r\nBcc: mallory@example.org';
    await queue(outbox, { ...aMail, to, subject: 'Hi\r\nBcc: mallory@example.org' });
    await outbox.sendDue(database.sql, quiet);
    for (const message of mailServer.received) expect(message).not.toMatch(/^Bcc:/im);
    if (delivery.kind === 'smtp') delivery.close();
  });

  test('is sealed while it waits', async () => {
    await queue(outboxOf(memory().delivery));
    const [row] = await database.sql<{ sealed: Buffer }[]>`select sealed_mail as sealed from mail_outbox`;
    for (const word of [aMail.to, aMail.subject, 'secret-token']) {
      expect(row?.sealed.includes(word)).toBe(false);
      expect(row?.sealed.includes(Buffer.from(word).toString('base64'))).toBe(false);
    }
  });

  test('is not sent when what it offers is over', async () => {
    const { mailBox, delivery } = memory();
    const outbox = outboxOf(delivery);
    await queue(outbox, aMail, new Date(clock.now().getTime() + 30 * MINUTE));
    clock.advance(30 * MINUTE);
    await outbox.sendDue(database.sql, quiet);
    expect(mailBox.list()).toEqual([]);
    expect(await waiting()).toBe(0);
  });

  test('of one environment is never sent by the other', async () => {
    const [sandbox, production] = [memory(), memory()];
    await queue(outboxOf(sandbox.delivery));
    await outboxOf(production.delivery, 'production').sendDue(database.sql, quiet);
    expect(production.mailBox.list()).toEqual([]);
    await outboxOf(sandbox.delivery).sendDue(database.sql, quiet);
    expect(sandbox.mailBox.list().length).toBe(1);
  });

  test('is sent once by several workers', async () => {
    const workers = Array.from({ length: 4 }, memory);
    const outboxes = workers.map(({ delivery }) => outboxOf(delivery));
    for (let index = 0; index < 50; index++) {
      await queue(outboxes[0] as MailOutbox, { ...aMail, subject: `number ${index}` });
    }
    await Promise.all(outboxes.map((outbox) => outbox.sendDue(database.sql, quiet)));
    const subjects = workers.flatMap(({ mailBox }) => mailBox.list().map(({ subject }) => subject));
    expect(subjects.length).toBe(50);
    expect(new Set(subjects).size).toBe(50);
  });
});

describe('a mail server', () => {
  test('that refuses for now gets the mail again, later and later, under the same id', async () => {
    const outbox = outboxOf(smtp());
    mailServer.recipientAnswer = '451 try later';
    await queue(outbox);
    await outbox.sendDue(database.sql, quiet);
    expect(await waiting()).toBe(1);
    await outbox.sendDue(database.sql, quiet);
    const [{ attempts }] = (await database.sql`select attempts from mail_outbox`) as unknown as [{ attempts: number }];
    expect(attempts).toBe(1);
    clock.advance(MINUTE);
    mailServer.recipientAnswer = '';
    await outbox.sendDue(database.sql, quiet);
    expect(mailServer.received.length).toBe(1);
    expect(await waiting()).toBe(0);
  });

  test('that refuses for good gets it once, and the log does not tell whose address it was', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const outbox = outboxOf(smtp());
    mailServer.recipientAnswer = '550 <ada@example.org> is unknown here';
    await queue(outbox);
    await outbox.sendDue(database.sql, log);
    expect(await waiting()).toBe(0);
    expect(lines.join()).toContain('"responseCode":550');
    expect(lines.join()).not.toContain('ada@');
  });

  test('that cannot be reached costs nobody a mail', async () => {
    const unreachable = openMail(
      { environment: 'sandbox', laptop: false, smtpUrl: 'smtp://127.0.0.1:1', mailFrom: FROM },
      clock,
    );
    await queue(outboxOf(unreachable));
    await outboxOf(unreachable).sendDue(database.sql, quiet);
    expect(await waiting()).toBe(1);
    clock.advance(MINUTE);
    const { mailBox, delivery } = memory();
    await outboxOf(delivery).sendDue(database.sql, quiet);
    expect(mailBox.list().length).toBe(1);
  });

  test('gets a mail again whose worker was killed before it could note that it was sent', async () => {
    const { mailBox, delivery } = memory();
    await queue(outboxOf(delivery));
    // What a worker leaves that dies between the claim and the end.
    await database.sql`update mail_outbox set attempts = 1, due_at = ${new Date(clock.now().getTime() + 45_000)}`;
    await outboxOf(delivery).sendDue(database.sql, quiet);
    expect(mailBox.list().length).toBe(0);
    clock.advance(45_000);
    await outboxOf(delivery).sendDue(database.sql, quiet);
    expect(mailBox.list().length).toBe(1);
  });
});

test('without mail, what queues a mail answers 503 MAIL_NOT_CONFIGURED', async () => {
  await expect(queue(outboxOf({ kind: 'none' }))).rejects.toMatchObject({ code: 'MAIL_NOT_CONFIGURED', status: 503 });
});

test('laptop mode keeps the last hundred mails', () => {
  const mailBox = new MailBox(FROM, clock);
  for (let index = 0; index < 150; index++) mailBox.keep(String(index), { ...aMail, subject: `number ${index}` });
  expect(mailBox.list().length).toBe(100);
  expect(mailBox.list().at(0)?.subject).toBe('number 149');
  expect(mailBox.list().at(-1)?.subject).toBe('number 50');
});
