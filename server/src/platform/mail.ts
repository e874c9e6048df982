import type { Environment } from '@sirgiving/contract';
import { createTransport } from 'nodemailer';
import type { Clock } from './clock.ts';
import { StartupError } from './startup-error.ts';

/** One mail to one person: plain text. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** How mails leave this process. */
export type MailDelivery =
  | {
      kind: 'smtp';
      /** `id`: the same for every attempt, so that a mail that comes twice can be recognised. Rejects when it was not accepted. */
      send(id: string, mail: Mail): Promise<void>;
      close(): void;
    }
  /** Laptop mode: nothing leaves, the last ones are shown at `/dev/mail`. */
  | { kind: 'memory'; mailBox: MailBox }
  /** What needs mail answers 503. */
  | { kind: 'none' };

export interface MailSettings {
  environment: Environment;
  laptop: boolean;
  smtpUrl: string | undefined;
  mailFrom: string;
}

const MAX_CONNECTIONS = 4;
const CONNECT_TIMEOUT_MILLISECONDS = 10_000;
/** Between two words of the server. */
const SILENCE_TIMEOUT_MILLISECONDS = 15_000;

/**
 * Chooses how mails leave (issue: `SMTP_URL`; laptop mode keeps them; other sandbox starts go without). Throws a StartupError for
 * production without `SMTP_URL`: nobody could confirm an address or recover a password there.
 */
export function openMail(settings: MailSettings, clock: Clock): MailDelivery {
  const { environment, laptop, smtpUrl, mailFrom } = settings;
  if (smtpUrl !== undefined) return openSmtp(smtpUrl, mailFrom);
  if (environment === 'production') {
    throw new StartupError('SIR_ENVIRONMENT=production needs SMTP_URL: accounts cannot work without mail.');
  }
  return laptop ? { kind: 'memory', mailBox: new MailBox(mailFrom, clock) } : { kind: 'none' };
}

function openSmtp(url: string, from: string): MailDelivery {
  const transport = createTransport(
    {
      url,
      pool: true,
      maxConnections: MAX_CONNECTIONS,
      connectionTimeout: CONNECT_TIMEOUT_MILLISECONDS,
      greetingTimeout: CONNECT_TIMEOUT_MILLISECONDS,
      socketTimeout: SILENCE_TIMEOUT_MILLISECONDS,
      // A mail is made of our texts only, but what cannot read files and addresses cannot be made to.
      disableFileAccess: true,
      disableUrlAccess: true,
    },
    { from, headers: { 'Auto-Submitted': 'auto-generated' } },
  );
  const domain = /@([^>]+)>?$/.exec(from)?.[1] ?? 'localhost';
  return {
    kind: 'smtp',
    send: async (id, { to, subject, text }) => {
      // As an object: a string would be read as a list of addresses.
      await transport.sendMail({ to: { name: '', address: to }, subject, text, messageId: `<${id}@${domain}>` });
    },
    close: () => transport.close(),
  };
}

/** A mail that would have been sent. */
export interface KeptMail extends Mail {
  id: string;
  from: string;
  at: Date;
}

const MAX_KEPT_MAILS = 100;

/** The last 100 mails of laptop mode. They are gone when the process ends. */
export class MailBox {
  readonly #from: string;
  readonly #clock: Clock;
  readonly #mails: KeptMail[] = [];

  constructor(from: string, clock: Clock) {
    this.#from = from;
    this.#clock = clock;
  }

  keep(id: string, mail: Mail): void {
    this.#mails.unshift({ ...mail, id, from: this.#from, at: this.#clock.now() });
    this.#mails.length = Math.min(this.#mails.length, MAX_KEPT_MAILS);
  }

  /** The newest first. */
  list(): readonly KeptMail[] {
    return this.#mails;
  }
}
