import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Html, html } from '../docs-site/index.ts';
import type { KeptMail, MailBox } from '../platform/mail.ts';
import { problem } from '../platform/problem-json.ts';
import { plainPage, sendPage } from './plain-page.ts';

/** Where laptop mode shows the mails that it would have sent. */
export const DEV_MAIL_PATH = '/dev/mail';

const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Adds `/dev/mail` and, for programs, `/dev/mail.json`. Only for who asks this machine by its own name: a page from elsewhere that has
 * made its host name lead here is none of those.
 */
export function registerDevMail(app: FastifyInstance, mailBox: MailBox): void {
  const options = { config: { scope: 'anyone' } };
  app.get(DEV_MAIL_PATH, options, async (request, reply) => {
    refuseOtherHosts(request);
    return sendPage(reply, plainPage('Mails', mailList(mailBox.list())));
  });
  app.get(`${DEV_MAIL_PATH}.json`, options, async (request, reply) => {
    refuseOtherHosts(request);
    reply.headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' });
    return reply.send(JSON.stringify({ data: mailBox.list() }));
  });
}

function refuseOtherHosts({ headers }: FastifyRequest): void {
  if (!LOCAL_HOST.test(headers.host ?? '')) throw problem('NOT_FOUND', 'There is nothing at this path.');
}

function mailList(mails: readonly KeptMail[]): Html {
  return html`<p class="plain-soft">What this server would have sent, the newest first. Nothing leaves your machine; set SMTP_URL to send mail.</p>
    ${mails.length === 0 && html`<p>No mail yet. Register an account, and its mail is here.</p>`}
    ${mails.map(mail)}`;
}

function mail({ to, from, subject, text, at }: KeptMail): Html {
  return html`<article class="mail">
      <header><h2>${subject}</h2><p>To ${to} · from ${from} · <time datetime="${at.toISOString()}">${at.toISOString()}</time></p></header>
      <div class="mail-text">${text.split(/(https?:\/\/\S+)/).map(withLink)}</div>
    </article>`;
}

function withLink(part: string): Html {
  return /^https?:\/\//.test(part) ? html`<a href="${part}">${part}</a>` : html`${part}`;
}
