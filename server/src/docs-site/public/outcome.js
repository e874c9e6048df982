import { element, find, showJson } from './elements.js';

/** @param {HTMLElement} dialog */
export function showNothing(dialog) {
  show(dialog, 'empty');
}

/**
 * @param {HTMLElement} dialog
 * @param {string} fault
 */
export function showFault(dialog, fault) {
  find(dialog, '[data-outcome-fault]', HTMLElement).textContent = fault;
  show(dialog, 'fault');
}

/**
 * @param {HTMLElement} dialog
 * @param {Response} response
 * @param {string} text of its body
 * @param {number} milliseconds from sending to the last byte
 */
export function showAnswer(dialog, response, text, milliseconds) {
  const status = find(dialog, '[data-status]', HTMLElement);
  status.textContent = `${response.status} ${response.statusText}`.trim();
  status.className = `status status-${String(response.status).charAt(0)}`;
  const size = text.length < 1000 ? `${text.length} characters` : `${(text.length / 1000).toFixed(1)} kB`;
  find(dialog, '[data-timing]', HTMLElement).textContent = `${milliseconds.toFixed(0)} ms · ${size}`;
  const type = response.headers.get('content-type')?.split(';')[0] ?? 'no body';
  find(dialog, '[data-content-type]', HTMLElement).textContent = type;
  showJson(find(dialog, '[data-answer]', HTMLElement), text === '' ? '(empty)' : formatted(text));
  find(dialog, '[data-headers]', HTMLElement).replaceChildren(
    ...[...response.headers].flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
  );
  show(dialog, 'answer');
  find(dialog, '.outcome', HTMLElement).scrollIntoView({ block: 'nearest' });
}

/** @param {string} text */
function formatted(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * @param {HTMLElement} dialog
 * @param {'empty' | 'fault' | 'answer'} state
 */
function show(dialog, state) {
  find(dialog, '[data-outcome-empty]', HTMLElement).hidden = state !== 'empty';
  find(dialog, '[data-outcome-fault]', HTMLElement).hidden = state !== 'fault';
  find(dialog, '[data-outcome]', HTMLElement).hidden = state !== 'answer';
}
