import { find } from './elements.js';

/**
 * The access token of the person who tries things out. Like the keys it lives in this module's variable and nowhere else, and is
 * dropped when the page is left.
 * @type {string | undefined}
 */
let token;

/** @type {Set<() => void>} */
const listeners = new Set();

export function currentToken() {
  return token;
}

/** @param {() => void} listener is called whenever the token is set or dropped. */
export function onTokenChanged(listener) {
  listeners.add(listener);
}

/** @param {string | undefined} next */
function setToken(next) {
  token = next;
  for (const listener of listeners) listener();
}

addEventListener('pagehide', () => setToken(undefined));

/** @param {HTMLDialogElement} dialog */
export function prepareTokenForm(dialog) {
  const field = find(dialog, '[data-token]', HTMLInputElement);
  const fault = find(dialog, '[data-token-fault]', HTMLElement);
  const use = () => {
    const typed = field.value.trim().replace(/^Bearer /i, '');
    const isToken = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(typed);
    fault.textContent = isToken ? '' : 'An access token has three parts with a point between: eyJ….….…';
    if (!isToken) return field.focus();
    field.value = '';
    setToken(typed);
    find(dialog, '[data-send]', HTMLButtonElement).focus();
  };
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.metaKey && !event.ctrlKey) use();
  });
  find(dialog, '[data-use-token]', HTMLButtonElement).addEventListener('click', use);
  find(dialog, '[data-forget-token]', HTMLButtonElement).addEventListener('click', () => {
    setToken(undefined);
    field.focus();
  });
  addEventListener('pagehide', () => {
    field.value = '';
  });
  const show = () => {
    for (const place of dialog.querySelectorAll('[data-token-set]'))
      if (place instanceof HTMLElement) place.hidden = token === undefined;
    find(dialog, '[data-token-form]', HTMLElement).hidden = token !== undefined;
  };
  onTokenChanged(show);
}

/**
 * Whoever logs in on this page goes on with the token that was answered.
 * @param {string} path of the request
 * @param {string} text of the answer's body
 */
export function takeTokenFrom(path, text) {
  if (!/\/auth\/(?:login|refresh|totp\/prove)$/.test(path)) return;
  /** @type {unknown} */
  const found = Reflect.get(JSON.parse(text), 'accessToken');
  if (typeof found === 'string') setToken(found);
}
