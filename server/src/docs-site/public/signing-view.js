import { element, find } from './elements.js';
import { curlOf, headersOf } from './signed-request.js';

/**
 * Nothing to show yet.
 * @param {HTMLElement} dialog
 * @param {string | undefined} why undefined where there is no operation either
 */
export function showNoSigning(dialog, why) {
  find(dialog, '[data-signing]', HTMLElement).hidden = true;
  const empty = find(dialog, '[data-signing-empty]', HTMLElement);
  empty.hidden = why === undefined;
  empty.textContent = why ?? '';
}

/**
 * Nothing is signed: the command alone is shown, and not with the token itself.
 * @param {HTMLElement} dialog
 * @param {import('./signed-request.js').Request} request
 * @param {boolean} needsToken
 */
export function showCommand(dialog, request, needsToken) {
  const credentials = needsToken ? ['-H "Authorization: Bearer $SIR_ACCESS_TOKEN"'] : [];
  find(dialog, '[data-curl]', HTMLElement).textContent = curlOf(request, request.headers, credentials);
  find(dialog, '[data-validity]', HTMLElement).textContent = '';
  show(dialog, false);
}

/**
 * @param {HTMLElement} dialog
 * @param {import('./signed-request.js').Request} request
 * @param {string} key
 * @param {import('./signed-request.js').Signing} signing
 */
export function showSigning(dialog, request, key, signing) {
  const part = (/** @type {string} */ name, /** @type {string} */ text) =>
    element('span', { class: `part part-${name}` }, text);
  find(dialog, '[data-canonical]', HTMLElement).replaceChildren(
    part('timestamp', signing.timestamp),
    part('method', request.method),
    part('path', request.path),
    part('body', signing.bodyHash),
  );
  find(dialog, '[data-signature]', HTMLElement).textContent = signing.signature;
  find(dialog, '[data-curl]', HTMLElement).textContent = curlOf(request, headersOf(request, key, signing));
  const end = new Date((Number(signing.timestamp) + 300) * 1000).toLocaleTimeString();
  find(dialog, '[data-validity]', HTMLElement).textContent = `· signed now, valid for 5 minutes, until ${end}`;
  show(dialog, true);
}

/**
 * @param {HTMLElement} dialog
 * @param {boolean} isSigned
 */
function show(dialog, isSigned) {
  markSigned(dialog, isSigned);
  find(dialog, '[data-signing]', HTMLElement).hidden = false;
  find(dialog, '[data-signing-empty]', HTMLElement).hidden = true;
}

/**
 * Shows what belongs to signing only where something is signed.
 * @param {HTMLElement} dialog
 * @param {boolean} isSigned
 */
export function markSigned(dialog, isSigned) {
  for (const part of dialog.querySelectorAll('[data-signed-only]')) part.toggleAttribute('hidden', !isSigned);
}
