// Where the link of an invitation leads: it says who invites, lets people log in or register, and joins the team. Whoever is logged in
// on this host is found by the cookie of the session.
import { call, isWhole, reasonOf, takeToken, tell, tellNothing, whileWaiting } from './calls.js';

const AUTH = '/v1/partner/auth';
const INVITATIONS = '/v1/partner/invitations';
const NO_ANSWER = 'The server did not answer. Open the link of the mail once more.';

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
/** @param {string} selector */
const button = (selector) => /** @type {HTMLButtonElement} */ (document.querySelector(selector));

const token = takeToken();
/** @type {string | undefined} */
let accessToken;
/** @type {import('./calls.js').Invitation} */
let invitation;

const forms = {
  logIn: /** @type {HTMLFormElement} */ (one('form[data-step="log-in"]')),
  register: /** @type {HTMLFormElement} */ (one('form[data-step="register"]')),
};

/**
 * Shows one step and hides the others.
 * @param {string} name
 */
function show(name) {
  for (const step of document.querySelectorAll('[data-step]'))
    if (step instanceof HTMLElement) step.hidden = step.dataset.step !== name;
  one('[data-decline-part]').hidden = name === 'done';
}

/**
 * A step that somebody has asked for: what is typed next goes there.
 * @param {'logIn' | 'register'} name
 */
function turnTo(name) {
  show(name === 'logIn' ? 'log-in' : 'register');
  passwordOf(forms[name]).focus();
}

/** @param {HTMLFormElement} form */
function passwordOf(form) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem('password'));
}

/** @param {string} text */
function finish(text) {
  show('done');
  tell(text, false);
  one('.outcome').focus();
}

async function open() {
  const answer = await call(`${INVITATIONS}/show`, { token });
  if (!answer.ok) return end(answer);
  invitation = /** @type {import('./calls.js').Invitation} */ (answer.body);
  for (const place of document.querySelectorAll('[data-partner]')) place.textContent = invitation.partner.name;
  for (const place of document.querySelectorAll('[data-email]')) {
    if (place instanceof HTMLInputElement) place.value = invitation.email;
    else place.textContent = invitation.email;
  }
  one(`[data-role="${invitation.role}"]`).hidden = false;
  one('[data-until]').textContent = new Date(invitation.expiresAt).toLocaleDateString('en', { dateStyle: 'long' });
  one('[data-offer]').hidden = false;
  await findSession();
}

/**
 * The invitation cannot be answered.
 * @param {import('./calls.js').Answer} answer
 */
function end(answer) {
  show('done');
  const isGone = answer.status === 404;
  one('[data-offer]').hidden ||= isGone;
  tell(isGone ? `${reasonOf(answer)} Ask whoever invited you for a new one.` : reasonOf(answer), true);
}

/** Somebody who is logged in with the address of the invitation only has to accept. */
async function findSession() {
  const refreshed = await call(`${AUTH}/refresh`, {}, { withCookie: true });
  accessToken = refreshed.body.accessToken;
  const me = accessToken === undefined ? undefined : await call(`${AUTH}/me`, undefined, { accessToken });
  if (me?.ok !== true) return show('log-in');
  const email = me.body.account?.email ?? null;
  one('[data-other]').textContent = email ?? 'somebody without an e-mail address';
  show(email !== null && keyOf(email) === keyOf(invitation.email) ? 'accept' : 'other');
}

/** @param {string} email */
const keyOf = (email) => email.normalize('NFC').toLowerCase();

async function accept() {
  const answer = await call(`${INVITATIONS}/accept`, { token }, { accessToken });
  if (answer.ok) {
    one('[data-next]').hidden = false;
    return finish(`Welcome! You belong to the team of ${invitation.partner.name} now.`);
  }
  if (answer.body.code === 'MEMBER_EXISTS')
    return finish(`You belong to the team of ${invitation.partner.name} already.`);
  if (answer.status === 404) return end(answer);
  if (answer.body.code === 'INVALID_ACCESS_TOKEN') show('log-in');
  tell(reasonOf(answer), true);
}

async function logIn() {
  const { otp, ...fields } = Object.fromEntries(new FormData(forms.logIn));
  const wish = { ...fields, ...(otp ? { otp } : {}), session: 'cookie' };
  const answer = await call(`${AUTH}/login`, wish, { withCookie: true });
  if (answer.ok) {
    accessToken = answer.body.accessToken;
    show('accept');
    return accept();
  }
  tell(reasonOf(answer), true);
  if (answer.body.code !== 'OTP_REQUIRED' && answer.body.code !== 'INVALID_OTP') return;
  one('[data-otp]').hidden = false;
  const field = /** @type {HTMLInputElement} */ (forms.logIn.elements.namedItem('otp'));
  field.required = true;
  field.focus();
}

async function register() {
  const answer = await call(`${AUTH}/register`, Object.fromEntries(new FormData(forms.register)));
  if (!answer.ok) return tell(reasonOf(answer), true);
  passwordOf(forms.logIn).value = passwordOf(forms.register).value;
  turnTo('logIn');
  tell(
    `A mail is on its way to ${invitation.email}. Confirm your address with its link, then come back and log in here.`,
    false,
  );
}

async function logOut() {
  await call(`${AUTH}/logout`, {}, { withCookie: true });
  accessToken = undefined;
  turnTo('logIn');
}

/** Asks once more: it cannot be taken back. */
async function decline() {
  const pressed = button('[data-decline]');
  if (pressed.dataset.sure === undefined) {
    pressed.dataset.sure = '';
    pressed.textContent = 'Really decline? Press once more';
    return;
  }
  const answer = await call(`${INVITATIONS}/decline`, { token });
  if (answer.ok) finish('You have declined the invitation. Nothing else happens.');
  else end(answer);
}

/** @type {[string, () => Promise<void>][]} */
const presses = [
  ['[data-accept]', accept],
  ['[data-log-out]', logOut],
  ['[data-decline]', decline],
];
for (const [selector, work] of presses) {
  const pressed = button(selector);
  pressed.addEventListener('click', () => whileWaiting(pressed, work));
}
for (const [form, work] of /** @type {const} */ ([
  [forms.logIn, logIn],
  [forms.register, register],
])) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    whileWaiting(form.querySelector('button'), work);
  });
}
for (const [selector, name] of /** @type {const} */ ([
  ['[data-to-register]', 'register'],
  ['[data-to-log-in]', 'logIn'],
])) {
  button(selector).addEventListener('click', () => {
    tellNothing();
    turnTo(name);
  });
}

if (isWhole(token)) {
  open().catch(() => {
    show('done');
    tell(NO_ANSWER, true);
  });
} else show('done');
