import type { Environment } from '@sirgiving/contract';
import type { Logger } from 'pino';
import type { Clock } from './clock.ts';
import type { Sql, Tx } from './db.ts';
import type { Ids } from './ids.ts';
import type { Mail, MailDelivery } from './mail.ts';
import { problem } from './problem-json.ts';
import { type SecretBox, SecretNotOpened } from './secret-box.ts';

export interface MailOutboxDependencies {
  delivery: MailDelivery;
  environment: Environment;
  clock: Clock;
  ids: Ids;
  secretBox: SecretBox;
}

interface ClaimedMail {
  id: string;
  sealedMail: Buffer;
  attempts: number;
}

const MAILS_AT_ONCE = 4;
/** In all, so that a claim never outlives its lease. */
const SEND_TIMEOUT_MILLISECONDS = 30_000;
/** How long a mail is out of reach of other workers, and so how late it is when its worker is killed. */
const LEASE_MILLISECONDS = 45_000;
const MINUTE_MILLISECONDS = 60_000;
/** After each failure; the one behind the last is given up. Some four days, like mail servers do. */
const WAIT_MINUTES = [0.25, 1, 5, 15, 60, 240, 720, 1_440, 1_440, 1_440];

/**
 * Mails on their way. They are written in the transaction of what they tell about and sent after its COMMIT by the worker, at least
 * once. What a mail says may open an account, so it is sealed while it waits and deleted once it is sent.
 */
export class MailOutbox {
  readonly #deps: MailOutboxDependencies;

  constructor(deps: MailOutboxDependencies) {
    this.#deps = deps;
  }

  /** Whether this process can send mail at all. Where a mail is a courtesy, ask; where it is needed, `queue` throws. */
  get isConfigured(): boolean {
    return this.#deps.delivery.kind !== 'none';
  }

  /** Throws 503 MAIL_NOT_CONFIGURED where no mail can be sent. */
  assertConfigured(): void {
    if (this.isConfigured) return;
    throw problem('MAIL_NOT_CONFIGURED', 'This needs mail, and this server has none: set SMTP_URL.', {
      headers: { 'Retry-After': '3600' },
    });
  }

  /**
   * Queues a mail in the caller's transaction. After `expiresAt` it is not sent any more: what it offers does not work then. Throws 503
   * MAIL_NOT_CONFIGURED.
   */
  async queue(tx: Tx, mail: Mail, options: { now: Date; expiresAt?: Date }): Promise<void> {
    this.assertConfigured();
    const { ids, secretBox, environment } = this.#deps;
    const id = ids.uuid();
    const sealed = secretBox.seal(this.#place(id), JSON.stringify(mail));
    await tx`
      insert into mail_outbox (id, environment, sealed_mail, due_at, created_at, expires_at)
      values (${id}, ${environment}, ${sealed}, ${options.now}, ${options.now}, ${options.expiresAt ?? null})`;
  }

  /** The worker's job: sends what is due in this environment, four at a time, until nothing is left. */
  async sendDue(sql: Sql, log: Pick<Logger, 'warn' | 'error'>): Promise<void> {
    if (!this.isConfigured) return;
    const { clock, environment } = this.#deps;
    await sql`delete from mail_outbox where environment = ${environment} and expires_at <= ${clock.now()}`;
    for (;;) {
      const claimed = await this.#claim(sql);
      await Promise.all(claimed.map((mail) => this.#sendOne(sql, mail, log)));
      if (claimed.length < MAILS_AT_ONCE) return;
    }
  }

  /** Two workers may find the same rows; the second one waits for the first and then finds them leased. */
  async #claim(sql: Sql): Promise<readonly ClaimedMail[]> {
    const { clock, environment } = this.#deps;
    const now = clock.now();
    const leasedUntil = new Date(now.getTime() + LEASE_MILLISECONDS);
    return sql<ClaimedMail[]>`
      update mail_outbox set due_at = ${leasedUntil}, attempts = attempts + 1
      where environment = ${environment} and due_at <= ${now} and id in (
        select id from mail_outbox
        where environment = ${environment} and due_at <= ${now}
        order by due_at limit ${MAILS_AT_ONCE}
      )
      returning id, sealed_mail as "sealedMail", attempts`;
  }

  async #sendOne(sql: Sql, claimed: ClaimedMail, log: Pick<Logger, 'warn' | 'error'>): Promise<void> {
    const { id, attempts } = claimed;
    try {
      await this.#deliver(id, this.#unseal(claimed));
    } catch (error) {
      const waitMinutes = isForGood(error) ? undefined : WAIT_MINUTES[attempts - 1];
      // What the mail server said may name the person: only its codes are kept.
      const fields = { mailId: id, attempts, ...codesOf(error) };
      if (waitMinutes !== undefined) {
        log.warn(fields, 'a mail was not accepted; it is tried again');
        await this.#postpone(sql, id, waitMinutes);
        return;
      }
      log.error(fields, 'a mail is given up');
    }
    await sql`delete from mail_outbox where id = ${id}`;
  }

  #unseal({ id, sealedMail }: ClaimedMail): Mail {
    return JSON.parse(this.#deps.secretBox.open(this.#place(id), sealedMail)) as Mail;
  }

  async #deliver(id: string, mail: Mail): Promise<void> {
    const { delivery } = this.#deps;
    if (delivery.kind === 'memory') delivery.mailBox.keep(id, mail);
    if (delivery.kind === 'smtp') await withinTime(delivery.send(id, mail));
  }

  async #postpone(sql: Sql, id: string, minutes: number): Promise<void> {
    const dueAt = new Date(this.#deps.clock.now().getTime() + minutes * MINUTE_MILLISECONDS);
    await sql`update mail_outbox set due_at = ${dueAt} where id = ${id}`;
  }

  #place(id: string) {
    return { purpose: 'mail', environment: this.#deps.environment, rowId: id } as const;
  }
}

async function withinTime(sending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    }, SEND_TIMEOUT_MILLISECONDS);
  });
  try {
    await Promise.race([sending, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

const LOWEST_PERMANENT_REPLY = 500;

/** Whether the server refuses this mail, and not us or the moment: an address that is none, a mailbox that is gone. */
function isForGood(error: unknown): boolean {
  if (error instanceof SecretNotOpened) return true;
  const { code, responseCode } = codesOf(error);
  return (
    (code === 'EENVELOPE' || code === 'EMESSAGE') && (responseCode ?? LOWEST_PERMANENT_REPLY) >= LOWEST_PERMANENT_REPLY
  );
}

function codesOf(error: unknown): { code?: string; responseCode?: number } {
  const { code, responseCode } = Object(error) as { code?: unknown; responseCode?: unknown };
  return {
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof responseCode === 'number' ? { responseCode } : {}),
  };
}
