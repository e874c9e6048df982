import { element, find } from './elements.js';
import { currentKeys, onKeysChanged } from './keys.js';
import { prepareKeysForm, showKeysForm } from './keys-form.js';
import { showAnswer, showFault, showNothing } from './outcome.js';
import { headersOf, requestOf, sign } from './signed-request.js';
import { markSigned, showCommand, showNoSigning, showSigning } from './signing-view.js';
import { currentToken, onTokenChanged, prepareTokenForm, takeTokenFrom } from './token-form.js';

/** @typedef {import('./signed-request.js').Operation} Operation */

const dialog = find(document, '#try', HTMLDialogElement);
const title = find(dialog, '#try-title', HTMLElement);
const endpoint = find(dialog, '[data-endpoint]', HTMLElement);
const inputSection = find(dialog, '[data-inputs]', HTMLElement);
const inputList = find(dialog, '[data-input-list]', HTMLElement);
const bodySection = find(dialog, '[data-body]', HTMLElement);
const bodyText = find(dialog, '[data-body-text]', HTMLTextAreaElement);
const bodyFault = find(dialog, '[data-body-fault]', HTMLElement);
const sendFault = find(dialog, '[data-send-fault]', HTMLElement);
const ENTER_KEYS = 'Enter your keys, and the canonical string and its signature appear here.';
const sendButton = find(dialog, '[data-send]', HTMLButtonElement);

/** @type {{ environment: string, operations: Record<string, Operation> } | undefined} */
let site;
/** @type {Operation | undefined} */
let operation;
/** Raised with each change, so that a signature made for an earlier one is not shown over a later one. */
let edition = 0;
let isSending = false;

prepareKeysForm(dialog);
prepareTokenForm(dialog);
onKeysChanged(preview);
onTokenChanged(preview);
inputList.addEventListener('input', preview);
bodyText.addEventListener('input', preview);
sendButton.addEventListener('click', send);
find(dialog, '[data-close]', HTMLButtonElement).addEventListener('click', () => dialog.close());
find(dialog, '[data-reset]', HTMLButtonElement).addEventListener('click', () => {
  bodyText.value = operation?.body ?? '';
  preview();
});
dialog.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) send();
});
dialog.addEventListener('click', (event) => {
  // The dialog itself is only hit beside its frame.
  if (event.target === dialog) dialog.close();
});
// A signature is good for five minutes; one that is shown is never older than one.
setInterval(() => {
  if (dialog.open) preview();
}, 60_000);

/** @param {string} id */
export async function openOperation(id) {
  operation = undefined;
  title.textContent = '';
  showOperation();
  if (!dialog.open) dialog.showModal();
  try {
    site ??= await loadSite();
  } catch (error) {
    title.textContent = 'This did not load';
    sendFault.textContent = `The page’s data could not be loaded (${message(error)}). Close this and try again.`;
    return;
  }
  operation = site?.operations[id];
  showOperation();
  firstToFill().focus();
}

const needsToken = () => operation?.needs === 'access token' || operation?.needs === 'admin access token';
const isUnsigned = () => needsToken() || operation?.needs === 'nothing';

function firstToFill() {
  if (needsToken()) return currentToken() === undefined ? find(dialog, '[data-token]', HTMLInputElement) : sendButton;
  const hasKeys = currentKeys() !== undefined || isUnsigned();
  return hasKeys ? sendButton : find(dialog, '[data-key]', HTMLInputElement);
}

/** The dialog with the keys alone. */
export function openKeys() {
  operation = undefined;
  title.textContent = 'Your keys';
  showOperation();
  showKeysForm(dialog);
  if (!dialog.open) dialog.showModal();
}

async function loadSite() {
  const response = await fetch('/partner-api/site.json');
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

function showOperation() {
  dialog.toggleAttribute('data-keys-only', operation === undefined);
  markSigned(dialog, !isUnsigned());
  find(dialog, '[data-keys-section]', HTMLElement).hidden = isUnsigned();
  find(dialog, '[data-token-section]', HTMLElement).hidden = !needsToken();
  sendFault.textContent = '';
  showNothing(dialog);
  endpoint.replaceChildren();
  inputList.replaceChildren();
  inputSection.hidden = (operation?.inputs.length ?? 0) === 0;
  bodySection.hidden = operation?.body === undefined;
  bodyText.value = operation?.body ?? '';
  bodyText.rows = Math.min(22, bodyText.value.split('\n').length + 1);
  if (operation !== undefined) {
    title.textContent = operation.summary;
    endpoint.append(
      element('span', { class: `method method-${operation.method.toLowerCase()}` }, operation.method),
      ' ',
      element('code', {}, operation.path),
    );
    inputList.append(...operation.inputs.map(inputField));
  }
  preview();
}

/** @param {import('./signed-request.js').Input} input */
function inputField(input) {
  const attributes = { name: input.name, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' };
  const field =
    input.options === undefined
      ? element('input', { ...attributes, type: 'text', ...startOf(input) })
      : element(
          'select',
          attributes,
          element('option', { value: '' }, '—'),
          ...input.options.map((option) => element('option', {}, option)),
        );
  const hint = [input.in, input.type, input.required ? 'required' : ''].filter(Boolean).join(' · ');
  const label = element(
    'label',
    {},
    element('span', { class: 'field-name' }, input.name),
    ' ',
    element('span', { class: 'field-type' }, hint),
    field,
  );
  if (input.description !== undefined) field.setAttribute('title', input.description.replaceAll('`', ''));
  return label;
}

/**
 * An example that is the reader's own choice is filled in; an id that the server gave would be somebody else's.
 * @param {import('./signed-request.js').Input} input
 * @returns {Record<string, string>}
 */
function startOf({ in: place, required, example = '' }) {
  const isOwnChoice = place === 'path' && !/^[a-z]+_[0-9a-z]{26}$/.test(example);
  const hint = example === '' ? '' : `such as ${example}`;
  return isOwnChoice ? { value: example } : { placeholder: hint || (required ? '' : 'optional') };
}

function filledIn() {
  if (operation === undefined) return undefined;
  /** @type {Map<string, string>} */
  const values = new Map();
  for (const field of inputList.querySelectorAll('input, select')) {
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement)
      values.set(field.name, field.value.trim());
  }
  return requestOf(operation, values, operation.body === undefined ? undefined : bodyText.value);
}

/** Shows what would be signed now, while it is being filled in. */
async function preview() {
  const mine = ++edition;
  bodyFault.textContent = bodyFaultNow();
  const keys = currentKeys();
  const filled = filledIn();
  if (filled === undefined) return showNoSigning(dialog, operation === undefined ? undefined : '');
  if ('fault' in filled) return showNoSigning(dialog, keys === undefined && !isUnsigned() ? ENTER_KEYS : filled.fault);
  if (isUnsigned()) return showCommand(dialog, filled.request, needsToken());
  if (keys === undefined) return showNoSigning(dialog, ENTER_KEYS);
  try {
    const signing = await sign(filled.request, keys.hmacSecret);
    if (mine === edition) showSigning(dialog, filled.request, keys.key, signing);
  } catch (error) {
    showNoSigning(dialog, message(error));
  }
}

function bodyFaultNow() {
  if (operation?.body === undefined) return '';
  try {
    JSON.parse(bodyText.value);
    return '';
  } catch (error) {
    return `Not JSON yet: ${message(error)}`;
  }
}

async function send() {
  if (operation === undefined || isSending) return;
  sendFault.textContent = '';
  const keys = currentKeys();
  const token = needsToken() ? currentToken() : undefined;
  if (needsToken() && token === undefined) return refuse('Enter an access token first.', '[data-token]');
  if (keys === undefined && !isUnsigned()) return refuse('Enter your keys first.', '[data-key]');
  if (keys?.key.startsWith('pk_') && operation.needs === 'secret key') {
    return refuse(
      site?.environment === 'production'
        ? 'This needs a secret key, which has no place in a browser: send it from your server, or try it in the sandbox.'
        : 'This needs your secret key; a publishable key may read only.',
    );
  }
  const filled = filledIn();
  if (filled === undefined) return;
  if ('fault' in filled) return refuse(filled.fault, `[name="${filled.input}"]`);
  showSending(true);
  try {
    const { request } = filled;
    if (token !== undefined) request.headers.Authorization = `Bearer ${token}`;
    await exchange(request, isUnsigned() ? undefined : keys);
  } finally {
    showSending(false);
  }
}

/** A disabled button would lose the focus, and with it the keyboard. @param {boolean} sending */
function showSending(sending) {
  isSending = sending;
  sendButton.setAttribute('aria-disabled', String(sending));
  sendButton.textContent = sending ? 'Sending…' : 'Send request';
}

/**
 * @param {import('./signed-request.js').Request} request
 * @param {import('./keys.js').Keys | undefined} keys
 */
async function exchange(request, keys) {
  edition++;
  try {
    let headers = request.headers;
    if (keys !== undefined) {
      const signing = await sign(request, keys.hmacSecret);
      headers = headersOf(request, keys.key, signing);
      showSigning(dialog, request, keys.key, signing);
    }
    const begun = performance.now();
    const response = await fetch(request.path, {
      method: request.method,
      headers,
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const text = await response.text();
    showAnswer(dialog, response, text, performance.now() - begun);
    if (response.ok) takeTokenFrom(request.path, text);
  } catch (error) {
    showFault(dialog, `No answer: ${message(error)}. Is the server still running?`);
  }
}

/**
 * @param {string} fault
 * @param {string} [selector] of the field that is to be filled in
 */
function refuse(fault, selector) {
  sendFault.textContent = fault;
  const field = selector === undefined ? null : dialog.querySelector(selector);
  if (field instanceof HTMLElement) field.focus();
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Error ? error.message : String(error);
}
