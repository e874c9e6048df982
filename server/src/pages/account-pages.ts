import type { FastifyInstance } from 'fastify';
import { type Html, html } from '../docs-site/index.ts';
import { needsScript, outcome, plainPage, sendPage } from './plain-page.ts';

const SCRIPT = '/pages/account.js';

/** Adds the pages that the links of mails lead to (accounts/mail-texts.ts). They hold nothing of anybody: a script does the one call. */
export function registerAccountPages(app: FastifyInstance): void {
  const add = (path: string, page: string) => {
    app.get(path, { config: { scope: 'anyone' } }, (_request, reply) => sendPage(reply, page));
  };
  add('/account/verify-email', plainPage('Confirm your e-mail address', verifyEmailForm(), SCRIPT));
  add('/account/reset-password', plainPage('Choose a new password', resetPasswordForm(), SCRIPT));
  add('/account/forgot-password', plainPage('Forgotten your password?', forgotPasswordForm(), SCRIPT));
}

function verifyEmailForm(): Html {
  return html`<form data-call="/v1/partner/auth/verify-email" data-token data-done="Your address is confirmed. You can log in now.">
      <p class="plain-soft">One click, and your account is ready.</p>
      <button type="submit">Confirm my address</button>
    </form>${outcome}${needsScript}`;
}

function resetPasswordForm(): Html {
  return html`<form data-call="/v1/partner/auth/reset-password" data-token data-done="Your new password is set. You can log in with it now.">
      <p class="plain-soft">At least 10 characters. All your devices will be logged out.</p>
      <label for="password">New password</label>
      <input id="password" name="password" type="password" autocomplete="new-password" minlength="10" maxlength="200" required>
      <button type="submit">Set the new password</button>
    </form>${outcome}${needsScript}`;
}

function forgotPasswordForm(): Html {
  return html`<form data-call="/v1/partner/auth/forgot-password" data-done="If there is an account with this address, a mail is on its way to it.">
      <p class="plain-soft">We will mail you a link to choose a new one.</p>
      <label for="email">E-mail address</label>
      <input id="email" name="email" type="email" autocomplete="email" maxlength="254" required>
      <button type="submit">Send me the link</button>
    </form>${outcome}${needsScript}`;
}
