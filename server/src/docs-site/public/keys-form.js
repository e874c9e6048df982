import { element, find } from './elements.js';
import { currentKeys, faultOf, keysInJson, masked, onKeysChanged, setKeys } from './keys.js';

/** The environment of this host, which the server wrote into the page. */
const environment = document.body.dataset.environment ?? 'production';

/** @param {HTMLDialogElement} dialog */
export function prepareKeysForm(dialog) {
  const key = find(dialog, '[data-key]', HTMLInputElement);
  const hmac = find(dialog, '[data-hmac]', HTMLInputElement);
  const fault = find(dialog, '[data-key-fault]', HTMLElement);

  const use = () => {
    const typed = { key: key.value.trim(), hmacSecret: hmac.value.trim() };
    const wrong = faultOf(typed, environment);
    fault.textContent = wrong ?? '';
    if (wrong !== undefined) {
      (wrong.startsWith('The HMAC') ? hmac : key).focus();
      return;
    }
    // The fields are emptied: from here on only the variable in keys.js knows.
    key.value = '';
    hmac.value = '';
    setKeys(typed);
    if (dialog.hasAttribute('data-keys-only')) dialog.close();
    else find(dialog, '[data-send]', HTMLButtonElement).focus();
  };

  const paste = (/** @type {ClipboardEvent} */ event) => {
    const found = keysInJson(event.clipboardData?.getData('text') ?? '', environment);
    if (found === undefined) return;
    event.preventDefault();
    key.value = found.key;
    hmac.value = found.hmacSecret;
    use();
  };

  for (const field of [key, hmac]) {
    field.addEventListener('paste', paste);
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.metaKey && !event.ctrlKey) use();
    });
  }
  find(dialog, '[data-use-keys]', HTMLButtonElement).addEventListener('click', use);
  find(dialog, '[data-forget]', HTMLButtonElement).addEventListener('click', () => {
    setKeys(undefined);
    key.focus();
  });
  addEventListener('pagehide', () => {
    key.value = '';
    hmac.value = '';
  });
  onKeysChanged(() => showKeysForm(dialog));
}

/** Shows the fields while there are no keys, and which key is used once there are. @param {HTMLElement} dialog */
export function showKeysForm(dialog) {
  const keys = currentKeys();
  find(dialog, '[data-keys-form]', HTMLElement).hidden = keys !== undefined;
  find(dialog, '[data-forget]', HTMLElement).hidden = keys === undefined;
  const set = find(dialog, '[data-keys-set]', HTMLElement);
  set.hidden = keys === undefined;
  set.replaceChildren(
    ...(keys === undefined ? [] : ['Signing with ', element('code', {}, masked(keys.key)), ' and its HMAC secret.']),
  );
}
