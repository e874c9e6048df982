import type { FastifyInstance } from 'fastify';
import type { MailBox } from '../platform/mail.ts';
import { registerAccountPages } from './account-pages.ts';
import { registerDevMail } from './dev-mail.ts';
import { registerInvitationPage } from './invitation-page.ts';
import { registerPageFiles } from './plain-page.ts';

export { DEV_MAIL_PATH } from './dev-mail.ts';

/** Adds the small pages of this host. `mailBox`: in laptop mode, what it would have sent. */
export function registerPages(app: FastifyInstance, mailBox: MailBox | undefined): void {
  registerPageFiles(app);
  registerAccountPages(app);
  registerInvitationPage(app);
  if (mailBox !== undefined) registerDevMail(app, mailBox);
}
