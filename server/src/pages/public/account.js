// Where most links of mails lead: one form, one call.
import { call, isWhole, reasonOf, takeToken, tell, whileWaiting } from './calls.js';

const form = /** @type {HTMLFormElement} */ (document.querySelector('form'));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
const needsToken = form.dataset.token !== undefined;
const token = takeToken();

if (needsToken && !isWhole(token)) button.disabled = true;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  whileWaiting(button, async () => {
    const fields = Object.fromEntries(new FormData(form));
    const answer = await call(form.dataset.call ?? '', needsToken ? { ...fields, token } : fields);
    form.hidden = answer.ok;
    tell(answer.ok ? (form.dataset.done ?? '') : reasonOf(answer), !answer.ok);
  });
});
