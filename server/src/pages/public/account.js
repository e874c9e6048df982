// Where the links of mails lead: one form, one call. The token stands behind the `#`, which no server sees, and is taken out of the
// address at once, so that it does not stay in the history.

const form = /** @type {HTMLFormElement} */ (document.querySelector('form'));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
const outcome = /** @type {HTMLElement} */ (document.querySelector('.outcome'));
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

if (form.dataset.token !== undefined && !/^[\w-]{43}$/.test(token)) {
  tell('This link is not complete. Open it from the mail once more, or copy all of it.', true);
  button.disabled = true;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  try {
    const response = await send();
    if (response.ok) {
      form.hidden = true;
      tell(form.dataset.done ?? '', false);
      return;
    }
    tell(await reasonOf(response), true);
  } catch {
    tell('The server did not answer. Please try again.', true);
  }
  button.disabled = false;
});

function send() {
  const fields = Object.fromEntries(new FormData(form));
  const body = form.dataset.token === undefined ? fields : { ...fields, token };
  return fetch(form.dataset.call ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
  });
}

/** @param {Response} response */
async function reasonOf(response) {
  const { detail, errors = [] } = await response.json();
  const messages = errors.map(
    (/** @type {{ path: string; message: string }} */ { path, message }) => `${path.slice(1)} ${message}`,
  );
  return messages.length > 0 ? `${messages.join('; ')}.` : detail;
}

/**
 * @param {string} text
 * @param {boolean} failed
 */
function tell(text, failed) {
  outcome.hidden = false;
  outcome.textContent = text;
  outcome.toggleAttribute('data-failed', failed);
}
