import type { FastifyInstance } from 'fastify';
import { DOCS_PATH, type Html, html } from '../docs-site/index.ts';
import { roleTexts } from '../partners/index.ts';
import { needsScript, outcome, plainPage, sendPage } from './plain-page.ts';

/** Adds the page that the link of an invitation leads to. Like its siblings it holds nothing of anybody: its script asks with the token. */
export function registerInvitationPage(app: FastifyInstance): void {
  const content = html`${offer()}${outcome}${acceptStep()}${otherPersonStep()}${logInStep()}${registerStep()}${ending()}${needsScript}`;
  const page = plainPage('Invitation to a team', content, '/pages/invitation.js');
  app.get('/account/invitation', { config: { scope: 'anyone' } }, (_request, reply) => sendPage(reply, page));
}

function offer(): Html {
  const roles = Object.entries(roleTexts).map(([role, text]) => html`<span data-role="${role}" hidden>${text}</span>`);
  return html`<p class="plain-soft" data-step="open">Opening the invitation …</p>
    <div data-offer hidden>
      <p class="offer"><strong data-partner></strong> invites you to its team, as ${roles}.</p>
      <p class="hint">For <span data-email></span>, until <span data-until></span>.</p>
    </div>`;
}

function acceptStep(): Html {
  return html`<div data-step="accept" hidden>
      <p class="beside">You are logged in with this address.</p>
      <button type="button" data-accept>Join the team</button>
    </div>`;
}

function otherPersonStep(): Html {
  return html`<div data-step="other" hidden>
      <p class="beside">You are logged in as <strong data-other></strong>, and the invitation was sent to <strong data-email></strong>. Only an
        account with that address can accept it.</p>
      <button type="button" data-log-out>Log out, and log in with that address</button>
    </div>`;
}

function logInStep(): Html {
  return html`<form data-step="log-in" hidden>
      <h2>Log in to accept</h2>
      <label for="log-in-email">E-mail address</label>
      <input id="log-in-email" name="email" type="email" autocomplete="username" data-email readonly>
      <label for="log-in-password">Password</label>
      <input id="log-in-password" name="password" type="password" autocomplete="current-password" maxlength="200" required>
      <div data-otp hidden>
        <label for="log-in-otp">One-time password</label>
        <input id="log-in-otp" name="otp" autocomplete="one-time-code" maxlength="19" autocapitalize="none" spellcheck="false">
      </div>
      <button type="submit">Log in and join the team</button>
      <p class="beside">No account yet? <button type="button" class="quiet" data-to-register>Register</button></p>
      <p class="beside"><a href="/account/forgot-password" target="_blank" rel="noopener">Forgotten your password?</a></p>
    </form>`;
}

function registerStep(): Html {
  return html`<form data-step="register" hidden>
      <h2>Register to accept</h2>
      <label for="register-email">E-mail address</label>
      <input id="register-email" name="email" type="email" autocomplete="username" data-email readonly>
      <label for="register-password">Password</label>
      <input id="register-password" name="password" type="password" autocomplete="new-password" minlength="10" maxlength="200"
        aria-describedby="register-hint" required>
      <p class="hint" id="register-hint">At least 10 characters.</p>
      <button type="submit">Register</button>
      <p class="beside">You have an account? <button type="button" class="quiet" data-to-log-in>Log in</button></p>
    </form>`;
}

function ending(): Html {
  return html`<p class="beside" data-next hidden><a href="${DOCS_PATH}">Go on to the API documentation</a></p>
    <p class="beside" data-decline-part hidden><button type="button" class="quiet" data-decline>Decline the invitation</button></p>`;
}
