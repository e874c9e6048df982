// What the small pages have in common: the token of their link, calls to this host, and the line that says what came of it.

/** @typedef {{ partner: { name: string }, role: string, email: string, expiresAt: string }} Invitation */
/** @typedef {{ code: string, detail: string, errors: { path: string, message: string }[] }} Problem */
/** @typedef {{ accessToken: string, account: { email: string | null } }} Session */
/**
 * Which members are there depends on what was asked for and on how it went.
 * @typedef {{ ok: boolean, status: number, body: Partial<Invitation & Problem & Session> }} Answer
 */

const outcome = /** @type {HTMLElement} */ (document.querySelector('.outcome'));

/**
 * Takes the token out of the link. It stands behind the `#`, which no server sees, and leaves the address at once, so that it does not
 * stay in the history.
 */
export function takeToken() {
  const token = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  return token;
}

/**
 * Says so where a token is not one.
 * @param {string} token
 */
export function isWhole(token) {
  const whole = /^[\w-]{43}$/.test(token);
  if (!whole) tell('This link is not complete. Open it from the mail once more, or copy all of it.', true);
  return whole;
}

/**
 * One call to this host. Rejects when there is no answer.
 * @param {string} path
 * @param {object | undefined} body sent as JSON by POST; undefined: GET
 * @param {{ accessToken?: string | undefined, withCookie?: boolean }} [proof]
 * @returns {Promise<Answer>}
 */
export async function call(path, body, { accessToken, withCookie = false } = {}) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: withCookie ? 'same-origin' : 'omit',
  });
  return { ok: response.ok, status: response.status, body: response.status === 204 ? {} : await response.json() };
}

/**
 * Runs what a button is for: once at a time, and an answer that does not come is told.
 * @param {HTMLButtonElement | null} button
 * @param {() => Promise<void>} work
 */
export async function whileWaiting(button, work) {
  if (button !== null) button.disabled = true;
  try {
    await work();
  } catch {
    tell('The server did not answer. Please try again.', true);
  }
  if (button !== null) button.disabled = false;
}

/**
 * What a refusal says, in words for people.
 * @param {Answer} answer
 */
export function reasonOf({ body: { detail = '', errors = [] } }) {
  const messages = errors.map(({ path, message }) => `${path.slice(1)} ${message}`);
  return messages.length > 0 ? `${messages.join('; ')}.` : detail;
}

/**
 * @param {string} text
 * @param {boolean} failed
 */
export function tell(text, failed) {
  outcome.hidden = false;
  outcome.textContent = text;
  outcome.toggleAttribute('data-failed', failed);
}

export function tellNothing() {
  outcome.hidden = true;
  outcome.textContent = '';
}
